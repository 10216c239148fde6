"""Defects of ours and deaths of the process: seen, survived, and never mistaken for coverage."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.collector.feed import Feed
from liq_pipeline.collector.lease import held
from liq_pipeline.exchanges.base import Instruments, Parsed
from liq_pipeline.exchanges.okx import OkxAdapter
from liq_pipeline_tests.cli.test_collect import start
from liq_pipeline_tests.collector.harness import Collector, collecting, run, until
from liq_pipeline_tests.collector.test_connections import FRAMES, venue_of
from liq_pipeline_tests.fakes.venue import FakeVenue


def test_a_parser_that_raises_costs_one_frame_which_is_kept(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = OkxAdapter.parse

    def defective(self: OkxAdapter, frame: bytes, instruments: Instruments) -> Parsed:
        if b"poison" in frame:
            raise KeyError("nobody thought of this")
        return original(self, frame, instruments)

    monkeypatch.setattr(OkxAdapter, "parse", defective)

    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            await venue.send('{"poison":1}', FRAMES["okx"](1))
            await until(lambda: collector.times("okx"), "the next event landed")
            ((reason, frame),) = collector.rejections()
            assert "KeyError" in reason and frame == b'{"poison":1}'
            assert venue.opened == 1
            await until(lambda: collector.health("okx")["crashes"] == "1", "health counts it")

    run(scenario())


def test_a_feed_that_crashes_starts_again_and_the_others_never_notice(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Feed._first_symbols
    crashes = 3

    async def defective(self: Feed) -> tuple[str, ...]:
        nonlocal crashes
        if self.name == "okx" and crashes:
            crashes -= 1
            raise ZeroDivisionError("a defect")
        return await original(self)

    monkeypatch.setattr(Feed, "_first_symbols", defective)

    async def scenario() -> None:
        async with (
            venue_of("okx") as okx,
            venue_of("binance") as binance,
            collecting(redis_url, okx, binance, wait=False) as collector,
        ):
            await until(lambda: collector.health("okx").get("state") == "crashed", "the crash shows")
            assert "ZeroDivisionError" in collector.health("okx")["error"]
            await until(lambda: collector.state("okx") == "live", "started again")
            assert collector.health("okx")["crashes"] == "3" and binance.opened == 1
            assert collector.state("binance") == "live"

    run(scenario())


def test_a_crash_inside_one_of_a_feeds_tasks_is_named_by_its_cause(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object) -> bool:
        raise ZeroDivisionError("a defect")

    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            with monkeypatch.context() as patch:
                patch.setattr("liq_pipeline.collector.line.Line._due", defective)
                (connection,) = venue.live
                await connection.close()
                await until(
                    lambda: collector.health("okx")["error"] == "ZeroDivisionError: a defect", "the cause shows"
                )
            await until(lambda: collector.state("okx") == "live", "started again")

    run(scenario())


def test_a_client_that_swallows_a_cancellation_does_not_keep_the_collector_from_ending(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = asyncio.Event()

    async def swallows(*_: object) -> None:
        if saving.is_set():
            return
        saving.set()
        # As redis-py does while it connects.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    async def scenario() -> None:
        async with venue_of("bybit") as venue, collecting(redis_url, venue) as collector:
            assert collector.task is not None
            monkeypatch.setattr("liq_pipeline.collector.feed.save_cache", swallows)
            await asyncio.wait_for(saving.wait(), 30)
            collector.stop.set()
            ended, _ = await asyncio.wait({collector.task}, timeout=30)
            assert ended, "the collector did not end"

    run(scenario())


def test_a_writer_that_dies_of_a_defect_ends_the_collector_loudly(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            assert collector.task is not None
            monkeypatch.setattr("liq_pipeline.collector.landing.Landing._acknowledge", defective)
            await venue.send(FRAMES["okx"](1))
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(collector.task, 30)

    run(scenario())


def test_a_killed_collector_leaves_its_gap_and_its_lease_expires(redis_url: str) -> None:
    async def scenario() -> None:
        async with FakeVenue("binance") as venue:
            collector = Collector(redis_url)
            process = await start(redis_url, venue, "--exchanges", "binance")
            await until(lambda: collector.spans("binance"), "something is claimed")
            assert held(redis_url, ["binance"])
            process.send_signal(signal.SIGKILL)
            await process.wait()
            end = max(span.end for span in collector.spans("binance"))
            with redis.Redis.from_url(redis_url) as client:
                assert 0 < client.pttl(streams.lease_key("binance")) <= 6_000
            async with collecting(redis_url, venue):
                await until(lambda: len(collector.covered("binance")) == 2, "a gap until the next collector")
                assert collector.covered("binance")[0][1] == end

    run(scenario())


def test_two_collectors_at_a_hand_over_leave_no_gap_and_count_nothing_twice(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("binance") as venue, collecting(redis_url, venue) as older:
            await venue.send(FRAMES["binance"](0))
            async with collecting(redis_url, venue) as newer:
                await until(lambda: len(venue.live) == 2, "both are connected")
                await venue.send(FRAMES["binance"](1))
                await until(lambda: len(newer.entries("binance")) == 3, "landed twice")
                await older.finish()
                assert held(redis_url, ["binance"])
                await venue.send(FRAMES["binance"](2))
                await until(lambda: len(newer.times("binance")) == 3, "the newer goes on")
                await newer.finish()
                assert len(newer.covered("binance")) == 1
                assert len({entry.liquidation.event_id for entry in newer.entries("binance")}) == 3

    run(scenario())
