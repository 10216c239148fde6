"""Fresh tables, live feeds, a running collector: the rules, and what they see in a real database and Redis."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.checks.backlog import Memory, judge_backlog
from liq_pipeline.dagster_defs.checks.freshness import Behind, evaluate, judge_collected, judge_feed, judge_table
from liq_pipeline.dagster_defs.checks.rules import Verdict
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.definitions import defs
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import loader, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events
from liq_pipeline.warehouse.landing_zone import StreamState
from liq_pipeline.warehouse.loader import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import DAY, KEEP, add, entry, query

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def plain_url(database_url: str) -> str:
    """Our schema on plain PostgreSQL, for what does not touch the event tables."""
    migrate(database_url, plain=True)
    return database_url


def _behind(minutes: float, day: date = date(2026, 11, 20), table: str = "liquidations") -> Behind:
    return Behind(table, day, NOW - timedelta(minutes=minutes))


def test_a_table_is_fresh_until_a_day_has_been_behind_for_too_long() -> None:
    assert judge_table("liquidations", [], NOW, 900).passed
    assert judge_table("liquidations", [_behind(14), _behind(16, table="liquidations_hourly")], NOW, 900).passed
    verdict = judge_table("liquidations", [_behind(3), _behind(125, date(2026, 11, 21))], NOW, 900)
    assert not verdict.passed
    assert verdict.description == "2026-11-21 lacks for 2 h 5 min what it is made of, and 1 other days"
    assert verdict.seen == {"days_behind": 2, "behind_seconds": 7500}


def test_a_day_that_became_stale_by_a_clock_ahead_of_ours_is_no_failure() -> None:
    assert judge_table("liquidations", [_behind(-5)], NOW, 900).seen["behind_seconds"] == 0


@pytest.mark.parametrize(
    ("ago_seconds", "state", "passed"),
    [(1, "live", True), (119, "backing_off", True), (121, "backing_off", False), (121, "live", False)],
)
def test_a_feed_is_alive_while_frames_of_any_kind_come(ago_seconds: int, state: str, passed: bool) -> None:
    fields = {"state": state, "last_frame_at": str(NOW_MS - ago_seconds * 1000), "error": "no route to host"}
    verdict = judge_feed(fields, NOW_MS, 120)
    assert verdict.passed is passed
    assert passed or "no route to host" in verdict.description


def test_a_feed_that_never_had_a_frame_is_alive_only_while_it_is_being_started() -> None:
    assert not judge_feed({}, NOW_MS, 120).passed
    starting = {"state": "connecting", "updated_at": str(NOW_MS - 1000)}
    assert judge_feed(starting, NOW_MS, 120).passed
    assert not judge_feed(starting, NOW_MS + 60_000, 120).passed
    assert not judge_feed({**starting, "state": "backing_off"}, NOW_MS, 120).passed


def test_entries_that_wait_too_long_make_the_raw_table_stale() -> None:
    assert freshness.judge_landing(None, 0, NOW_MS, 900).passed
    assert freshness.judge_landing(NOW_MS - 899_000, 7, NOW_MS, 900).passed
    assert not freshness.judge_landing(NOW_MS - 901_000, 7, NOW_MS, 900).passed


def _waiting(entries: int) -> StreamState:
    return StreamState("liq:events:binance", entries, entries, NOW_MS, NOW_MS, NOW_MS)


def test_a_backlog_warns_when_it_is_long_and_fails_where_a_collector_has_stopped_reading() -> None:
    states = [_waiting(60), _waiting(41)]
    assert judge_backlog([], {}, 1).passed
    assert judge_backlog(states, {"binance": {"state": "live", "buffered": "7"}}, 101).passed
    long = judge_backlog(states, {"binance": {"state": "live"}}, 100)
    assert (long.passed, long.severe) == (False, False)
    assert long.description == "101 entries wait in Redis for the database, more than 100"
    blocked = judge_backlog([], {"binance": {"state": "blocked", "buffered": "9"}, "okx": {"state": "live"}}, 100)
    assert (blocked.passed, blocked.severe) == (False, True)
    assert "the collector of binance reads nothing" in blocked.description
    full = judge_backlog([_waiting(5)], {}, 100, Memory(990, 1000))
    assert (full.passed, full.severe) == (False, True)
    assert "it uses 990 of 1,000 bytes, and 5 entries wait in it" in full.description
    assert judge_backlog([_waiting(5)], {}, 100, Memory(970, 1000)).passed
    assert blocked.seen == {"uncommitted": 0, "buffered": 9, "blocked": 1, "limit": 100}


def test_every_feed_without_a_collector_is_named() -> None:
    assert judge_collected([], 3).passed
    assert judge_collected(["bybit", "okx"], 3).description == "nobody collects bybit, okx"


def _found(database_url: str, redis_url: str, settings: Settings, now: datetime) -> dict[str, Verdict]:
    findings = evaluate(settings, database_url, redis_url, now)
    return {f"{item.asset.to_user_string()}/{item.check}": item.verdict for item in findings}


def test_a_day_that_lags_behind_is_seen_table_by_table_and_no_more_once_it_is_made(
    warehouse_url: str, redis_url: str
) -> None:
    def failing(later: timedelta) -> set[str]:
        found = _found(warehouse_url, redis_url, KEEP, datetime.now(UTC) + later)
        return {name for name, verdict in found.items() if not verdict.passed and name.endswith("/fresh")}

    detection = {"liquidations/fresh", "liquidations_significant/fresh", "liquidation_cascades/fresh"}
    hour = timedelta(hours=1)
    with connect(warehouse_url) as connection:
        insert_rows(connection, [entry(1)])
    assert failing(timedelta()) == set()
    assert failing(hour) == detection
    materialize_events(warehouse_url, DAY, KEEP)
    assert failing(hour) == {f"{table}/fresh" for table in rollups.TABLES}
    for table in rollups.TABLES:
        rollups.materialize(warehouse_url, table, DAY, KEEP)
    assert failing(hour) == set()
    add(redis_url, [entry(2)])
    assert failing(hour) == {"liquidations_raw/fresh"}
    loader.drain(warehouse_url, redis_url, KEEP)
    assert failing(hour) == detection


def test_a_stale_day_keeps_the_time_since_when_until_it_is_made_again(plain_url: str) -> None:
    def since() -> datetime | None:
        ((at,),) = query(plain_url, "SELECT stale_since FROM day_state WHERE day = %s", DAY)
        return at  # type: ignore[no-any-return]

    for number in (1, 2):
        with connect(plain_url) as connection:
            insert_rows(connection, [entry(number)])
        if number == 1:
            first = since()
    assert first is not None
    assert since() == first
    materialize_events(plain_url, DAY, KEEP)
    assert since() is None
    with connect(plain_url) as connection:
        # What landed while the day was being made: it is stale since then, not since before.
        connection.execute("UPDATE day_state SET raw_version = raw_version + 2")
        connection.execute("UPDATE day_state SET stale_since = '2020-01-01'")
    later = since()
    assert later is not None and later > first
    with connect(plain_url) as connection:
        connection.execute("UPDATE day_state SET materialized_version = materialized_version + 1")
    latest = since()
    assert latest is not None and latest > later


def test_feeds_and_collectors_are_judged_by_what_redis_holds(plain_url: str, redis_url: str) -> None:
    now = datetime.now(UTC)
    now_ms = int(now.timestamp() * 1000)
    settings = KEEP.model_copy(update={"exchanges": ("binance", "okx:inverse")})
    with redis.Redis.from_url(redis_url) as client:
        health = {"state": "live", "last_frame_at": now_ms - 500, "updated_at": now_ms - 500}
        client.hset(streams.feed_key("binance"), mapping=health)
        client.set(streams.lease_key("binance"), "somebody")
        found = _found(plain_url, redis_url, settings, now)
        assert found["exchanges/binance/alive"].passed
        assert not found["exchanges/okx_inverse/alive"].passed
        assert found["exchanges/bybit/alive"].description == "not collected: LIQ_EXCHANGES does not name bybit"
        assert found["liq_events/collected"].description == "nobody collects okx:inverse"
        # The lease of a collector that has just died: its successor is on the way.
        client.delete(streams.lease_key("binance"))
        assert "binance" not in _found(plain_url, redis_url, settings, now)["liq_events/collected"].description
        late = _found(plain_url, redis_url, settings, now + timedelta(minutes=1))
        assert late["liq_events/collected"].description == "nobody collects binance, okx:inverse"


def test_a_redis_that_is_away_is_one_finding(plain_url: str) -> None:
    found = _found(plain_url, "redis://127.0.0.1:1/1", KEEP, NOW)
    assert {name for name, verdict in found.items() if not verdict.passed} == {"liq_events/collected"}
    assert "liquidations_raw/fresh" not in found


def test_somebody_may_ask_by_hand(plain_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIQ_DATABASE_URL", plain_url)
    monkeypatch.setenv("LIQ_REDIS_URL", redis_url)
    selection = dg.AssetSelection.checks(*(spec.key for spec in freshness.specs()))
    asked = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=[dg.define_asset_job("ask", selection)],
        resources={"line": Line()},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = asked.resolve_job_def("ask").execute_in_process(instance=instance)
    assert result.success
    seen = {(item.asset_key, item.check_name) for item in result.get_asset_check_evaluations()}
    assert seen == {(spec.key.asset_key, spec.name) for spec in freshness.specs()}
