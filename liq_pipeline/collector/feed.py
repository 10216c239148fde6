"""A feed: one venue's market, from instrument list to landed events, over as many lines as the venue needs."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from liq_pipeline.collector import coverage, troubles
from liq_pipeline.collector.connection import MAX_FRAME_BYTES, now_ms
from liq_pipeline.collector.health import Health, LastMinute
from liq_pipeline.collector.instruments import ListUnavailableError, LiveInstruments, fetch, load_cache, save_cache
from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.line import Line
from liq_pipeline.collector.timing import Timing
from liq_pipeline.exchanges.base import Adapter, FrameKind, Parsed, Rejection
from liq_pipeline.exchanges.instruments import Listed
from liq_pipeline.exchanges.urls import connect_url
from liq_pipeline.liquidation import FUTURE_GRACE_MS, in_the_future
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Span, Trouble

_log = logging.getLogger(__name__)

_SUBSCRIBED_CHARACTERS: Final = 15_000
"""Of subscriptions on one connection. Bybit allows 21,000; the rest is for listings to come."""
_WORST_FIRST: Final = ("blocked", "crashed", "backing_off", "silent", "connecting", "live")
_KEPT_UNKNOWN: Final = 1_000
_KEPT_BYTES: Final = 1 << 16
"""Of a frame that is kept: together they take 64 MB at most. Larger ones wait for `liq reparse`."""


class Feed:
    """Collects one feed until cancelled. It is the Sink of its connections."""

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        settings: Settings,
        landing: Landing,
        redis: Redis,
        timing: Timing,
        source: str,
    ) -> None:
        self.name = name
        self.stopped = False
        self.crash: str | None = None
        self.health = Health(redis, name)
        self._last_minute = LastMinute()
        self.instruments = LiveInstruments(adapter)
        self._adapter = adapter
        self._settings = settings
        self._landing = landing
        self._redis = redis
        self._timing = timing
        self._source = source
        self._lines: list[Line] = []
        self._reconnects = 0
        self._list_error: str | None = None
        self._last_frame_at = 0
        self._last_event_at = 0
        self._unknown: deque[tuple[int, bytes]] = deque(maxlen=_KEPT_UNKNOWN)
        """Frames with a contract whose size was not known; read again when the list is."""

    @property
    def state(self) -> str:
        if self.stopped:
            return "stopped"
        if self.crash is not None:
            return "crashed"
        states = {line.state for line in self._lines}
        return next((state for state in _WORST_FIRST if state in states), "connecting")

    @property
    def error(self) -> str | None:
        """Why the feed last failed; None when it has recovered."""
        errors = (self.crash, *(line.error for line in self._lines), self._list_error)
        return next((error for error in errors if error), None)

    async def run(self) -> None:
        """Collect until cancelled. Raises only what is a defect of ours."""
        symbols = await self._first_symbols()
        url = self._settings.ws_urls.get(self.name)
        groups = self._divide(symbols, self._parts(symbols))
        self._lines = [
            Line(
                self.name,
                self._adapter,
                lambda wanted: connect_url(self._adapter, url, wanted),
                group,
                self,
                self._timing,
                part=part,
                parts=len(groups),
            )
            for part, group in enumerate(groups)
        ]
        self.crash = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for line in self._lines:
                    tasks.create_task(line.run())
                if self._adapter.instruments_endpoint is not None:
                    tasks.create_task(self._keep_list_fresh())
        finally:
            self._reconnects += sum(line.reconnects for line in self._lines)
            self._lines = []

    # As the Sink of its connections.

    @property
    def full(self) -> bool:
        return self._landing.full

    async def room(self) -> None:
        await self._landing.room()

    def receive(self, frame: bytes, received_at: int) -> Parsed:
        """Parse a frame and queue what it holds; what it was."""
        misses = self.instruments.misses
        parsed = self._parse(frame)
        if self.instruments.misses != misses and len(frame) <= _KEPT_BYTES:
            self._unknown.append((received_at, frame))
        self._last_frame_at = received_at
        self.health.counts["frames"] += 1
        if parsed.landed or parsed.rejections:
            self._land(parsed, received_at)
        return parsed

    def too_big(self, received_at: int) -> None:
        """Record a frame the WebSocket library refused to read."""
        self.health.counts["rejected"] += 1
        reason = f"the frame is larger than {MAX_FRAME_BYTES} bytes; it was not read"
        adapter = self._adapter
        self._landing.reject(
            reason, b"", exchange=adapter.exchange, received_at=received_at, source=self._source, market=adapter.market
        )

    def claim(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._landing.claim(coverage.claim(self.name, span))

    def note(self, noted: Sequence[Trouble]) -> None:
        for command in troubles.note(self.name, noted):
            self._landing.claim(command)

    def _parse(self, frame: bytes) -> Parsed:
        try:
            return self._adapter.parse(frame, self.instruments)
        except Exception as error:
            # Parsers return rejections and do not raise. One that does has a defect, and reconnecting would only
            # meet it again: the frame is kept for the day it is mended.
            self.health.counts["crashes"] += 1
            _log.exception("%s: the parser failed on a frame, which is kept in liq:rejected", self.name)
            reason = f"the parser failed: {type(error).__name__}: {error}"
            return Parsed(FrameKind.INVALID, (), [Rejection(reason, frame)])

    def _land(self, parsed: Parsed, received_at: int) -> None:
        wanted = self._settings.symbols
        latest = received_at + FUTURE_GRACE_MS
        # Without a symbol list too: OKX's one topic carries linear and inverse swaps, and a feed lands its market's.
        kept = [
            item
            for item in parsed.landed
            if item.liquidation.time <= latest and self._adapter.wants(item.liquidation, wanted)
        ]
        if len(kept) < len(parsed.landed):
            times = ((item, in_the_future(item.liquidation.time, received_at)) for item in parsed.landed)
            absurd = [Rejection(reason, item.raw) for item, reason in times if reason]
            parsed = parsed._replace(landed=kept, rejections=[*parsed.rejections, *absurd])
        if parsed.landed:
            self._last_event_at = received_at
            self.health.counts["events"] += len(parsed.landed)
        self.health.counts["rejected"] += len(parsed.rejections)
        adapter = self._adapter
        self._landing.land(
            parsed, exchange=adapter.exchange, received_at=received_at, source=self._source, market=adapter.market
        )

    # Symbols and contract sizes.

    async def _first_symbols(self) -> tuple[str, ...]:
        """The contracts to subscribe; waits for the venue's list only where there is no other way to name them."""
        if cached := await load_cache(self._redis, self.name):
            self.instruments.learn(cached.contracts, "cache", cached.fetched_at)
        if not self._adapter.needs_symbols or self._settings.symbols:
            return self._symbols()
        failures = 0
        await self._refresh()
        while not self._symbols():
            await asyncio.sleep(self._timing.retry(failures))
            failures += 1
            await self._refresh()
        return self._symbols()

    def _symbols(self) -> tuple[str, ...]:
        if self._settings.symbols:
            return tuple(self._adapter.contract_of(symbol) for symbol in self._settings.symbols)
        if not self._adapter.needs_symbols:
            return ()
        return tuple(sorted({item.name for item in self.instruments.listed if item.market is self._adapter.market}))

    def _parts(self, symbols: Sequence[str]) -> int:
        if not self._adapter.needs_symbols:
            return 1
        characters = sum(map(len, self._adapter.subscribe(symbols)))
        return 1 + characters // _SUBSCRIBED_CHARACTERS

    def _divide(self, symbols: Sequence[str], parts: int) -> list[list[str]]:
        """By a stable hash, so that a new listing changes one part only."""
        if parts == 1:
            return [list(symbols)]
        groups: list[list[str]] = [[] for _ in range(parts)]
        for symbol in symbols:
            groups[zlib.crc32(symbol.encode()) % parts].append(symbol)
        return groups

    async def _refresh(self) -> bool:
        """Read the venue's list, keep it, and read again the frames that waited for it."""
        rest_url = self._settings.rest_urls.get(self.name, self._adapter.rest_url)
        self.instruments.missed.clear()
        try:
            contracts = await fetch(self._adapter, rest_url)
        except ListUnavailableError as error:
            if self._list_error is None:
                _log.warning("%s: instruments from the %s: %s", self.name, self.instruments.source, error)
            self._list_error = f"instruments: {error}"
            return False
        self._list_error = None
        seen = now_ms()
        self.instruments.learn(contracts, "venue", seen)
        await save_cache(self._redis, self.name, Listed(seen, list(self.instruments.listed)))
        waiting, self._unknown = list(self._unknown), deque(maxlen=_KEPT_UNKNOWN)
        for received_at, frame in waiting:
            # Its rejection is recorded already; what can be understood now lands besides.
            self._land(self._parse(frame)._replace(rejections=()), received_at)
        return True

    async def _keep_list_fresh(self) -> None:
        fresh = self.instruments.source == "venue"
        task = asyncio.current_task()
        assert task is not None
        while True:
            fresh = fresh or await self._refresh()
            # redis-py swallows a cancellation that meets it while it connects, and a task group asks only once.
            if task.cancelling():
                raise asyncio.CancelledError
            if fresh and self._adapter.needs_symbols:
                for line, group in zip(self._lines, self._divide(self._symbols(), len(self._lines)), strict=True):
                    line.collect(group)
            await asyncio.sleep(self._timing.urgent_refresh)
            if fresh:
                try:
                    async with asyncio.timeout(max(0.0, self._timing.refresh - self._timing.urgent_refresh)):
                        await self.instruments.missed.wait()
                except TimeoutError:
                    pass
            fresh = False

    # Health.

    async def publish_health(self) -> None:
        """Write the health hash once."""
        self.health.counts["reconnects"] = self._reconnects + sum(line.reconnects for line in self._lines)
        since = [line.connected_since for line in self._lines if line.connected_since is not None]
        now = now_ms()
        await self.health.publish(
            {
                "state": self.state,
                "connected_since": min(since) if since and self.state in ("live", "silent", "blocked") else "",
                "last_frame_at": self._last_frame_at or "",
                "last_event_at": self._last_event_at or "",
                "events_per_minute": self._last_minute.of(self.health.counts["events"], now),
                "instruments": self.instruments.source,
                "symbols": len(self._symbols()),
                "refused_symbols": sum(len(line.refused) for line in self._lines),
                "error": self.error or "",
                "buffered": self._landing.buffered,
                "updated_at": now,
            }
        )
