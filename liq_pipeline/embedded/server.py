"""What PostgreSQL and Redis have in common as servers of this machine: a folder, a port, a password, a process."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Literal

import psutil

from liq_pipeline.embedded import process
from liq_pipeline.embedded.account import Account, server_account
from liq_pipeline.embedded.binaries import Binaries

_LOOK_AGAIN_SECONDS: Final = 0.03


@dataclass
class Server(ABC):
    """A server with its data, password, port and the record of its binaries in ``directory``.

    ``durable=False`` trades safety after a crash for speed: for tests. ``with_parent=False`` lets it outlive this
    process.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[signal.Signals]
    _stop_seconds: ClassVar[float]

    directory: Path
    log: Path
    mode: Literal["auto", "wheel"] = "auto"
    durable: bool = True
    with_parent: bool = True
    account: Account = field(default_factory=server_account)
    binaries: Binaries = field(init=False)
    port: int = field(init=False, default=0)
    password: str = field(init=False, default="")
    server: psutil.Process | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.binaries = self._find_binaries()
        self.password = process.kept_secret(self.directory / "password")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def running(self) -> bool:
        return process.alive(self.server)

    @abstractmethod
    def start(self) -> None:
        """Start the server; returns when it has read its data and answers.

        Raises ServerError with the end of its log when it does not come up within a minute.
        """

    @abstractmethod
    def adopt(self) -> bool:
        """Take over the server another process left running on this data; whether there was one that answers."""

    def stop(self) -> None:
        """Stop the server: sessions are cut off, its data is written. Without effect if it is down."""
        if self.running():
            assert self.server is not None
            process.stop([self.server], self._stop_signal, grace=self._stop_seconds)
        self.server = None

    @abstractmethod
    def _find_binaries(self) -> Binaries: ...

    @abstractmethod
    def _answer(self) -> str | None:
        """None if the server lets us in, otherwise what it said."""

    def _wait_until_ready(self, deadline: float) -> str | None:
        """None once the server lets us in, otherwise why it does not; it is stopped if it ran out of time."""
        failure: str | None = "it was given no time"
        while time.monotonic() < deadline:
            if not self.running():
                return process.tail(self.log)
            failure = self._answer()
            if failure is None:
                return None
            if "password authentication" in failure:
                return f"{failure}; {self.directory / 'password'} is not that of its data"
            time.sleep(_LOOK_AGAIN_SECONDS)
        self.stop()
        return failure
