"""From a collector's troubles to the rows of feed_gaps: what is missing is as long as it was, and says why."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC, datetime

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.collector.harness import Collector, collecting, run, until
from liq_pipeline_tests.collector.test_connections import venue_of
from liq_pipeline_tests.fakes.venue import CONTROL
from liq_pipeline_tests.warehouse.making import query

OKX = Settings(exchanges=("okx",))
MINUTE = 60_000


def gaps(database_url: str, redis_url: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """What is missing between two times, from the tables of their days; a gap over midnight in one piece."""
    for day in sorted({datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (start, end)}):
        coverage.materialize(database_url, redis_url, day, OKX, end + MINUTE)
    found: list[tuple[int, int, str]] = []
    for started_at, ended_at, reason in query(
        database_url, "SELECT started_at, ended_at, reason FROM feed_gaps WHERE exchange = 'okx' ORDER BY 1"
    ):
        first, last = (round(at.timestamp() * 1000) for at in (started_at, ended_at))
        if found and found[-1][1:] == (first, reason):
            first = found.pop()[0]
        found.append((first, last, reason))
    return [gap for gap in found if gap[0] >= start]


def test_a_hand_over_is_no_gap_a_mute_venue_is_silent_and_nobody_there_is_down(
    database_url: str, redis_url: str
) -> None:
    migrate(database_url, plain=True)

    def holes(collector: Collector) -> list[tuple[int, int]]:
        covered = collector.covered("okx")
        return [(before, after) for (_, before), (after, _) in itertools.pairwise(covered)]

    async def scenario() -> None:
        # Longer than a busy machine lets an answer wait.
        quick = {"okx": {"silence_seconds": 3.0}}
        async with venue_of("okx") as venue:
            async with collecting(redis_url, venue, adapters=quick) as older:
                await until(lambda: older.spans("okx"), "covered")
                async with collecting(redis_url, venue, adapters=quick) as newer:
                    await until(lambda: len({span.connection for span in newer.spans("okx")}) == 2, "both cover")
                    await older.finish()
                    assert holes(newer) == []
                    venue.mute.update(venue.live)
                    await until(lambda: len(holes(newer)) == 1, "another connection took over")
                    await newer.finish()
            await asyncio.sleep(0.3)
            async with collecting(redis_url, venue, adapters=quick) as last:
                await until(lambda: len(holes(last)) == 2, "covered again")
                await last.finish()
                covered = last.covered("okx")
                silent, down = holes(last)
        found = await asyncio.to_thread(gaps, database_url, redis_url, covered[0][0], covered[-1][1])
        assert found == [(*silent, "silent"), (*down, "down")]
        assert silent[1] - silent[0] >= 2_900 and down[1] - down[0] >= 250

    run(scenario())


def test_what_came_late_proves_nothing_of_the_time_it_was_on_its_way(redis_url: str) -> None:
    """A connection that is lost loses all that was on its way: a slow one seconds of it."""

    async def scenario() -> None:
        async with venue_of("binance") as venue, collecting(redis_url, venue) as collector:
            await until(lambda: collector.spans("binance"), "covered")
            venue.control = False
            late = time.time_ns() // 1_000_000 - 100
            await venue.send(*(CONTROL % late for _ in range(20)))
            for number in range(5):
                await asyncio.sleep(0.05)
                await venue.send(CONTROL % (late + number))
            await until(lambda: int(collector.health("binance")["frames"]) >= 25, "all have come")
            venue.live[0].transport.abort()
            await collector.finish()
            assert max(span.end for span in collector.spans("binance")) <= late + 100

    run(scenario())
