"""The line as a user runs it, each part a process that can be killed, every connection through a proxy.

Venues and proxies live in the harness. Collector, live view and loader are processes that are started again when they
end, as a service manager does, or what `liq up` starts and looks after. PostgreSQL and Redis are down until a fault
starts them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import psutil
import psycopg
import redis

from liq_pipeline import streams
from liq_pipeline.embedded import process
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.simulate.venues import Venues
from liq_pipeline_tests.cli.running import environment
from liq_pipeline_tests.faults import parts
from liq_pipeline_tests.faults.parts import ROOT, Found, Part, Signalled
from liq_pipeline_tests.faults.play import Play, now_ms
from liq_pipeline_tests.faults.proxy import Proxy
from liq_pipeline_tests.faults.servers import Servers

PATIENCE_SECONDS: Final = 240.0
"""How long anything may take, on a machine however slow, before it counts as never."""
VENUES: Final = ("binance", "bybit", "okx")
DAGSTER: Final = ("daemon", "webserver", "code server")
SETTINGS: Final = {
    "LIQ_CASCADE_WINDOW_SECONDS": "2",
    "LIQ_CASCADE_MIN_EVENTS": "4",
    "LIQ_CASCADE_MIN_USD": "20000",
}
"""Short cascades: many begin, end and are final within a play."""
_LOOK_SECONDS: Final = 0.15
_RESTART_SECONDS: Final = 0.2
_ABORT_SECONDS: Final = 10.0
"""For a process that is aborted to write its stacks."""
_LANDED: Final = "SELECT exchange, max(received_at) FROM liquidations_raw GROUP BY exchange"


class NeverRecoveredError(AssertionError):
    """The line did not go on after a fault; the message says which part does not."""


class Line:
    """One line under attack; see ``running``."""

    def __init__(
        self, servers: Servers, venues: Venues, play: Play, proxies: Mapping[str, Proxy], database: str
    ) -> None:
        self.servers = servers
        self.venues = venues
        self.play = play
        self.proxies = proxies
        """By venue, and of ``redis`` and ``postgres``."""
        self.database = database
        self.parts: dict[str, Part] = {}
        """What the harness keeps running: ``collector``, ``live`` and ``loader``, or ``up``."""
        self.lag_ms = 10_000
        """How long a frame may be on its way on a connection that is lost in the end; slow ones may raise it."""

        self._server_locks = {name: asyncio.Lock() for name in ("postgres", "redis")}

    @property
    def features(self) -> frozenset[str]:
        """What faults may need of a line: ``dagster``, or ``services`` where its parts are processes of their own."""
        return frozenset({"dagster"} if "up" in self.parts else {"services"})

    def part(self, name: str) -> Signalled:
        """``collector``, ``live``, ``loader``; under Dagster also ``up``, ``daemon``, ``webserver`` and others."""
        if name in self.parts:
            return self.parts[name]
        return Found(lambda: self._found(name))

    def server_lock(self, name: str) -> asyncio.Lock:
        """To be held by a fault while a server is down or not itself: another one waits until it is there again."""
        return self._server_locks[name]

    async def kill_server(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill ``postgres`` or ``redis`` and return when it is gone; it stays down."""
        server = self.servers.named(name).server
        assert server is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(number)
        await until(lambda: not process.alive(server), f"the end of {name}")

    async def start_server(self, name: str) -> None:
        """Start it again on the data it left."""
        server = self.servers.named(name)
        await asyncio.get_running_loop().run_in_executor(self.servers.starter, server.start)
        self.proxies[name].target = ("127.0.0.1", server.port)

    async def listening(self) -> None:
        """Return when a client has subscribed liquidations at every venue."""
        await until(
            lambda: all(server.open_connections for server in self.venues.servers.values()), "a client at each venue"
        )

    async def recovered(self) -> float:
        """Return when what happens from now on reaches the end of the line; how many seconds that took.

        Raises NeverRecoveredError.
        """
        began, since = time.monotonic(), now_ms()
        standing = ["nothing was looked at"]

        async def flows() -> bool:
            standing[:] = await asyncio.to_thread(self._standing, since)
            return not standing

        deadline = began + PATIENCE_SECONDS
        while not await flows():
            if time.monotonic() > deadline:
                raise NeverRecoveredError(f"{PATIENCE_SECONDS:g} s after the fault: {'; '.join(standing)}")
            await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    async def settled(self, window_ms: int) -> None:
        """Return when the live view knows every cascade there was to be over: nothing may be sent meanwhile."""
        last = now_ms()
        await asyncio.sleep(window_ms / 1000 + 0.1)
        await self.play.close()
        await until(lambda: asyncio.to_thread(self._is_final, last + window_ms), "the end of all cascades")

    async def stop(self, name: str) -> None:
        """End one of ``parts`` as a user does, and wait for that."""
        part = self.parts[name]
        part.wanted = False
        part.signal(signal.SIGTERM)
        await gone(part, f"the end of {name}")

    async def keep_running(self) -> None:
        """Start what ended again, for ever."""
        while True:
            for part in self.parts.values():
                if part.wanted and not part.running:
                    part.start()
            await asyncio.sleep(_RESTART_SECONDS)

    @property
    def redis_url(self) -> str:
        """Past the proxy, for the harness."""
        return self.servers.redis.url()

    def _standing(self, since: int) -> list[str]:
        """What has not moved since then."""
        try:
            with self._redis() as client:
                newest = {venue: _newest(client, venue) for venue in VENUES}
                health = cast("dict[bytes, bytes]", client.hgetall(LIVE_KEY))
            # Dagster refreshes today every five minutes: what it does in between is not waited for.
            landed = self._landed() if "loader" in self.parts else {}
        except (redis.RedisError, psycopg.Error) as error:
            return [f"{type(error).__name__}: {error}"]
        seen = int(health.get(b"updated_at", b"0")) if health.get(b"state") == b"live" else 0
        return [
            *(f"{venue} lands nothing" for venue, at in newest.items() if at < since),
            *(
                f"the loader brings nothing of {venue}"
                for venue in VENUES
                if "loader" in self.parts and landed.get(venue, 0) < since
            ),
            *(["the live view does not move"] if seen < since else []),
            *(f"no {name} runs" for name in DAGSTER if "up" in self.parts and not self._found(name)),
        ]

    def _found(self, name: str) -> list[psutil.Process]:
        return parts.found(name, self.parts, self.redis_url)

    def _landed(self) -> dict[str, int]:
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            return {exchange: int(at.timestamp() * 1000) for exchange, at in connection.execute(_LANDED)}

    def _is_final(self, at: int) -> bool:
        with contextlib.suppress(redis.RedisError), self._redis() as client:
            health = cast("dict[bytes, bytes]", client.hgetall(LIVE_KEY))
            newest = max(_newest(client, venue) for venue in VENUES)
            # What the view wrote after the newest entry's landing it wrote with it.
            return (
                int(health.get(b"watermark") or 0) > at
                and int(health.get(b"updated_at") or 0) > newest
                and health.get(b"active") == health.get(b"unrecorded") == b"0"
            )
        return False

    def _redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, socket_timeout=5, socket_connect_timeout=5)

    @property
    def database_url(self) -> str:
        """Past the proxy, for the harness."""
        return self.servers.postgres.url(self.database)


