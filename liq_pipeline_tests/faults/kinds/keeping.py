"""Redis that is there and does not do what it is asked: full, read-only, without its replicas, busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from redis.asyncio import Redis

from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import Line


@dataclass(frozen=True)
class Configured:
    """Redis refuses to write while it is so configured."""

    name: str
    setting: str
    value: str
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        async with _alone(line) as redis:
            before = (await redis.config_get(self.setting))[self.setting]
            await redis.config_set(self.setting, self.value)
            await asyncio.sleep(draw.uniform(0.5, 4))
            await redis.config_set(self.setting, before)


@dataclass(frozen=True)
class ReadOnly:
    """Redis is the replica of a primary that is not there, as after a failover that went wrong."""

    name: str = "redis_read_only"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        async with _alone(line) as redis:
            await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
            await asyncio.sleep(draw.uniform(0.5, 4))
            await redis.execute_command("REPLICAOF", "NO", "ONE")


@dataclass(frozen=True)
class Busy:
    """Redis answers nobody for a while."""

    name: str = "redis_busy"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        async with _alone(line) as redis:
            seconds = draw.uniform(0.5, 4)
            await redis.execute_command("CLIENT", "PAUSE", int(seconds * 1000))
            await asyncio.sleep(seconds)


@asynccontextmanager
async def _alone(line: Line) -> AsyncIterator[Any]:
    async with line.server_lock("redis"), Redis.from_url(line.redis_url, decode_responses=True) as redis:
        yield redis


KINDS: Final[Sequence[Fault]] = (
    Configured("redis_full", "maxmemory", "1"),
    Configured("redis_without_replicas", "min-replicas-to-write", "1"),
    ReadOnly(),
    Busy(),
)
