"""Venues that send more than the database takes, until Redis is full: held back, said, drained, and nothing lost.

By hand at length: ``python -m benchmarks.overload``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest
import redis

from liq_pipeline.collector import run as collector_run
from liq_pipeline.collector.landing import Landing
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.checks.rules import Verdict
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage, loader
from liq_pipeline.warehouse.loader import DrainReport
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.collector import harness
from liq_pipeline_tests.collector.harness import collecting, until
from liq_pipeline_tests.collector.test_connections import FRAMES, venue_of
from liq_pipeline_tests.warehouse.making import query

LIMIT = 1_000
BUFFERED = 200
SETTINGS = Settings(exchanges=("binance",), backlog_entries=LIMIT, retention_days=0)


def backlog(database_url: str, redis_url: str) -> Verdict:
    findings = freshness.evaluate(SETTINGS, database_url, redis_url)
    (verdict,) = [item.verdict for item in findings if item.check == "backlog"]
    return verdict


class Draining(threading.Thread):
    """The loader at work, as the daily job runs it."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__()
        self.urls = database_url, redis_url
        self.report: DrainReport | None = None

    def run(self) -> None:
        self.report = loader.drain(*self.urls, SETTINGS)


@pytest.fixture
def limited(redis_url: str) -> object:
    """The Redis whose memory the test limits."""
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        yield client
        client.config_set("maxmemory", before)


def test_more_than_the_database_and_redis_take_is_held_back_said_and_drained(
    database_url: str, redis_url: str, limited: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url, plain=True)
    monkeypatch.setattr(harness, "BOUND_SECONDS", 120.0)
    monkeypatch.setattr(collector_run, "Landing", lambda url: Landing(url, max_entries=BUFFERED))
    frames = [FRAMES["binance"](number) for number in range(4_000)]
    first, rest = frames[: LIMIT + 200], frames[LIMIT + 200 :]

    def judged() -> tuple[bool, bool, object]:
        verdict = backlog(database_url, redis_url)
        return verdict.passed, verdict.severe, verdict.seen["uncommitted"]

    async def scenario() -> None:
        async with venue_of("binance") as venue, collecting(redis_url, venue) as collector:
            await until(lambda: collector.spans("binance"), "covered")
            with psycopg.connect(database_url) as busy:
                busy.execute("LOCK TABLE liquidations_raw IN ACCESS EXCLUSIVE MODE")
                waiting = Draining(database_url, redis_url)
                waiting.start()
                assert backlog(database_url, redis_url).passed
                await venue.send(*first)
                await until(lambda: len(collector.times("binance")) == len(first), "all is in Redis")
                # A moment ago its buffer may have been full.
                await until(lambda: judged() == (False, False, len(first)), "the backlog is said")
                # A hundred kilobytes more, and Redis is full.
                limited.config_set("maxmemory", int(limited.info("memory")["used_memory"]) + 100_000)
                sending = asyncio.create_task(venue.send(*rest))
                await until(lambda: collector.state("binance") == "blocked", "the collector is held back")
                verdict = await asyncio.to_thread(backlog, database_url, redis_url)
                assert (verdict.passed, verdict.severe) == (False, True)
                assert "Redis is full" in verdict.description
            # The database is itself again: what it takes makes room for the rest.
            await until(lambda: _drained(database_url, redis_url) == len(frames), "everything drained")
            await sending
            waiting.join()
            await until(lambda: collector.state("binance") == "live", "the collector reads again")
            await until(lambda: collector.troubles("binance"), "the trouble is said")
            assert {trouble.reason for trouble in collector.troubles("binance")} == {"overloaded"}
            assert venue.opened == 1
            await until(lambda: judged() == (True, True, 0), "all is said to be well")

    asyncio.run(asyncio.wait_for(scenario(), 4 * harness.BOUND_SECONDS))
    sent = {1_791_565_602_120 + number for number in range(len(frames))}
    rows = query(database_url, "SELECT floor(extract(epoch FROM time) * 1000)::bigint FROM liquidations_raw")
    assert sorted(time for (time,) in rows) == sorted(sent)
    now = time.time_ns() // 1_000_000
    coverage.materialize(database_url, redis_url, datetime.now(UTC).date(), SETTINGS, now + 120_000)
    reasons = query(database_url, "SELECT reason FROM feed_gaps WHERE exchange = 'binance' AND reason <> 'throttled'")
    assert ("overloaded",) in reasons


def _drained(database_url: str, redis_url: str) -> int:
    """Drain once more; how many rows there are then."""
    loader.drain(database_url, redis_url, SETTINGS)
    ((rows,),) = query(database_url, "SELECT count(*) FROM liquidations_raw")
    return int(rows)