@asynccontextmanager
async def running(
    servers: Servers, venues: Venues, play: Play, folder: Path, database: str, *, dagster: bool = False
) -> AsyncIterator[Line]:
    """A line on ``database`` of the servers, its parts or `liq up` started; stopped at the end in whatever way."""
    async with AsyncExitStack() as stack:
        targets = {venue: server.port for venue, server in venues.servers.items()}
        targets |= {"redis": servers.redis.port, "postgres": servers.postgres.port}
        proxies = {name: await stack.enter_async_context(Proxy(("127.0.0.1", port))) for name, port in targets.items()}
        line = Line(servers, venues, play, proxies, database)
        start = parts.under_dagster if dagster else parts.services
        line.parts = start(variables_of(line, folder), folder)
        keeping = asyncio.create_task(line.keep_running())
        try:
            yield line
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            left = [part.server for part in line.parts.values() if part.server is not None]
            process.stop(left, signal.SIGTERM if dagster else signal.SIGKILL, grace=60)


def variables_of(line: Line, folder: Path) -> dict[str, str]:
    """The environment of the line's processes: everything they connect to is behind a proxy."""
    urls = {
        name: urlsplit(value)._replace(netloc=f"127.0.0.1:{line.proxies[_venue(name)].port}").geturl()
        for name, value in line.venues.urls.items()
    }
    return environment(
        **urls,
        **SETTINGS,
        LIQ_HOME=str(folder / "home"),
        LIQ_DATABASE_URL=_through(line.proxies["postgres"], line.database_url),
        LIQ_REDIS_URL=_through(line.proxies["redis"], line.redis_url),
        # Dagster takes the first one from the path of its code server.
        PYTHONPATH=os.pathsep.join((str(folder), str(ROOT))),
        PYTHONUNBUFFERED="1",
        PYTHONFAULTHANDLER="1",
    )


async def gone(part: Part, what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for the end of a part; one that never comes leaves in its log where each of its threads stands."""
    try:
        await until(lambda: not part.running, what, seconds)
    except NeverRecoveredError:
        part.signal(signal.SIGABRT)
        with contextlib.suppress(NeverRecoveredError):
            await until(lambda: not part.running, what, _ABORT_SECONDS)
        raise


async def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition, a function or one that is awaited; NeverRecoveredError names what never happened."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        if time.monotonic() > deadline:
            raise NeverRecoveredError(f"never happened, in {seconds:g} s: {what}")
        await asyncio.sleep(_LOOK_SECONDS)


def _newest(client: redis.Redis, venue: str) -> int:
    """When the last entry of a venue landed, UTC milliseconds; 0 before the first."""
    entries = cast("list[tuple[bytes, object]]", client.xrevrange(streams.events_key(venue), count=1))
    return int(entries[0][0].partition(b"-")[0]) if entries else 0


def _venue(variable: str) -> str:
    return variable.rpartition("_")[2].lower()


def _through(proxy: Proxy, url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()
