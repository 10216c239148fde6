"""heal_job and what asks for it, against a real PostgreSQL, Redis and an exchange on loopback."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from liq_pipeline.dagster_defs.assets.sources import exchange_key
from liq_pipeline.dagster_defs.jobs import heal_job
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.schedules import heal_daily
from liq_pipeline.dagster_defs.sensors import unhealed_gaps
from liq_pipeline.definitions import defs
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.healing.okx import Venue, frame, serving
from liq_pipeline_tests.warehouse.making import query, utc

HOUR = 3_600_000


@pytest.fixture
def venue(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    """The exchange of a line that LIQ_* names."""
    migrate(database_url, plain=True)
    with serving() as venue:
        values = {
            "DATABASE_URL": database_url, "REDIS_URL": redis_url, "REST_URL_OKX": venue.rest_url,
            "EXCHANGES": "binance,okx", "SYMBOLS": "BTCUSDT",
        }  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(f"LIQ_{name}", value)
        yield venue


def _gap(database_url: str) -> tuple[int, int]:
    start = time.time_ns() // 1_000_000 - 5 * HOUR
    query(
        database_url,
        "INSERT INTO feed_gaps (exchange, started_at, ended_at, reason) VALUES ('okx', %s, %s, 'down') RETURNING 1",
        utc(start),
        utc(start + HOUR),
    )
    return start, start + HOUR


def test_a_gap_starts_a_run_that_fills_it_and_the_exchange_shows_what_came_of_it(
    venue: Venue, database_url: str
) -> None:
    start, end = _gap(database_url)
    venue.published([frame(at) for at in (start - 1, start, end - 1)])
    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance=instance, resources={"line": Line()}, definitions=defs) as context:
            asked = unhealed_gaps(context)
            assert isinstance(asked, dg.SensorResult)
            assert [request.run_key for request in asked.run_requests or []] != []
            context.update_cursor(asked.cursor)
            again = unhealed_gaps(context)
            assert isinstance(again, dg.SensorResult)
            assert again.run_requests == []
        assert heal_job.execute_in_process(instance=instance, resources={"line": Line()}).success
        seen = instance.get_latest_data_version_record(exchange_key("okx"))
        assert seen is not None
        observation = seen.asset_observation
        assert observation is not None
        values = {name: value.value for name, value in observation.metadata.items()}
    assert (values["rows"], values["landed_in_gaps"], values["landed_though_covered"]) == (2, 2, 0)
    assert values["problems"] == "none"
    assert query(database_url, "SELECT feed, started_at, ended_at FROM feed_heals") == [("okx", utc(start), utc(end))]


def test_a_venue_that_cannot_be_asked_fails_the_run_with_the_reason(
    venue: Venue, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gap(database_url)
    monkeypatch.setenv("LIQ_REST_URL_OKX", "http://127.0.0.1:9")
    with dg.DagsterInstance.ephemeral() as instance:
        run = heal_job.execute_in_process(instance=instance, resources={"line": Line()}, raise_on_error=False)
        assert not run.success
        errors = [log.user_message for log in instance.all_logs(run.run_id) if log.level == logging.ERROR]
    assert "okx: its contracts are not known" in errors[0]


def test_every_night_the_whole_day_before_is_compared(venue: Venue, database_url: str) -> None:
    today = datetime.now(UTC)
    request = heal_daily(dg.build_schedule_context(scheduled_execution_time=today))
    assert isinstance(request, dg.RunRequest)
    midnight = int(today.timestamp()) // 86_400 * 86_400_000
    venue.published([frame(at) for at in (midnight - 30 * HOUR, midnight - 7 * HOUR)])
    with dg.DagsterInstance.ephemeral() as instance:
        run = heal_job.execute_in_process(instance=instance, resources={"line": Line()}, run_config=request.run_config)
    assert run.success
    assert set(venue.families) == {"BTC-USDT"}
    (event,) = run.get_asset_observation_events()
    assert event.asset_observation_data.asset_observation.metadata["landed_though_covered"].value == 1
