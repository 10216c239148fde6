"""A relay on loopback that does to connections what networks do: cut, stalled, half-open, slow, led elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Final, Self

_CHUNK: Final = 1 << 16
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_SLOW_STEPS: Final = 20
"""Portions a second in which a slow line delivers."""


class Way(Flag):
    """The directions of a connection."""

    TO_SERVER = auto()
    TO_CLIENT = auto()
    BOTH = TO_SERVER | TO_CLIENT


@dataclass(eq=False)
class _Link:
    """One client's connection and ours to the server for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead: bool = False
    """Half-open: it stands for ever and carries nothing."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in (self.client, self.server):
            if writer is not None:
                _reset(writer)


class Proxy:
    """Relays a loopback port to ``target``; each fault is for the connections there are, or for all until it is over.

    Bytes that a stalled or slow line holds when it is cut are lost, as those in a network are. Start and stop it as a
    context.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        """Host and port; a new one is for connections to come."""
        self.port = 0
        self.refusing = False
        """Whether new connections are reset, as by a host on which nothing listens."""
        self.accepted = 0
        self._links: set[_Link] = set()
        self._rate: float | None = None
        self._moving = {way: asyncio.Event() for way in (Way.TO_SERVER, Way.TO_CLIENT)}
        for moving in self._moving.values():
            moving.set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        """How many stand, half-open ones included."""
        return len(self._links)

    def cut(self) -> None:
        """Reset every connection there is."""
        for link in list(self._links):
            link.reset()
        self._links.clear()

    def half_open(self) -> None:
        """Let every connection there is stand and carry nothing any more, as if the other host was gone."""
        for link in self._links:
            link.dead = True

    def stall(self, ways: Way = Way.BOTH) -> None:
        """Hold back what is sent ``ways``, on all connections, until ``resume``."""
        for way in ways:
            self._moving[way].clear()

    def resume(self) -> None:
        """Deliver what was held back, in order."""
        for moving in self._moving.values():
            moving.set()

    def slow(self, bytes_per_second: float | None) -> None:
        """Deliver so much a second on each connection and way; None as fast as it goes."""
        self._rate = bytes_per_second

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(writer)
        if self.refusing:
            link.reset()
            return
        self._links.add(link)
        try:
            server_reader, link.server = await asyncio.open_connection(*self.target)
            link.tasks = [
                asyncio.create_task(self._relay(link, reader, link.server, Way.TO_SERVER)),
                asyncio.create_task(self._relay(link, server_reader, writer, Way.TO_CLIENT)),
            ]
            await asyncio.wait(link.tasks)
        except OSError:
            pass
        finally:
            link.reset()
            self._links.discard(link)

    async def _relay(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(self._portion()):
                await self._moving[way].wait()
                if link.dead:
                    await asyncio.Event().wait()
                writer.write(data)
                await writer.drain()
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
            await self._moving[way].wait()
            if link.dead:
                await asyncio.Event().wait()
            if writer.can_write_eof():
                writer.write_eof()
            return
        # One side was reset: so is the other.
        for task in link.tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def _portion(self) -> int:
        return _CHUNK if self._rate is None else max(1, min(_CHUNK, int(self._rate / _SLOW_STEPS)))


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
