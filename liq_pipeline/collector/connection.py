"""One WebSocket connection from the handshake to its end. It knows frames as bytes and never opens a second socket."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from liq_pipeline.collector.coverage import Coverage
from liq_pipeline.collector.subscription import Subscription
from liq_pipeline.collector.timing import Timing
from liq_pipeline.collector.troubles import OVERLOADED, Troubles
from liq_pipeline.exchanges.base import Adapter, FrameKind, Parsed
from liq_pipeline.streams import Span, Trouble

MAX_FRAME_BYTES: Final = 16 << 20
_TOO_BIG: Final = 1009


class SilentError(Exception):
    """The connection stands and does not deliver: no acknowledgement, or no control frame."""


class SubscriptionRefusedError(Exception):
    """The venue accepted none of the subscriptions."""


class Sink(Protocol):
    """Where a connection's frames go: the feed."""

    @property
    def full(self) -> bool:
        """Reading must stop until ``room`` returns."""

    async def room(self) -> None: ...

    def receive(self, frame: bytes, received_at: int) -> Parsed: ...

    def too_big(self, received_at: int) -> None: ...

    def claim(self, spans: Sequence[Span]) -> None: ...

    def note(self, troubles: Sequence[Trouble]) -> None: ...


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine, where no proxy of the environment should carry it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Connection:
    """One connection for ``symbols`` (the venue's contracts; empty: all), ``part`` of ``parts`` of the feed."""

    def __init__(
        self,
        adapter: Adapter,
        url: str,
        symbols: Sequence[str],
        sink: Sink,
        timing: Timing,
        troubles: Troubles,
        *,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.symbols = tuple(symbols)
        self.ready = asyncio.Event()
        """Set once subscribed, acknowledged and, where the venue has a control stream, proven by a frame."""
        self.ready_at = 0.0
        self.began = 0
        """The same in UTC milliseconds: everything that happens from then on comes."""
        self.heard_at = time.monotonic()
        """When the venue last proved, on the monotonic clock, that it delivers."""
        self._heard = asyncio.Event()
        self.blocked = False
        """Reading has stopped because Redis takes nothing."""
        self.refused: list[str] = []
        self._adapter = adapter
        self._url = url
        self._sink = sink
        self._timing = timing
        self._troubles = troubles
        self._subscription = Subscription(adapter, symbols)
        self._coverage = Coverage(secrets.token_hex(6), int(adapter.silence_seconds * 1000), part, parts)
        # A venue without a keepalive of its own has no pong that would prove anything: its control stream does.
        self._needs_frames = adapter.keepalive_message is None
        self._publish_ms = int(adapter.publish_seconds * 1000)
        self._pings: deque[int] = deque()
        """When those were sent that are not answered, UTC milliseconds."""
        self._asked = asyncio.Event()
        self._proven = False
        self._delivers = False

    async def run(self) -> None:
        """Deliver frames until cancelled or until the connection fails, and raise why it did.

        Raises OSError, TimeoutError, websockets' exceptions, SilentError or SubscriptionRefusedError.
        """
        try:
            async with connect(
                self._url,
                max_size=MAX_FRAME_BYTES,
                open_timeout=self._timing.open,
                close_timeout=self._timing.close,
                ping_interval=None,
                proxy=None if is_loopback(self._url) else True,
            ) as socket:
                tending = asyncio.create_task(self._tend(socket))
                try:
                    await self._become_ready(socket)
                    while True:
                        await self._take(await socket.recv(decode=False))
                finally:
                    tending.cancel()
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == _TOO_BIG:
                self._sink.too_big(now_ms())
            elif error.rcvd is not None and self.ready.is_set() and not self._needs_frames:
                # The venue said goodbye, so everything that it had sent has come.
                now = now_ms()
                self._prove(now, now - self._publish_ms)
            raise
        finally:
            self._sink.claim(self._coverage.take())

    @property
    def complete_until(self) -> int:
        """Everything that happened before has come, UTC milliseconds."""
        return self._coverage.end

    async def complete(self, until: int) -> None:
        """Return when everything has come that happened before ``until``, UTC milliseconds."""
        while self._coverage.end < until:
            self._asked.set()
            self._heard.clear()
            await self._heard.wait()

    async def _become_ready(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timing.proof) as deadline:
                while not (self._subscription.done and (self._proven or not self._needs_frames)):
                    while messages := self._subscription.next_messages():
                        for message in messages:
                            await socket.send(message)
                    if self._subscription.done and not self._needs_frames:
                        break
                    kind = (await self._take(await socket.recv(decode=False))).kind
                    if kind in (FrameKind.ACK, FrameKind.REFUSED):
                        deadline.reschedule(loop.time() + self._timing.proof)
        except TimeoutError:
            missing = "no frame of the control stream" if self._subscription.done else "no acknowledgement"
            # A proxy may swallow the answers; the liquidations themselves say that the subscription stands.
            if not self._delivers:
                raise SilentError(f"{missing} within {self._timing.proof:g} s of subscribing") from None
        self.refused = self._subscription.refused
        if not (self._subscription.accepted or self._delivers):
            raise SubscriptionRefusedError("the venue refused every subscription")
        self.ready_at = time.monotonic()
        self.began = now_ms()
        self._prove(self.began, self.began)
        self.ready.set()

    async def _take(self, frame: bytes) -> Parsed:
        received_at = now_ms()
        parsed = self._sink.receive(frame, received_at)
        kind, until = parsed.kind, self._complete_with(parsed)
        if kind in (FrameKind.ACK, FrameKind.REFUSED):
            self._subscription.replied(refused=kind is FrameKind.REFUSED)
        self._delivers |= kind is FrameKind.LIQUIDATIONS
        if kind in (FrameKind.LIQUIDATIONS, FrameKind.CONTROL) or not self._needs_frames:
            self._proven = True
            if self.ready.is_set():
                self._prove(received_at, until)
        if self._sink.full:
            await self._wait_for_room()
        return parsed

    def _complete_with(self, parsed: Parsed) -> int:
        """Everything has come with this frame that happened before, UTC milliseconds; 0 where it does not say.

        What the venue sent before came before. An answer to a ping was sent after the ping was.
        """
        sent_at = parsed.sent_at
        if parsed.kind is FrameKind.LIQUIDATIONS:
            sent_at = max((item.liquidation.time for item in parsed.landed), default=None)
        elif parsed.kind is FrameKind.PONG and self._pings:
            sent_at = self._pings.popleft()
        return 0 if sent_at is None else sent_at - self._publish_ms

    async def _wait_for_room(self) -> None:
        self._coverage.interrupt()
        # It ends with the next proof, not with the room: the venue may have gone meanwhile.
        self._troubles.begin(OVERLOADED, self._troubles.proven_at)
        self.blocked = True
        try:
            await self._sink.room()
        finally:
            self.blocked = False
            self.heard_at = time.monotonic()

    def _prove(self, now: int, until: int) -> None:
        self.heard_at = time.monotonic()
        self._coverage.prove(now, until)
        self._troubles.prove(now, until)
        self._heard.set()

    async def _tend(self, socket: ClientConnection) -> None:
        """Keepalive messages and claims; ends quietly with the connection, which the reader reports."""
        keepalive, seconds = self._adapter.keepalive_message, self._adapter.keepalive_seconds
        next_ping = next_claim = time.monotonic()
        try:
            while True:
                now = time.monotonic()
                asked = self._asked.is_set() and not self._pings
                self._asked.clear()
                if keepalive is not None and (now >= next_ping or asked):
                    self._pings.append(now_ms())
                    await socket.send(keepalive)
                    next_ping = now + seconds
                if now >= next_claim:
                    self._sink.claim(self._coverage.take())
                    next_claim = now + self._timing.claim
                wake = next_claim if keepalive is None else min(next_claim, next_ping)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, wake - time.monotonic())):
                        await self._asked.wait()
        except ConnectionClosed:
            return
