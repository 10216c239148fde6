"""A disk that is full, without one: the kernel lets PostgreSQL's processes write no file beyond a size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import psutil

from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import Line

_BYTES: Final = (1 << 16, 1 << 20)
"""Beyond the beginning of a segment of the log: PostgreSQL panics at the next commit, and cannot recover either."""


@dataclass(frozen=True)
class DiskFull:
    """The disk of the database has no room for a while; what did not survive that is started again."""

    name: str = "postgres_disk_full"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        size, seconds = draw.randint(*_BYTES), draw.uniform(0.5, 3)
        async with line.server_lock("postgres"):
            server = line.servers.postgres
            await asyncio.to_thread(_limit, server, str(size))
            await asyncio.sleep(seconds)
            await asyncio.to_thread(_limit, server, "unlimited")
            if not server.running():
                await line.start_server("postgres")


def _limit(server: Postgres, size: str) -> None:
    """The parent first: who is started meanwhile has its limit. By its own account, which needs no rights for that."""
    with contextlib.suppress(psutil.NoSuchProcess):
        assert server.server is not None
        for each in (server.server, *server.server.children()):
            limited = server.account.run(["prlimit", f"--pid={each.pid}", f"--fsize={size}:"])
            assert limited.returncode == 0 or not each.is_running(), limited.stderr


KINDS: Final[Sequence[Fault]] = (DiskFull(),)
