"""A collector running against fakes, and what it left in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import redis
import redis.asyncio

from liq_pipeline import exchanges, streams
from liq_pipeline.collector.run import CollectReport, FeedStatus, collect
from liq_pipeline.collector.timing import Timing
from liq_pipeline.exchanges.base import Adapter
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry, Span, Trouble
from liq_pipeline_tests.fakes.venue import FakeVenue

QUICK = Timing(
    open=5.0, proof=1.0, overlap=0.1, close=0.3, claim=0.05, health=0.05, lease=0.1, lease_life=1.0, first_retry=0.02,
    last_retry=0.2, healthy=60.0, refresh=0.2, urgent_refresh=0.05, flush=5.0,
)  # fmt: skip
BOUND_SECONDS = 30.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, at most BOUND_SECONDS."""
    deadline = asyncio.get_running_loop().time() + BOUND_SECONDS
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)


class Collector:
    """One running collector over fakes; ``status`` holds what it last reported."""

    def __init__(self, redis_url: str) -> None:
        self.redis_url = redis_url
        self.redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self.stop = asyncio.Event()
        self.status: dict[str, FeedStatus] = {}
        self.task: asyncio.Task[CollectReport] | None = None

    def watch(self, statuses: Sequence[FeedStatus]) -> None:
        self.status = {status.feed: status for status in statuses}

    async def finish(self) -> CollectReport:
        """Stop cleanly."""
        self.stop.set()
        assert self.task is not None
        return await asyncio.wait_for(self.task, BOUND_SECONDS)

    def entries(self, exchange: str) -> list[Entry]:
        return [streams.decode_entry(fields) for _, fields in self.redis.xrange(streams.events_key(exchange))]

    def times(self, exchange: str) -> list[int]:
        """Distinct event times landed, ascending."""
        return sorted({entry.liquidation.time for entry in self.entries(exchange)})

    def rejections(self) -> list[tuple[str, bytes]]:
        return [(fields[b"reason"].decode(), fields[b"frame"]) for _, fields in self.redis.xrange(streams.REJECTED)]

    def spans(self, feed: str) -> list[Span]:
        return [streams.decode_span(fields) for _, fields in self.redis.xrange(streams.coverage_key(feed))]

    def troubles(self, feed: str) -> list[Trouble]:
        return [streams.decode_trouble(fields) for _, fields in self.redis.xrange(streams.troubles_key(feed))]

    def explained(self, feed: str, reason: str, start: int, end: int) -> bool:
        """Whether what was said of this trouble, added up, is about the whole of a gap."""
        spans = [Span("", trouble.start, trouble.end) for trouble in self.troubles(feed) if trouble.reason == reason]
        return any(first <= start and last >= end for first, last in streams.covered(spans))

    def covered(self, feed: str) -> list[tuple[int, int]]:
        return streams.covered(self.spans(feed))

    def health(self, feed: str) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.redis.hgetall(streams.feed_key(feed)).items()}

    def state(self, feed: str) -> str:
        return self.status[feed].state if feed in self.status else ""


@contextlib.asynccontextmanager
async def collecting(
    redis_url: str,
    *venues: FakeVenue,
    timing: Timing = QUICK,
    symbols: Sequence[str] = (),
    adapters: dict[str, dict[str, Any]] | None = None,
    wait: bool = True,
) -> AsyncIterator[Collector]:
    """A collector of these venues; ``adapters`` changes members of their adapters, by exchange."""
    settings = Settings(
        exchanges=tuple(venue.exchange for venue in venues),
        symbols=tuple(symbols),
        ws_urls={venue.exchange: f"ws://127.0.0.1:{venue.port}" for venue in venues},
        rest_urls={venue.exchange: f"http://127.0.0.1:{venue.port}" for venue in venues},
    )

    def adapter_of(feed: str) -> Adapter:
        changes = {"keepalive_seconds": 0.05, "publish_seconds": 0.0, **(adapters or {}).get(feed, {})}
        adapter: Any = exchanges.adapter(feed)
        return dataclasses.replace(adapter, **changes)  # type: ignore[no-any-return]

    collector = Collector(redis_url)
    collector.task = asyncio.create_task(
        collect(
            settings, redis_url=redis_url, stop=collector.stop, watch=collector.watch, timing=timing,
            adapter_of=adapter_of,
        )
    )  # fmt: skip
    try:
        if wait:
            for venue in venues:
                await until(lambda name=venue.exchange: collector.state(name) == "live", f"{venue.exchange} is live")
        yield collector
    finally:
        collector.task.cancel()
        await asyncio.gather(collector.task, return_exceptions=True)
        collector.redis.close()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run one scenario, bounded as a whole."""
    asyncio.run(asyncio.wait_for(scenario, 90))
