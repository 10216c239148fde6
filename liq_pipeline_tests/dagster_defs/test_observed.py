"""The external assets' own state: what Redis says of feeds and streams, written down when it is news."""

from __future__ import annotations

import time
from typing import NamedTuple

import dagster as dg
import msgspec
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.checks.freshness import Finding
from liq_pipeline.dagster_defs.checks.rules import Verdict
from liq_pipeline.dagster_defs.health import Health, feed_health, look
from liq_pipeline.dagster_defs.observed import Written, is_new_verdict, is_news, observed
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline_tests.dagster_defs.test_wiring import line
from liq_pipeline_tests.warehouse.making import add, entry

__all__ = ["line"]

NOW = 1_765_368_000_000
LANDING_ZONE = dg.AssetKey("liq_events")
LIVE_VIEW = dg.AssetKey("liq_live")
BINANCE = dg.AssetKey(["exchanges", "binance"])


@pytest.mark.parametrize(
    ("fields", "leased", "state", "active"),
    [
        ({}, False, "never collected", False),
        ({"state": "live", "updated_at": str(NOW - 1_000)}, True, "live", True),
        ({"state": "silent", "updated_at": str(NOW - 1_000)}, True, "silent", True),
        ({"state": "live", "updated_at": str(NOW - 60_000)}, False, "gone", False),
        ({"state": "stopped", "updated_at": str(NOW - 60_000)}, False, "stopped", False),
        ({"state": "live", "updated_at": str(NOW - 60_000)}, True, "live", True),
    ],
)
def test_a_feed_is_what_its_collector_says_until_that_is_gone(
    fields: dict[str, str], leased: bool, state: str, active: bool
) -> None:
    health = feed_health(fields, leased, NOW)
    assert (health.state, health.active) == (state, active)


def test_a_state_is_news_when_it_changes_and_every_ten_minutes_while_active() -> None:
    live, gone = Health("live", True, {}), Health("gone", False, {})
    assert is_news(live, None, 1_000)
    assert not is_news(live, Written("live", 1_000), 1_599)
    assert is_news(live, Written("live", 1_000), 1_600)
    assert is_news(gone, Written("live", 1_000), 1_001)
    assert not is_news(gone, Written("gone", 1_000), 900_000)


def test_a_verdict_is_written_down_when_it_changes_every_hour_and_after_each_materialization() -> None:
    passed = Finding(BINANCE, "alive", Verdict(True, "live"))
    failed = Finding(BINANCE, "alive", Verdict(False, "gone"))
    assert is_new_verdict(passed, None, 0, 1_000)
    assert not is_new_verdict(passed, Written("passed", 1_000), 999, 4_599)
    assert is_new_verdict(passed, Written("passed", 1_000), 999, 4_600)
    assert is_new_verdict(passed, Written("passed", 1_000), 1_001, 1_002)
    assert is_new_verdict(failed, Written("passed", 1_000), 0, 1_001)
    assert not is_new_verdict(failed, Written("failed", 1_000), 0, 1_001)
    assert is_new_verdict(failed, Written("warned", 1_000), 0, 1_001)


def test_what_redis_holds_is_written_down_once_and_again_when_it_changes(
    line: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, redis_url = line
    monkeypatch.setenv("LIQ_EXCHANGES", "binance")
    add(redis_url, [entry(n) for n in range(3)])
    now = int(time.time() * 1000)
    fields = {"state": "live", "frames": 12, "events": 3, "last_frame_at": now, "updated_at": now}
    with redis.Redis.from_url(redis_url) as client:
        client.hset(streams.feed_key("binance"), mapping=fields)
        client.set(streams.lease_key("binance"), "somebody")

        seen = _tick(None)
        feed = {name: value.value for name, value in seen.observations[BINANCE].metadata.items()}
        assert feed == {"state": "live", "collected": True, "frames": 12, "events": 3, "last_frame_at": now / 1000}
        zone = {name: value.value for name, value in seen.observations[LANDING_ZONE].metadata.items()}
        assert (zone["state"], zone["liq:events:binance entries"], zone["backlog"]) == ("collected", 3, 3)
        assert 0 <= float(zone["lag_seconds"]) < 600
        assert seen.observations[LIVE_VIEW].description == "never ran"
        assert seen.verdicts.keys() == {(spec.asset_key, spec.name) for spec in freshness.specs()}
        assert all(seen.verdicts.values())

        seen = _tick(seen.cursor)
        assert (seen.observations, seen.verdicts) == ({}, {})

        client.delete(streams.lease_key("binance"))
        client.hset(streams.feed_key("binance"), "updated_at", NOW)
        client.hset(LIVE_KEY, mapping={"state": "live", "watermark": NOW, "active": 2, "updated_at": now})
        seen = _tick(seen.cursor)
        assert {key: event.description for key, event in seen.observations.items()} == {
            BINANCE: "gone",
            LANDING_ZONE: "nobody collects binance",
            LIVE_VIEW: "live",
        }
        assert seen.observations[LIVE_VIEW].metadata["active"].value == 2
        assert seen.verdicts == {}

        # A failure counts when it has stood for a minute.
        failing = msgspec.json.decode(seen.cursor)["failing"]
        assert failing.keys() == {"liq_events/collected"}
        # Not while nobody looked: it may have been well, and is just starting again.
        stopped = {**msgspec.json.decode(seen.cursor), "looked_at": time.time() - 3600}
        stopped["failing"] = {"liq_events/collected": time.time() - 3601}
        assert _tick(msgspec.json.encode(stopped).decode()).verdicts == {}
        seen = _tick(seen.cursor.replace(str(failing["liq_events/collected"]), str(time.time() - 61)))
        assert seen.verdicts == {(LANDING_ZONE, "collected"): False}

        client.set(streams.lease_key("binance"), "somebody")
        seen = _tick(seen.cursor)
        assert seen.verdicts == {(LANDING_ZONE, "collected"): True}


def test_a_redis_that_is_away_is_a_state_of_the_landing_zone() -> None:
    found = look("redis://:secret@127.0.0.1:1/1", ["binance"], NOW)
    assert {key: health.state for key, health in found.items()} == {LANDING_ZONE: "away"}
    assert "secret" not in str(found)


class Seen(NamedTuple):
    observations: dict[dg.AssetKey, dg.AssetObservation]
    verdicts: dict[tuple[dg.AssetKey, str], bool]
    cursor: str


def _tick(cursor: str | None) -> Seen:
    with dg.DagsterInstance.ephemeral() as instance:
        result = observed(dg.build_sensor_context(instance, cursor=cursor, resources={"line": Line()}))
    assert isinstance(result, dg.SensorResult) and result.cursor is not None
    events = result.asset_events
    return Seen(
        {event.asset_key: event for event in events if isinstance(event, dg.AssetObservation)},
        {(one.asset_key, one.check_name): one.passed for one in events if isinstance(one, dg.AssetCheckEvaluation)},
        result.cursor,
    )
