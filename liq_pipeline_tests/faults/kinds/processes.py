"""Processes that end in the middle of whatever they do."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from random import Random
from typing import Final

from liq_pipeline_tests.faults.line import Line


@dataclass(frozen=True)
class KillPart:
    """kill -9 of a part, which comes back as soon as the one who keeps it alive notices."""

    name: str
    part: str
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        await asyncio.sleep(draw.uniform(0, 0.5))
        line.part(self.part).signal(signal.SIGKILL)


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


KINDS: Final = (
    KillPart("kill_collector", "collector"),
    KillServer("kill_redis", "redis"),
    KillServer("kill_postgres", "postgres"),
)
