"""One venue's server: sockets, delivery, and the faults that tests ask for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from liq_pipeline.simulate.draws import Draws
from liq_pipeline.simulate.venues.protocol import Message, Session, VenueProtocol

_SLOW_CLIENT_SECONDS = 5.0
_CLOSING_SECONDS = 1.0


class Sent(NamedTuple):
    """A frame of a script that was sent on a connection; connections of a venue are numbered from 1."""

    exchange: str
    connection: int
    frame: Message


@dataclass(frozen=True)
class Behaviour:
    """How the servers treat their clients; None switches a habit off.

    ``connection_seconds`` is the age at which a connection is closed (Binance: 24 h), ``disconnect_seconds`` the
    mean age at which it breaks for no reason, drawn from ``seed``. ``ping_seconds`` is the interval of protocol
    pings, ``control_seconds`` of control streams. A script waits until subscriptions have been complete for
    ``settle_seconds``, then sends a frame every ``frame_seconds``, 0 as fast as clients read.
    """

    connection_seconds: float | None = 86_400.0
    disconnect_seconds: float | None = None
    ping_seconds: float | None = 180.0
    control_seconds: float = 1.0
    settle_seconds: float = 0.2
    frame_seconds: float = 0.0
    seed: int = 0


@dataclass(eq=False)
class _Client:
    number: int
    socket: ServerConnection
    session: Session
    silent: bool = False
    last_said: float = field(default_factory=time.monotonic)
    changed_at: float = field(default_factory=time.monotonic)


class VenueServer:
    """A venue on a loopback port, WebSocket and REST alike."""

    def __init__(self, protocol: VenueProtocol, behaviour: Behaviour, subscribed: Callable[[], None]) -> None:
        self.protocol = protocol
        self.sent: list[Sent] = []
        self.port = 0
        self.played = asyncio.Event()
        self.played.set()
        self._pending = asyncio.Event()
        self._behaviour = behaviour
        self._subscribed = subscribed
        self._draws = Draws(f"venue {protocol.venue} {behaviour.seed}")
        self._clients: list[_Client] = []
        self._accepted = 0
        self._script: deque[Message] = deque()
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, port: int) -> None:
        """Listen on ``port`` of the loopback interface, 0 for a free one; raises OSError if it is taken."""
        self._server = await serve(
            self._serve_client,
            "127.0.0.1",
            port,
            process_request=self._answer_http,
            ping_interval=self._behaviour.ping_seconds,
            ping_timeout=600,
            compression=None,
        )
        self.port = int(next(iter(self._server.sockets)).getsockname()[1])
        self._tasks = [asyncio.create_task(self._play()), asyncio.create_task(self._speak_control())]

    async def stop(self) -> None:
        """Close every connection and the port; clients that do not answer the close are cut off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._server.wait_closed()
        except TimeoutError:
            for client in self._clients:
                client.socket.transport.abort()
            await self._server.wait_closed()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def open_connections(self) -> set[int]:
        """The numbers of those that are."""
        return {client.number for client in self._clients}

    @property
    def accepted(self) -> int:
        """How many clients have ever connected."""
        return self._accepted

    def play(self, frames: Sequence[Message]) -> None:
        """Add frames to the script."""
        self._script.extend(frames)
        if self._script:
            self.played.clear()
            self._pending.set()

    async def publish(self, text: str) -> list[int]:
        """Send a frame of the market to whoever subscribed its topic; the numbers of the connections it went out on.

        Nobody's frames are gone, as in life. What the venue tells of its past over REST holds them all the same.
        """
        self.protocol.remember(text)
        topic = self.protocol.topic(text)
        written = []
        for client in self._audience(topic):
            try:
                async with asyncio.timeout(_SLOW_CLIENT_SECONDS):
                    if await self._send(client, self.protocol.shaped(client.session, text)):
                        written.append(client.number)
            except TimeoutError:
                client.socket.transport.abort()
        return written

    async def drop_connections(self, *, abruptly: bool = False) -> None:
        """Close all connections, ``abruptly`` without a closing handshake."""
        clients = list(self._clients)
        for client in clients:
            if abruptly:
                client.socket.transport.abort()
            else:
                await client.socket.close(1001, "going away")

    def go_silent(self) -> None:
        """Say no more on the connections there are, but keep them open; new ones are served."""
        for client in self._clients:
            client.silent = True

    async def _serve_client(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        path, query = _split(socket.request.path)
        session = self.protocol.open(path, query)
        assert session is not None, "refused before the handshake"
        self._accepted += 1
        client = _Client(self._accepted, socket, session)
        self._clients.append(client)
        self._note_subscription(client)
        try:
            async with asyncio.timeout(self._lifetime()):
                await self._listen(client)
        except TimeoutError:
            await socket.close(1008, "connection limit")
        except ConnectionClosed:
            pass
        finally:
            self._clients.remove(client)

    def _lifetime(self) -> float | None:
        limits = [limit for limit in (self._behaviour.connection_seconds,) if limit is not None]
        if self._behaviour.disconnect_seconds is not None:
            limits.append(self._draws.exponential(self._behaviour.disconnect_seconds))
        return min(limits, default=None)

    async def _listen(self, client: _Client) -> None:
        protocol, recent = self.protocol, deque[float]()
        while True:
            message = await self._next_message(client)
            if message is None:
                await client.socket.close(4004, "No data received in 30s.")
                return
            now = client.last_said = time.monotonic()
            recent.append(now)
            while recent[0] < now - 1:
                recent.popleft()
            if protocol.messages_per_second is not None and len(recent) > protocol.messages_per_second:
                await client.socket.close(1008, "Too many requests")
                return
            text = message if isinstance(message, str) else message.decode(errors="replace")
            before = client.session.changes
            for reply in protocol.respond(client.session, text):
                if not client.silent:
                    await client.socket.send(reply)
            if client.session.changes != before:
                self._note_subscription(client)

    async def _next_message(self, client: _Client) -> Message | None:
        """The client's next message; None when neither side has spoken for the venue's idle time."""
        idle = self.protocol.idle_seconds
        while True:
            left = None if idle is None else client.last_said + idle - time.monotonic()
            if left is not None and left <= 0:
                return None
            try:
                return await asyncio.wait_for(client.socket.recv(), left)
            except TimeoutError:
                continue

    def _note_subscription(self, client: _Client) -> None:
        client.changed_at = time.monotonic()
        if self.protocol.listens(client.session, None):
            self._subscribed()

    def _audience(self, topic: str | None) -> list[_Client]:
        return [
            client for client in self._clients if not client.silent and self.protocol.listens(client.session, topic)
        ]

    async def _play(self) -> None:
        while True:
            await self._pending.wait()
            if not self._settled():
                await asyncio.sleep(0.01)
                continue
            frame = self._script[0]
            delivered = False
            for client in self._audience(self.protocol.topic(frame)):
                delivered |= await self._send(client, frame)
            # A frame that found only closing connections waits for the next one; one that nobody asked for is over.
            if delivered or (self._audience(None) and not self._audience(self.protocol.topic(frame))):
                self.protocol.remember(self._script.popleft())
                if not self._script:
                    self._pending.clear()
                    self.played.set()
            await asyncio.sleep(self._behaviour.frame_seconds)

    def _settled(self) -> bool:
        audience = self._audience(None)
        since = time.monotonic() - self._behaviour.settle_seconds
        return bool(audience) and all(client.changed_at <= since for client in audience)

    async def _send(self, client: _Client, frame: Message) -> bool:
        try:
            await client.socket.send(frame)
        except ConnectionClosed:
            return False
        client.last_said = time.monotonic()
        self._record(Sent(self.protocol.venue, client.number, frame))
        return True

    def _record(self, sent: Sent) -> None:
        # Only scripts are remembered: a live market runs for ever.
        if not self.played.is_set():
            self.sent.append(sent)

    async def _speak_control(self) -> None:
        while True:
            await asyncio.sleep(self._behaviour.control_seconds)
            now_ms = time.time_ns() // 1_000_000
            for client in [client for client in self._clients if not client.silent]:
                with contextlib.suppress(ConnectionClosed):
                    for text in self.protocol.periodic(client.session, now_ms):
                        await client.socket.send(text)

    def _answer_http(self, socket: ServerConnection, request: Request) -> Response | None:
        path, query = _split(request.path)
        reply = self.protocol.rest(path, query)
        if reply is not None:
            response = socket.respond(HTTPStatus(reply.status), reply.body)
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "application/json"
            return response
        if self.protocol.open(path, query) is None:
            return socket.respond(HTTPStatus.NOT_FOUND, "404 page not found\n")
        return None


def _split(target: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(target)
    return url.path, dict(parse_qsl(url.query))
