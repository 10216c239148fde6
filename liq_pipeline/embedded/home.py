"""A home: its folders, its lock, and the processes that belong to it, found again after any kind of end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from liq_pipeline.embedded import process
from liq_pipeline.embedded.account import prepare_home
from liq_pipeline.errors import ServerError

MARKER: Final = "LIQ_SUPERVISED_BY"
"""Set, to the home's path, in every process started for a home: run workers outlive their parents' records."""
_LOG_BYTES: Final = 10 << 20
_DEMO: Final = "demo"


@dataclass(frozen=True)
class Home:
    """The folder LIQ_HOME. Use ``Home.prepare``: it makes the folders, or says why they cannot be made."""

    path: Path

    @classmethod
    def prepare(cls, path: Path) -> Home:
        """Raises ServerError, with the fix, for a home that cannot be made or written."""
        home = cls(prepare_home(path).resolve())
        try:
            for folder in (home.run, home.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ServerError(f"{error.filename} cannot be made: {error.strerror}") from None
        return home

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def is_demo(self) -> bool:
        """Whether `liq up --demo` runs in this home, so that nothing in it is of the real world."""
        return (self.run / _DEMO).exists()

    def mark_demo(self) -> None:
        (self.run / _DEMO).touch(mode=0o600)

    def log(self, name: str) -> Path:
        """The log of one process, its predecessor kept beside it once it has grown."""
        path = self.logs / f"{name}.log"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
        return path

    def trim_logs(self) -> None:
        """Keep logs bounded under writers that hold them open; they append, so truncating loses no position."""
        for path in self.logs.glob("*.log"):
            if path.stat().st_size > _LOG_BYTES:
                path.with_suffix(".log.1").write_bytes(path.read_bytes())
                os.truncate(path, 0)

    @contextlib.contextmanager
    def lock(self, command: str, address: str = "") -> Iterator[None]:
        """Hold the home for one ``command``; the kernel lets go of it however that ends.

        Raises ServerError naming the holder's command, pid and address.
        """
        with (self.run / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ServerError(f"LIQ_HOME={self.path} is in use by {self._holder()}") from None
            file.truncate(0)
            file.write(json.dumps({"command": command, "pid": os.getpid(), "address": address}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def in_use(self) -> str | None:
        """Who holds the home at the moment, in words; None if nobody does."""
        with (self.run / "lock").open("a+") as file:
            try:
                # Shared: those who only ask do not stand in each other's way.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return self._holder()
        return None

    def _holder(self) -> str:
        try:
            holder = json.loads((self.run / "lock").read_text())
        except (OSError, ValueError):
            return "another liq that is just starting: try again in a moment"
        at = f" at {holder['address']}" if holder["address"] else ""
        return (
            f"`{holder['command']}`, pid {holder['pid']}{at}: use that one, stop it with `kill {holder['pid']}`, "
            "or set another LIQ_HOME"
        )

    def environment(self) -> dict[str, str]:
        """What marks a process as belonging to this home, and names the home to it."""
        return {"LIQ_HOME": str(self.path), MARKER: str(self.path)}

    def record(self, children: Mapping[str, psutil.Process]) -> None:
        """Write down pid and start time of the children: a pid alone may be somebody else's by tomorrow."""
        entries = {}
        for name, child in children.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                entries[name] = [child.pid, child.create_time()]
        process.write_private(self.run / "children.json", json.dumps(entries))

    def leftovers(self) -> list[psutil.Process]:
        """Live processes of this home: recorded children, and whatever carries its mark; never this one."""
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            for pid, created in json.loads((self.run / "children.json").read_text()).values():
                if child := process.same(pid, created):
                    found[child.pid] = child
        for candidate in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if candidate.environ().get(MARKER) == str(self.path):
                    found[candidate.pid] = candidate
        ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        return [child for pid, child in found.items() if pid not in ourselves]
