"""One venue on loopback: a WebSocket server, and its REST answers on the same port.

It does nothing by itself but acknowledge, answer keepalives and, for Binance, speak the control stream; everything
else a test orders.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

CONTROL = '{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"1"}}'


class FakeVenue:
    """A venue of the feed ``binance``, ``bybit`` or ``okx``, or one of these followed by ``:inverse``."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self.venue = exchange.partition(":")[0]
        self.connections: list[ServerConnection] = []
        """All there ever were, oldest first."""
        self.opened = 0
        self.topics: dict[ServerConnection, list[str]] = {}
        self.mute: set[ServerConnection] = set()
        """Connections that stay open and say nothing any more."""
        self.control = True
        self.acknowledge = True
        self.refused: set[str] = set()
        """Topics that make the venue refuse the request they are in."""
        self.greeting: list[str | bytes] = []
        """Frames sent after every acknowledgement."""
        self.closed_door = False
        """Refuse every handshake with a 503."""
        self.rest: dict[str, Any] = {}
        """JSON bodies by path and query."""
        self.rest_requests: list[str] = []
        self._server: Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._answer_http,
            ping_interval=None,
            max_size=None,
            # So that what waits in the network is as large as it looks.
            compression=None,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        for task in self._tasks:
            task.cancel()
        for connection in self.connections:
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def live(self) -> list[ServerConnection]:
        """Connections that are open, oldest first."""
        return [connection for connection in self.connections if connection.state.name == "OPEN"]

    async def send(self, *frames: str | bytes, to: ServerConnection | None = None) -> None:
        """Send frames on one connection, or on every one that is open and not mute."""
        for connection in [to] if to is not None else [item for item in self.live if item not in self.mute]:
            with contextlib.suppress(ConnectionClosed):
                for frame in frames:
                    await connection.send(frame)

    async def _serve(self, connection: ServerConnection) -> None:
        self.opened += 1
        self.connections.append(connection)
        self.topics[connection] = []
        if self.venue == "binance":
            task = asyncio.create_task(self._speak_control(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                if connection not in self.mute:
                    await self._reply(connection, str(message))

    async def _speak_control(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                if self.control and connection not in self.mute:
                    await connection.send(CONTROL % (time.time_ns() // 1_000_000))
                await asyncio.sleep(0.02)

    async def _reply(self, connection: ServerConnection, message: str) -> None:
        if message == "ping":
            await connection.send("pong")
            return
        request = json.loads(message)
        if request.get("op") == "ping":
            await connection.send('{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}')
            return
        if not self.acknowledge:
            return
        topics = request["params"] if self.venue == "binance" else request["args"]
        names = [topic if isinstance(topic, str) else topic["channel"] for topic in topics]
        if bad := self.refused.intersection(names):
            await connection.send(self._refusal(request, sorted(bad)[0]))
            return
        self.topics[connection] += names
        await connection.send(self._acknowledgement(request))
        for frame in self.greeting:
            await connection.send(frame)

    def _acknowledgement(self, request: dict[str, Any]) -> str:
        if self.venue == "binance":
            return json.dumps({"result": None, "id": request["id"]})
        if self.venue == "bybit":
            answer = {"success": True, "ret_msg": "", "conn_id": "c", "op": "subscribe"}
            return json.dumps({**answer, "req_id": request.get("req_id", "")})
        return json.dumps({"event": "subscribe", "arg": request["args"][0], "connId": "c"})

    def _refusal(self, request: dict[str, Any], topic: str) -> str:
        if self.venue == "binance":
            return json.dumps({"error": {"code": 2, "msg": f"Invalid request: {topic}"}, "id": request["id"]})
        if self.venue == "bybit":
            answer = {"success": False, "ret_msg": f"error:handler not found,topic:{topic}", "conn_id": "c"}
            return json.dumps({**answer, "op": "subscribe", "req_id": request.get("req_id", "")})
        return json.dumps({"event": "error", "code": "60018", "msg": f"{topic} doesn't exist", "connId": "c"})

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return Response(503, "Service Unavailable", Headers()) if self.closed_door else None
        self.rest_requests.append(request.path)
        path = request.path
        found = path in self.rest
        body = json.dumps(self.rest.get(path, {})).encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(200 if found else 500, "OK" if found else "Internal Server Error", headers, body)
