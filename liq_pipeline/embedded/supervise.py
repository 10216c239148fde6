"""Keeping processes alive: what dies comes back, first at once, then ever later while it keeps dying."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import psutil

from liq_pipeline.embedded import process
from liq_pipeline.errors import ServerError

_LONGEST_PAUSE: Final = 30.0
_HEALTHY_SECONDS: Final = 60.0


class Supervised(Protocol):
    """A server that can be asked, started until it is ready, and stopped."""

    server: psutil.Process | None

    @property
    def name(self) -> str: ...

    def running(self) -> bool: ...

    def start(self) -> None:
        """Start and wait until ready; raises ServerError."""

    def stop(self) -> None: ...


@dataclass
class Child:
    """A program that is ``ready`` when its condition says so."""

    name: str
    command: Sequence[str | Path]
    environment: dict[str, str] = field(repr=False)
    log: Path
    ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 180.0
    server: psutil.Process | None = field(init=False, default=None)

    def running(self) -> bool:
        return process.alive(self.server)

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises ServerError with the end of its log when it ends before that or takes too long.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        self.server = process.spawn(self.command, log=self.log, cwd=Path.cwd(), environment=self.environment)

    def wait(self) -> None:
        done = process.until(lambda: not self.running() or self.ready(), self.ready_seconds)
        if not self.running():
            raise ServerError(f"the {self.name} ended while starting: {process.tail(self.log)} (log: {self.log})")
        if not done:
            raise ServerError(f"the {self.name} is not ready after {self.ready_seconds:.0f} s (log: {self.log})")

    def stop(self, grace: float = 10.0) -> None:
        if self.running():
            assert self.server is not None
            process.stop([self.server], signal.SIGTERM, grace)
        self.server = None


@dataclass
class _Life:
    began: float
    failures: int = 0
    due: float | None = None


class Supervisor:
    """Looks after servers that were started; ``changed`` is called with each that came back."""

    def __init__(self, announce: Callable[[str], None], changed: Callable[[Supervised], None] = lambda _: None) -> None:
        self._announce = announce
        self._changed = changed
        self._lives: dict[str, _Life] = {}

    def look(self, servers: Sequence[Supervised]) -> None:
        """Restart what has died and is due; one look, to be repeated some times a second."""
        now = time.monotonic()
        for server in servers:
            life = self._lives.setdefault(server.name, _Life(began=now))
            if life.due is None:
                if not server.running():
                    self._schedule(server, life, "died")
            elif now >= life.due:
                self._restart(server, life)

    def _schedule(self, server: Supervised, life: _Life, what: str) -> None:
        now = time.monotonic()
        if now - life.began > _HEALTHY_SECONDS:
            life.failures = 0
        pause = min(2.0 ** (life.failures - 1), _LONGEST_PAUSE) if life.failures else 0.0
        life.failures += 1
        life.due = now + pause
        self._announce(f"{server.name} {what}; starting it again" + (f" in {pause:.0f} s" if pause else ""))

    def _restart(self, server: Supervised, life: _Life) -> None:
        life.began, life.due = time.monotonic(), None
        try:
            server.start()
        except ServerError as error:
            self._schedule(server, life, f"did not come back ({error})")
            return
        self._changed(server)
        self._announce(f"{server.name} is back after {time.monotonic() - life.began:.1f} s")
