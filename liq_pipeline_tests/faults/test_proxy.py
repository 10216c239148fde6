from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from liq_pipeline_tests.faults.proxy import Proxy, Way

BOUND_SECONDS = 60


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, BOUND_SECONDS))


@asynccontextmanager
async def echo(prefix: bytes = b"") -> AsyncIterator[int]:
    """A server that says every line back; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(prefix + line)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, proxy: Proxy) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line + b"\n")
        return (await self.reader.readline()).rstrip()

    async def hears_nothing(self) -> bool:
        """For as long as many other answers take."""
        try:
            async with asyncio.timeout(0.2):
                return not await self.reader.readline()
        except TimeoutError:
            return True


async def refused(proxy: Proxy) -> bool:
    """Whether a new connection ends; a reset that comes early enough looks like an end without an error."""
    try:
        return not await (await Client.of(proxy)).reader.readline()
    except ConnectionError:
        return True


def test_a_line_is_carried_both_ways_and_ended_by_either_side() -> None:
    async def scenario() -> None:
        async with echo() as port, Proxy(("127.0.0.1", port)) as proxy:
            client = await Client.of(proxy)
            assert await client.ask(b"one") == b"one"
            client.writer.write_eof()
            assert await client.reader.read() == b""
            client.writer.close()
            while proxy.connections:  # noqa: ASYNC110 - nobody sets an event
                await asyncio.sleep(0.01)

    run(scenario())


def test_a_cut_resets_what_there_is_and_new_connections_work() -> None:
    async def scenario() -> None:
        async with echo() as port, Proxy(("127.0.0.1", port)) as proxy:
            client = await Client.of(proxy)
            assert await client.ask(b"one") == b"one"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                await client.reader.readline()
            assert await (await Client.of(proxy)).ask(b"two") == b"two"

    run(scenario())


def test_a_half_open_connection_stands_and_says_nothing_and_new_ones_work() -> None:
    async def scenario() -> None:
        async with echo() as port, Proxy(("127.0.0.1", port)) as proxy:
            client = await Client.of(proxy)
            assert await client.ask(b"one") == b"one"
            proxy.half_open()
            client.writer.write(b"two\n")
            other = await Client.of(proxy)
            assert await other.ask(b"three") == b"three"
            assert await client.hears_nothing()
            assert not client.reader.at_eof()

    run(scenario())


def test_what_a_stalled_line_holds_back_comes_when_it_goes_on_or_is_lost_when_it_is_cut() -> None:
    async def scenario() -> None:
        async with echo() as port, Proxy(("127.0.0.1", port)) as proxy:
            client = await Client.of(proxy)
            assert await client.ask(b"one") == b"one"
            proxy.stall(Way.TO_CLIENT)
            client.writer.write(b"two\n")
            assert await client.hears_nothing()
            proxy.resume()
            assert await client.reader.readline() == b"two\n"
            proxy.stall()
            client.writer.write(b"three\n")
            await client.hears_nothing()
            proxy.cut()
            proxy.resume()
            with pytest.raises(ConnectionResetError):
                await client.reader.readline()

    run(scenario())


def test_a_slow_line_delivers_everything() -> None:
    async def scenario() -> None:
        async with echo() as port, Proxy(("127.0.0.1", port)) as proxy:
            client = await Client.of(proxy)
            proxy.slow(4_000)
            assert await client.ask(b"x" * 1_000) == b"x" * 1_000

    run(scenario())


def test_a_proxy_refuses_and_leads_elsewhere() -> None:
    async def scenario() -> None:
        async with echo() as port, echo(b"new ") as other, Proxy(("127.0.0.1", port)) as proxy:
            proxy.refusing = True
            assert await refused(proxy)
            proxy.refusing = False
            proxy.target = ("127.0.0.1", other)
            assert await (await Client.of(proxy)).ask(b"one") == b"new one"

    run(scenario())
