"""The live view under Dagster: its shift, its sensor, and a day from the streams to the check that compares it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator

import dagster as dg
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.checks import rules
from liq_pipeline.dagster_defs.checks.parity import live_equals_batch
from liq_pipeline.dagster_defs.jobs import live_job
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.sensors import live_sensor
from liq_pipeline.embedded import process
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.run import live
from liq_pipeline.warehouse import loader
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, add, entry, query


@pytest.fixture
def servers(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Database and Redis of a line that LIQ_* names."""
    migrate(database_url, plain=True)
    monkeypatch.setenv("LIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("LIQ_REDIS_URL", redis_url)
    yield database_url, redis_url


def _bursts() -> list[streams.Entry]:
    """Two cascades of a recording, and an event late enough that both are final by it."""
    times = [
        *((n, NOON + n * 100, "ETHUSDT") for n in range(8)),
        *((n, NOON + 30_000 + n * 900, "BTCUSDT") for n in range(9)),
        (9, NOON + 900_000, "BTCUSDT"),
    ]
    return [
        entry(n, at, value_usd="50000", symbol=symbol, contract=symbol)._replace(source="replay")
        for n, at, symbol in times
    ]


async def _follow(database_url: str, redis_url: str, finals: int) -> LiveReport:
    stop = asyncio.Event()

    def watch(report: LiveReport) -> None:
        if report.finals == finals and not report.unrecorded:
            stop.set()

    until = time.time_ns() // 1_000_000 + 60_000
    return await live(KEEP, redis_url=redis_url, database_url=database_url, until_ms=until, stop=stop, watch=watch)


def test_what_a_view_showed_of_a_replay_is_what_the_day_holds_and_changes_to_either_are_seen(
    servers: tuple[str, str],
) -> None:
    database_url, redis_url = servers
    add(redis_url, _bursts())
    assert asyncio.run(_follow(database_url, redis_url, finals=2)).finals == 2
    loader.drain(database_url, redis_url, KEEP)
    materialize_events(database_url, DAY, KEEP)

    def verdict() -> rules.Verdict:
        with rules.looking(database_url, [DAY], KEEP) as (look,):
            return live_equals_batch(look)

    assert verdict().seen == {"cascades": 2, "differences": 0, "not_finished": 0}
    query(database_url, "UPDATE live_cascades SET price_end = price_end + 0.001 WHERE symbol = 'ETHUSDT'")
    assert verdict().seen == {"cascades": 2, "differences": 0, "not_finished": 1}  # Recorded a moment ago.
    query(database_url, "UPDATE loader_state SET drained_until = drained_until + interval '5 minutes'")
    assert not verdict().passed
    query(database_url, "UPDATE live_cascades SET price_end = price_end - 0.001 WHERE symbol = 'ETHUSDT'")
    more = entry(20, NOON + 50, value_usd="1", symbol="ETHUSDT", contract="ETHUSDT")
    with connect(database_url) as connection:
        insert_rows(connection, [more._replace(source="import:tardis")])
    materialize_events(database_url, DAY, KEEP)
    imported = verdict()
    assert imported.passed
    assert imported.seen["imported"] == 1


def test_a_shift_shows_the_last_hour_records_how_far_it_came_and_lets_go_of_its_lease(
    servers: tuple[str, str],
) -> None:
    database_url, redis_url = servers
    add(redis_url, _bursts())
    until = time.time_ns() // 1_000_000 + 60_000
    with redis.Redis.from_url(redis_url) as client, dg.DagsterInstance.ephemeral() as instance:

        def end_once_it_shows() -> None:
            process.until(lambda: any(client.scan_iter("liq:levels:*")), 30)
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=end_once_it_shows)
        thread.start()
        result = live_job.execute_in_process(
            instance=instance,
            run_config={"ops": {"live_shift": {"config": {"until_ms": until}}}},
            resources={"line": Line()},
        )
        thread.join()
        assert result.success
        assert any(client.scan_iter("liq:levels:*"))
        assert not client.exists(streams.lease_key(streams.LIVE))
    assert query(database_url, "SELECT watermark IS NOT NULL FROM live_state") == [(True,)]


def test_a_view_is_asked_for_until_one_holds_the_lease(servers: tuple[str, str]) -> None:
    _, redis_url = servers
    with dg.DagsterInstance.ephemeral() as instance:

        def rescues() -> list[str]:
            context = dg.build_sensor_context(instance=instance, resources={"line": Line()})
            requests: list[dg.RunRequest] = live_sensor(context)  # type: ignore[assignment]
            return [str(request.run_key) for request in requests if "rescue" in str(request.run_key)]

        (key,) = rescues()
        assert key.startswith("live:")
        with redis.Redis.from_url(redis_url) as client:
            client.set(streams.lease_key(streams.LIVE), "somebody")
        assert rescues() == []
