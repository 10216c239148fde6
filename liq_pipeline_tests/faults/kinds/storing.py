"""PostgreSQL that is there and does not do what it is asked: full of connections, locked, another one."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import psycopg
from psycopg import sql

from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import Line, until

_LOCKED: Final = ("liquidations_raw", "liquidations", "day_state", "feed_spans", "frames_rejected")
_SEEN: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"


@dataclass(frozen=True)
class NoSlots:
    """Every connection that PostgreSQL allows is somebody else's, for a while."""

    name: str = "postgres_out_of_connections"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        seconds = draw.uniform(0.5, 3)
        async with line.server_lock("postgres"):
            with ExitStack() as held:
                await asyncio.to_thread(_take_all, line.database_url, held)
                # Those who are connected yet have to come back.
                line.proxies["postgres"].cut()
                await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Locked:
    """Somebody holds a lock on a table that everybody wants, for a while."""

    name: str = "postgres_locked"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        table, seconds = draw.choice(_LOCKED), draw.uniform(0.5, 8)
        async with line.server_lock("postgres"):
            await _locked(line.database_url, table, seconds)


@dataclass(frozen=True)
class Failover:
    """The primary dies, and a synchronous standby is promoted and takes over its address."""

    name: str = "postgres_failover"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        async with line.server_lock("postgres"):
            primary = line.servers.postgres
            folder = primary.directory.with_name(f"{primary.directory.name}-standby")
            standby = await asyncio.to_thread(_copied, primary, folder)
            await asyncio.get_running_loop().run_in_executor(line.servers.starter, standby.start)
            with psycopg.connect(primary.url(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
            await until(lambda: asyncio.to_thread(_value, primary.url(), _SEEN), "a synchronous standby")
            await asyncio.sleep(draw.uniform(0, 2))
            await line.kill_server("postgres", signal.SIGKILL)
            await asyncio.sleep(draw.uniform(0, 1))
            await asyncio.to_thread(_value, standby.url(), "SELECT pg_promote()")
            line.servers.postgres = standby
            line.proxies["postgres"].target = ("127.0.0.1", standby.port)
            line.proxies["postgres"].cut()


def _take_all(url: str, held: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.enter_context(psycopg.connect(url))


async def _locked(url: str, table: str, seconds: float) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        # Not for ever: a loader that waits for its turn must not wait for us who wait for it.
        await connection.execute("SET lock_timeout = '20s'")
        with suppress(psycopg.errors.LockNotAvailable):
            await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
            await asyncio.sleep(seconds)


def _value(url: str, statement: Any) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def _copied(primary: Postgres, folder: Path) -> Postgres:
    """A standby of ``primary`` in another folder, not started."""
    folder.mkdir(mode=0o755)
    shutil.copy2(primary.directory / "password", folder / "password")
    standby = Postgres(folder, folder.with_suffix(".log"), primary.mode)
    standby.account.folder(standby.data)
    made = standby.account.run(
        [
            standby.binaries.program("pg_basebackup"),
            f"--dbname={primary.url()}",
            f"--pgdata={standby.data}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        ]
    )
    assert made.returncode == 0, made.stderr
    return standby


KINDS: Final[Sequence[Fault]] = (NoSlots(), Locked(), Failover())
