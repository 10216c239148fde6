"""Processes that end in the middle of whatever they do."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import psycopg

from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import Line

_AT_WORK: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'liq' AND query LIKE 'COPY liquidations_raw %' AND (state = 'active') = %s"""
_WAIT_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True)
class KillPart:
    """kill -9 of a part, or the signal that ends a shift; it comes back as soon as the one who keeps it notices."""

    name: str
    part: str
    needs: frozenset[str] = frozenset()
    number: signal.Signals = signal.SIGKILL

    async def inject(self, line: Line, draw: Random) -> None:
        await asyncio.sleep(draw.uniform(0, 0.5))
        line.part(self.part).signal(self.number)


@dataclass(frozen=True)
class KillServer:
    """kill -9 of a server, which is started again after a while."""

    name: str
    server: str
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        await asyncio.sleep(draw.uniform(0, 0.5))
        async with line.server_lock(self.server):
            await line.kill_server(self.server)
            await asyncio.sleep(draw.uniform(0, 1.5))
            await line.start_server(self.server)


@dataclass(frozen=True)
class FreezePart:
    """A part stands still for a while, as on a host that swaps or is moved, and goes on as if nothing had been."""

    name: str
    part: str
    longest: float
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        part = line.part(self.part)
        part.signal(signal.SIGSTOP)
        await asyncio.sleep(draw.uniform(0.5, self.longest))
        part.signal(signal.SIGCONT)


@dataclass(frozen=True)
class KillLoaderAtWork:
    """kill -9 of the loader in the middle of its COPY, or when that is done and Redis does not know of it yet."""

    name: str
    committed: bool
    needs: frozenset[str] = frozenset({"services"})

    async def inject(self, line: Line, draw: Random) -> None:
        postgres, redis, loader = line.proxies["postgres"], line.proxies["redis"], line.part("loader")
        # So that there is a middle, and something to copy in it.
        postgres.slow(draw.uniform(2_000, 10_000))
        try:
            await _until_copying(line, copying=True)
            if self.committed:
                redis.stall()
                postgres.slow(None)
                await _until_copying(line, copying=False)
                await asyncio.sleep(draw.uniform(0.05, 0.3))
            else:
                await asyncio.sleep(draw.uniform(0, 0.1))
            loader.signal(signal.SIGKILL)
        finally:
            postgres.slow(None)
            redis.resume()


async def _until_copying(line: Line, *, copying: bool) -> None:
    """Return when the loader's last statement is a COPY that runs, or has run; after some seconds in any case."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            async with await psycopg.AsyncConnection.connect(line.database_url) as connection:
                row = await (await connection.execute(_AT_WORK, (copying,))).fetchone()
        except psycopg.Error:
            row = None
        if row and row[0]:
            return
        await asyncio.sleep(_LOOK_SECONDS)


KINDS: Final[Sequence[Fault]] = (
    KillPart("kill_collector", "collector"),
    KillPart("kill_live", "live"),
    KillPart("kill_loader", "loader"),
    KillLoaderAtWork("kill_loader_copying", committed=False),
    KillLoaderAtWork("kill_loader_committed", committed=True),
    KillServer("kill_redis", "redis"),
    KillServer("kill_postgres", "postgres"),
    KillPart("stop_collector", "collector", number=signal.SIGTERM),
    KillPart("stop_live", "live", number=signal.SIGTERM),
    FreezePart("freeze_collector", "collector", 8),
    FreezePart("freeze_live", "live", 8),
    FreezePart("freeze_loader", "loader", 4),
)
