"""PostgreSQL and Redis for the settings: configured ones as they are, the rest as servers of this home."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypedDict

from pydantic import SecretStr

from liq_pipeline.embedded import process
from liq_pipeline.embedded.account import account_for
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.embedded.server import Server
from liq_pipeline.errors import ServerError
from liq_pipeline.settings import Settings

DATABASE: Final = "liquidations"
_STATE: Final = "servers.json"


class _Entry(TypedDict):
    url: str
    pid: int
    created: float


Announce = Callable[[str], None]


@dataclass(frozen=True)
class Servers:
    """Where PostgreSQL and Redis are; ``started`` names those that this call brought up. The URLs hold passwords."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    started: tuple[str, ...] = ()


@dataclass
class Embedded:
    """The servers of a home for which no URL is set; None where one is."""

    home: Home
    postgres: Postgres | None
    redis: Redis | None
    database_url: str = field(repr=False, default="")
    redis_url: str = field(repr=False, default="")

    def start(self, announce: Announce, *, adopt: bool = False) -> Servers:
        """Start what is ours, or ``adopt`` what an earlier ``liq env --start`` left running; write down where.

        Raises ServerError with the fix; what was started before the failure is left to ``stop``.
        """
        started = []
        for server in self.ours():
            began = time.monotonic()
            if adopt and server.adopt():
                continue
            server.start()
            started.append(server.name)
            seconds = time.monotonic() - began
            announce(f"{server.binaries} on 127.0.0.1:{server.port}, data in {server.data}: ready in {seconds:.1f} s")
        if self.postgres:
            self.postgres.create_database(DATABASE)
        return self.refresh(tuple(started))

    def refresh(self, started: tuple[str, ...] = ()) -> Servers:
        """Write down where our servers are now, for `locate` in other processes: one may have come back elsewhere."""
        if self.postgres:
            self.database_url = self.postgres.url(DATABASE)
        if self.redis:
            self.redis_url = self.redis.url()
        state = {}
        for key, server, url in (("postgres", self.postgres, self.database_url), ("redis", self.redis, self.redis_url)):
            if server is not None and process.alive(server.server):
                assert server.server is not None
                state[key] = {"url": url, "pid": server.server.pid, "created": server.server.create_time()}
        process.write_private(self.home.run / _STATE, json.dumps(state))
        return Servers(self.database_url, self.redis_url, started)

    def stop(self) -> None:
        """Stop what is ours, PostgreSQL last."""
        for server in reversed(self.ours()):
            server.stop()

    def ours(self) -> list[Server]:
        return [server for server in (self.postgres, self.redis) if server is not None]


def embedded(settings: Settings, home: Home, *, with_parent: bool) -> Embedded:
    """The servers this home has to run itself; ``with_parent`` ties their lives to this process.

    A URL that is one of this home's own, as a shell holds it after ``eval "$(liq env)"``, counts as not set.
    Raises ServerError, with the fix, when servers could not work in this home.
    """
    state = _state(home.path)
    database_url, redis_url = _foreign(settings.database_url, state), _foreign(settings.redis_url, state)
    postgres, redis = None, None
    if not (database_url and redis_url):
        account = account_for(home.path)
    if not database_url:
        postgres = Postgres(
            home.path / "postgres", home.log("postgres"), settings.embedded, with_parent=with_parent, account=account
        )
    if not redis_url:
        redis = Redis(
            home.path / "redis", home.log("redis"), settings.embedded, with_parent=with_parent, account=account
        )
    return Embedded(home, postgres, redis, database_url or "", redis_url or "")


def ensure(settings: Settings, announce: Announce = lambda _: None) -> Servers:
    """Bring up the servers that have no URL, or find them running; they outlive this process.

    Raises ServerError when another `liq` holds the home or a server does not start.
    """
    home = Home.prepare(settings.home)
    with home.lock("liq env --start"):
        servers = embedded(settings, home, with_parent=False)
        try:
            return servers.start(announce, adopt=True)
        except BaseException:
            servers.stop()
            raise


@contextlib.contextmanager
def running(settings: Settings, announce: Announce = lambda _: None) -> Iterator[Servers]:
    """The same for the duration of a block: servers that had to be started are stopped at its end."""
    home = Home.prepare(settings.home)
    with home.lock("liq"):
        servers = embedded(settings, home, with_parent=True)
        try:
            yield servers.start(announce)
        finally:
            servers.stop()


def stop(settings: Settings) -> list[str]:
    """Stop the servers that ``ensure`` left running and return their names.

    Raises ServerError when a `liq up` holds the home: its servers are its own to stop.
    """
    home = Home.prepare(settings.home)
    with home.lock("liq env --stop"):
        servers = embedded(settings, home, with_parent=False)
        stopped = [server for server in servers.ours() if server.adopt()]
        servers.stop()
        return [server.name for server in stopped]


def locate(settings: Settings) -> Servers:
    """The configured servers, or the running ones of this home; nothing is started.

    Raises ServerError with the fix when a server that has no URL does not run.
    """
    return Servers(locate_database(settings), locate_redis(settings))


def locate_database(settings: Settings) -> str:
    """The URL of PostgreSQL alone, likewise."""
    return _locate(settings, settings.database_url, "postgres", "LIQ_DATABASE_URL")


def locate_redis(settings: Settings) -> str:
    """The URL of Redis alone, likewise."""
    return _locate(settings, settings.redis_url, "redis", "LIQ_REDIS_URL")


def _locate(settings: Settings, configured: SecretStr | None, key: str, variable: str) -> str:
    state = _state(settings.home)
    if foreign := _foreign(configured, state):
        return foreign
    entry = state.get(key)
    if entry and process.same(entry["pid"], entry["created"]):
        return entry["url"]
    raise ServerError(
        f"{variable} is not set and no server of LIQ_HOME={settings.home} runs: start them with `liq up` "
        f"or `liq env --start`, or set {variable}"
    )


def _foreign(url: SecretStr | None, state: dict[str, _Entry]) -> str | None:
    """A configured URL, unless it is that of a server of this home."""
    text = url.get_secret_value() if url else None
    return None if text in {entry["url"] for entry in state.values()} else text


def _state(home: Path) -> dict[str, _Entry]:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return dict(json.loads((home / "run" / _STATE).read_text()))
    return {}
