"""Frames nobody should send: each is recorded with its reason, none stops a feed."""

from __future__ import annotations

import pytest

from liq_pipeline.collector.connection import MAX_FRAME_BYTES
from liq_pipeline_tests.collector.harness import collecting, run, until
from liq_pipeline_tests.collector.test_connections import FRAMES, venue_of

BAD: dict[str, str | bytes] = {
    "malformed JSON": '{"stream":"!forceOrder@arr","data":{',
    "binary": b"\x1f\x8b\x08\x00\xff\xfe\x00binary",
    "text that is not UTF-8": b'{"data":"\xff\xfe"}',
    "empty": "",
    "a number": "17",
    "deep nesting": "[" * 50_000,
    "one megabyte": '{"x":"' + "a" * 1_000_000 + '"}',
    "an error frame of Binance": '{"error":{"code":3,"msg":"Invalid JSON"},"id":9}',
    "an error frame of OKX": '{"event":"error","code":"60012","msg":"Illegal request","connId":"c"}',
}


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_frame_is_recorded_and_the_connection_stays(redis_url: str, exchange: str, bad: str) -> None:
    async def scenario() -> None:
        async with venue_of(exchange) as venue, collecting(redis_url, venue) as collector:
            frame = BAD[bad]
            await venue.send(frame, FRAMES[exchange](1))
            await until(lambda: collector.times(exchange), "the next event landed")
            ((reason, kept),) = collector.rejections()
            assert reason and kept == (frame if isinstance(frame, bytes) else frame.encode())
            assert venue.opened == 1

    run(scenario())


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
def test_an_event_that_cannot_have_happened_yet_is_recorded_and_the_connection_stays(
    redis_url: str, exchange: str
) -> None:
    async def scenario() -> None:
        async with venue_of(exchange) as venue, collecting(redis_url, venue) as collector:
            ahead = FRAMES[exchange](40 * 365 * 86_400_000)
            await venue.send(ahead, FRAMES[exchange](1))
            await until(lambda: collector.times(exchange), "the next event landed")
            assert len(collector.times(exchange)) == 1
            ((reason, kept),) = collector.rejections()
            assert "is in the future" in reason and kept == ahead.encode()
            assert venue.opened == 1

    run(scenario())


def test_a_frame_above_the_limit_is_recorded_and_the_feed_reconnects(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            await venue.send("x" * (MAX_FRAME_BYTES + 1))
            await until(lambda: venue.opened == 2 and collector.state("okx") == "live", "reconnected")
            await venue.send(FRAMES["okx"](1))
            await until(lambda: collector.times("okx"), "the next event landed")
            ((reason, _),) = collector.rejections()
            assert str(MAX_FRAME_BYTES) in reason

    run(scenario())
