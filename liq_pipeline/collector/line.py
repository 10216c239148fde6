"""A line: one part of a feed kept connected for ever, each connection relieved before it fails where that can be seen.

The successor is opened first, proves itself, overlaps, and only then is the old connection closed. Duplicates of the
overlap have the same event_id, so they cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence

from websockets.exceptions import WebSocketException

from liq_pipeline.collector.connection import Connection, SilentError, Sink, SubscriptionRefusedError, now_ms
from liq_pipeline.collector.timing import Timing
from liq_pipeline.collector.troubles import OVERLOADED, SILENT, Troubles
from liq_pipeline.exchanges.base import Adapter

_log = logging.getLogger(__name__)

_EXPECTED = (OSError, TimeoutError, WebSocketException, SilentError, SubscriptionRefusedError)


class Line:
    """Keeps one connection alive. ``state`` is a value of the health hash; ``error`` says why it last failed."""

    def __init__(
        self,
        feed: str,
        adapter: Adapter,
        url: Callable[[Sequence[str]], str],
        symbols: Sequence[str],
        sink: Sink,
        timing: Timing,
        *,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.reconnects = 0
        self.error: str | None = None
        self._feed = feed
        self._adapter = adapter
        self._url = url
        self._symbols = tuple(symbols)
        self._sink = sink
        self._timing = timing
        self._part = part
        self._parts = parts
        self._current: Connection | None = None
        self._current_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._resting: str | None = None
        """The state to show between two attempts."""
        self._changed = asyncio.Event()
        self._troubles = Troubles(now_ms())
        self.connected_since: int | None = None

    @property
    def state(self) -> str:
        if self._sink.full:
            return "blocked"
        if self._current is not None:
            return "silent" if self._silence(self._current) <= 0 else "live"
        return self._resting or "connecting"

    @property
    def refused(self) -> list[str]:
        """Symbols the venue refused on the present connection."""
        return [] if self._current is None else self._current.refused

    def collect(self, symbols: Sequence[str]) -> None:
        """From now on these symbols: a successor with the new list relieves the connection."""
        if tuple(symbols) != self._symbols:
            self._symbols = tuple(symbols)
            self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        self._start(self._note_troubles())
        try:
            while True:
                if self._current is None or self._due(self._current):
                    await self._replace()
                else:
                    await self._watch(self._current)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._sink.note(self._troubles.take(now_ms()))

    async def _note_troubles(self) -> None:
        while True:
            await asyncio.sleep(self._timing.claim)
            self._sink.note(self._troubles.take(now_ms()))

    def _silence(self, connection: Connection) -> float:
        """Seconds until a connection counts as silent."""
        if connection.blocked:
            return self._adapter.silence_seconds
        return connection.heard_at + self._adapter.silence_seconds - time.monotonic()

    def _age_left(self, connection: Connection) -> float:
        return connection.ready_at + self._adapter.renew_seconds - time.monotonic()

    def _due(self, connection: Connection) -> bool:
        return connection.symbols != self._symbols or self._silence(connection) <= 0 or self._age_left(connection) <= 0

    async def _replace(self) -> None:
        """Open a successor; when it is proven it becomes the current one and the old one is retired."""
        if self._sink.full and self._current is None:
            self._troubles.begin(OVERLOADED, now_ms())
        await self._sink.room()
        self._changed.clear()
        began = now_ms()
        connection = Connection(
            self._adapter,
            self._url(self._symbols),
            self._symbols,
            self._sink,
            self._timing,
            self._troubles,
            part=self._part,
            parts=self._parts,
        )
        task = self._start(connection.run())
        ready = asyncio.create_task(connection.ready.wait())
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not connection.ready.is_set():
            await self._failed(task, began)
            return
        if self._current is not None:
            self.reconnects += 1
            assert self._current_task is not None
            self._start(self._retire(self._current, self._current_task, connection))
        self._current, self._current_task = connection, task
        self.connected_since = now_ms()
        self.error = None

    async def _watch(self, connection: Connection) -> None:
        """Return when the connection is due for a successor, or has ended."""
        task = self._current_task
        assert task is not None
        changed = asyncio.create_task(self._changed.wait())
        seconds = max(0.01, min(self._silence(connection), self._age_left(connection)))
        try:
            await asyncio.wait({task, changed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if task.done():
            self._current = self._current_task = None
            self.reconnects += 1
            if time.monotonic() - connection.ready_at >= self._timing.healthy:
                self._failures = 0
            await self._failed(task, now_ms())
        elif self._silence(connection) <= 0:
            self._troubles.begin(SILENT, self._troubles.proven_at)
            _log.warning("%s: nothing for %g s, opening another connection", self._feed, self._adapter.silence_seconds)

    async def _failed(self, task: asyncio.Task[None], began: int) -> None:
        """Say why a connection ended that was opened at ``began`` or has delivered, and wait before the next."""
        error = task.exception()
        if isinstance(error, SilentError):
            self._troubles.begin(SILENT, began)
        elif self._current is None:
            self._troubles.end(now_ms())
        crashed = not isinstance(error, _EXPECTED)
        self.error = f"{type(error).__name__}: {error}"
        delay = self._timing.retry(self._failures)
        self._failures += 1
        _log.log(
            logging.ERROR if crashed else logging.WARNING,
            "%s: %s; next attempt in %.1f s",
            self._feed,
            self.error,
            delay,
            exc_info=error if crashed else None,
        )
        self._resting = "crashed" if crashed else "silent" if isinstance(error, SilentError) else "backing_off"
        try:
            await self._wait_for_end_or(delay)
        finally:
            self._resting = None

    async def _wait_for_end_or(self, delay: float) -> None:
        """Wait, yet not while the connection that is still there ends."""
        if self._current_task is None:
            await asyncio.sleep(delay)
        else:
            await asyncio.wait({self._current_task}, timeout=delay)
            if self._current_task.done():
                self._current = self._current_task = None

    async def _retire(self, old: Connection, task: asyncio.Task[None], successor: Connection) -> None:
        """End the old connection, once it has proven that it delivered until the successor did.

        Where nothing but the answers to keepalives comes, its last proof may be older than that, and time that both
        were there for would not be covered.
        """
        await asyncio.sleep(self._timing.overlap)
        if old.complete_until < successor.began:
            proof = asyncio.create_task(old.complete(successor.began))
            seconds = max(0.0, self._silence(old))
            try:
                await asyncio.wait({task, proof}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                proof.cancel()
        task.cancel()

    def _start(self, coroutine: Coroutine[object, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Retrieved here for connections that end while retiring; those in charge are reported by _failed.
            task.exception()
