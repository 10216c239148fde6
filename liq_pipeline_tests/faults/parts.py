"""The processes of a line: started by the harness as a service manager does, or by `liq up` under Dagster."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

import psutil
import redis

import liq_pipeline_tests
from liq_pipeline import streams
from liq_pipeline.embedded import process
from liq_pipeline.embedded.home import MARKER

ROOT: Final = Path(liq_pipeline_tests.__file__).parents[1]
"""Where both packages are."""
_LIQ: Final = (sys.executable, "-P", "-c", "from liq_pipeline.cli import main; main()")
_SERVICES: Final[Mapping[str, Sequence[str]]] = {
    "collector": (*_LIQ, "collect", "--no-live"),
    "live": (*_LIQ, "live"),
    "loader": (sys.executable, "-m", "liq_pipeline_tests.faults.loading"),
}
_UP: Final = "up"
_OF_UP: Final = {"daemon": "dagster._daemon", "webserver": "dagster_webserver", "code server": "api grpc"}


class Signalled(Protocol):
    """What can be sent a signal; without effect if it does not run."""

    def signal(self, number: signal.Signals) -> None: ...


@dataclass
class Part:
    """A process that is started again whenever it ends, while it is ``wanted``."""

    name: str
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str] = field(repr=False)
    log: Path
    wanted: bool = True
    started: int = 0
    server: psutil.Popen | None = None

    def start(self) -> None:
        # Its folder is not that of a .env file.
        folder = self.log.parent
        self.server = process.spawn(self.command(), log=self.log, cwd=folder, environment=dict(self.environment))
        self.started += 1

    @property
    def running(self) -> bool:
        return process.alive(self.server)

    def signal(self, number: signal.Signals) -> None:
        if self.server is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.server.send_signal(number)


@dataclass(frozen=True)
class Found:
    """Processes of `liq up`, looked for when they are sent something."""

    find: Callable[[], Iterable[psutil.Process]]

    def signal(self, number: signal.Signals) -> None:
        for found in self.find():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.send_signal(number)


def services(variables: Mapping[str, str], folder: Path) -> dict[str, Part]:
    """Collector, live view and loader as processes of their own."""
    return {
        name: Part(name, lambda command=command: command, variables, folder / f"{name}.log")  # type: ignore[misc]
        for name, command in _SERVICES.items()
    }


def under_dagster(variables: Mapping[str, str], folder: Path) -> dict[str, Part]:
    """`liq up`, on a port that is free whenever it starts."""

    def command() -> Sequence[str]:
        return (*_LIQ, "up", "--port", str(process.free_port()))

    return {_UP: Part(_UP, command, variables, folder / "up.log")}


def found(name: str, parts: Mapping[str, Part], redis_url: str) -> list[psutil.Process]:
    """The processes of `liq up` that do this: ``collector``, ``live``, ``loader`` (runs of days), ``daemon``,
    ``webserver`` or ``code server``; none where they do not run."""
    up = parts[_UP]
    home = up.environment["LIQ_HOME"]
    if name in _OF_UP:
        return [child for child in _children(up) if _OF_UP[name] in _command(child)]
    shifts = {part: _holder(redis_url, feed, home) for part, feed in (("collector", "binance"), ("live", streams.LIVE))}
    if name in shifts:
        return [holder for holder in (shifts[name],) if holder]
    servers = [child for child in _children(up) if _OF_UP["code server"] in _command(child)]
    return [run for server in servers for run in _workers(server) if run not in shifts.values()]


def _children(part: Part) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return part.server.children() if part.server is not None else []
    return []


def _workers(code_server: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        children = code_server.children(recursive=True)
        return [child for child in children if not process.is_resource_tracker(child)]
    return []


def _command(child: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(child.cmdline())
    return ""


def _holder(redis_url: str, feed: str, home: str) -> psutil.Process | None:
    """The process that holds a lease, if it is one of this home's: the number may be a stranger's by now."""
    with (
        contextlib.suppress(redis.RedisError, psutil.Error, ValueError, IndexError),
        redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5) as client,
    ):
        token = cast("bytes | None", client.get(streams.lease_key(feed))) or b""
        holder = psutil.Process(int(token.split(b":")[-2]))
        return holder if holder.environ().get(MARKER) == home else None
    return None
