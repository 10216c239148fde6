"""The collector: every feed at once, until a time, a signal or cancellation, and a clean end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from liq_pipeline import exchanges
from liq_pipeline.collector.connection import now_ms
from liq_pipeline.collector.feed import Feed
from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.lease import Lease
from liq_pipeline.collector.timing import Timing
from liq_pipeline.exchanges.base import Adapter
from liq_pipeline.liquidation import Source
from liq_pipeline.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeedStatus:
    """One feed of this collector; counts are of this process."""

    feed: str
    state: str
    frames: int
    events: int
    rejected: int
    reconnects: int
    crashes: int
    error: str | None


@dataclass(frozen=True)
class CollectReport:
    """What a collector did. ``unwritten`` entries are lost: Redis did not take them before the end."""

    feeds: tuple[FeedStatus, ...]
    unwritten: int


async def collect(
    settings: Settings,
    feeds: Sequence[str] | None = None,
    *,
    redis_url: str,
    until_ms: int | None = None,
    stop: asyncio.Event | None = None,
    source: str = Source.STREAM,
    watch: Callable[[Sequence[FeedStatus]], None] | None = None,
    timing: Timing | None = None,
    adapter_of: Callable[[str], Adapter] = exchanges.adapter,
) -> CollectReport:
    """Collect ``feeds`` (default: the settings') until ``until_ms`` (UTC), ``stop`` or cancellation.

    ``watch`` is called about once a second. However it ends, what is buffered is written first, within
    ``timing.flush`` seconds. Raises ServerError if Redis cannot be reached at the start, SettingsError for an
    unknown feed.
    """
    timing = timing or Timing()
    names = tuple(settings.exchanges if feeds is None else feeds)
    adapters = [adapter_of(name) for name in names]
    landing = Landing(redis_url)
    await landing.start()
    # What these commands say is said again in a second or two; retries of the client would only make it late.
    once = Retry(NoBackoff(), 0)
    redis = Redis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=3, retry=once)
    running = [
        Feed(name, adapter, settings, landing, redis, timing, source)
        for name, adapter in zip(names, adapters, strict=True)
    ]
    lease = Lease(redis, names, timing)
    feed_tasks = [asyncio.create_task(_keep_running(feed, timing), name=feed.name) for feed in running]
    helpers = [
        asyncio.create_task(lease.hold(), name="lease"),
        asyncio.create_task(_report(running, timing, watch), name="health"),
    ]
    unwritten = 0
    try:
        await until(until_ms, stop, [*helpers, landing.writer])
    finally:
        # In this order: sockets close and make their last claims, the buffer empties, the lease goes.
        await cancel(feed_tasks)
        try:
            unwritten = await landing.close(timing.flush)
        finally:
            await cancel(helpers)
            for feed in running:
                feed.stopped = True
                await feed.publish_health()
            await lease.release()
            await redis.aclose()
    return CollectReport(tuple(map(_status, running)), unwritten)


async def until(until_ms: int | None, stop: asyncio.Event | None, indispensable: Sequence[asyncio.Task[None]]) -> None:
    """Return when it is time to stop; raise what ended a task without which the collector would stand still."""
    seconds = None if until_ms is None else max(0, until_ms - now_ms()) / 1000
    stopping = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        done, _ = await asyncio.wait({stopping, *indispensable}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in done - {stopping}:
        task.result()


async def _keep_running(feed: Feed, timing: Timing) -> None:
    """A defect in one feed is logged, counted and shown; the feed starts again, the others never notice."""
    while True:
        try:
            await feed.run()
        except Exception as error:
            cause: BaseException = error
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            feed.crash = f"{type(cause).__name__}: {cause}"
            feed.health.counts["crashes"] += 1
            _log.exception("%s: crashed, starting again", feed.name)
        await asyncio.sleep(timing.retry(min(feed.health.counts["crashes"], 6)))


async def _report(feeds: Sequence[Feed], timing: Timing, watch: Callable[[Sequence[FeedStatus]], None] | None) -> None:
    while True:
        if watch is not None:
            watch([_status(feed) for feed in feeds])
        for feed in feeds:
            await feed.publish_health()
        await asyncio.sleep(timing.health)


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    pending = set(tasks)
    while pending:
        # Again until it is heard: redis-py swallows a cancellation that meets it while it connects.
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)


def _status(feed: Feed) -> FeedStatus:
    counts = feed.health.counts
    return FeedStatus(
        feed.name,
        feed.state,
        counts["frames"],
        counts["events"],
        counts["rejected"],
        counts["reconnects"],
        counts["crashes"],
        feed.error,
    )
