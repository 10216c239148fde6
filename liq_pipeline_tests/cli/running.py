"""Running the installed ``liq`` as a user does: a process of its own, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from liq_pipeline import cli
from liq_pipeline.embedded import process
from liq_pipeline.embedded.home import Home

LIQ = Path(sys.executable).parent / "liq"


def environment(**variables: str) -> dict[str, str]:
    """This environment without any LIQ_*, DAGSTER_* or pytest variable but the choice of binaries."""
    foreign = ("LIQ_", "DAGSTER_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "LIQ_EMBEDDED": os.environ.get("LIQ_EMBEDDED", "auto"), **variables}


def liq(*arguments: str, cwd: Path = Path("/"), **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [LIQ, *arguments], env=environment(**variables), cwd=cwd, capture_output=True, text=True, timeout=120
    )


def in_process(monkeypatch: pytest.MonkeyPatch, folder: Path, *command: str, **variables: str) -> Callable[..., int]:
    """Runs ``liq COMMAND …`` in this process and in ``folder``, and gives its exit code.

    Of the LIQ_* variables there are just those given, a home in the folder, and no limit of retention.
    """
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("LIQ_")]:
        monkeypatch.delenv(name)
    for name, value in {"LIQ_HOME": str(folder / "home"), "LIQ_RETENTION_DAYS": "0", **variables}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["liq", *command, *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@contextlib.contextmanager
def short_lived_home() -> Iterator[Path]:
    """A home that does not exist yet; whatever still runs in it at the end is stopped, and everything removed."""
    folder = Path(tempfile.mkdtemp(prefix="liq-test-home-"))
    folder.chmod(0o755)
    try:
        yield folder / "home"
    finally:
        for home in (folder / "home", folder / "home" / "demo"):
            process.stop([*Home(home).leftovers(), *serving(home)], signal.SIGKILL)
        shutil.rmtree(folder)


def serving(home: Path) -> list[psutil.Process]:
    """PostgreSQL and Redis processes that work on this home."""
    return [found for data in ("postgres", "redis") for found in process.in_folder(home / data / "data")]


@dataclass
class Up:
    """A ``liq up --demo`` in a home; ``port`` is the UI's."""

    home: Path
    port: int = field(default_factory=process.free_port)
    parent: psutil.Popen | None = None

    @property
    def demo(self) -> Home:
        return Home(self.home / "demo")

    @property
    def output(self) -> str:
        return self.home.with_name("up.log").read_text()

    def start(self) -> psutil.Popen:
        """Start it and wait for the first page."""
        log = self.home.with_name("up.log")
        log.write_text("")
        self.parent = process.spawn(
            [LIQ, "up", "--demo", "--port", str(self.port)],
            log=log,
            cwd=Path("/"),
            environment=environment(LIQ_HOME=str(self.home), PYTHONUNBUFFERED="1"),
        )
        self.until("everything runs")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/assets", timeout=30) as page:
            assert b"Dagster" in page.read()
        return self.parent

    def until(self, text: str, seconds: float = 240) -> None:
        """Wait until the output says ``text``; fails with the whole output. The bound is for machines in distress."""
        assert self.parent is not None
        process.until(lambda: text in self.output or not process.alive(self.parent), seconds)
        assert text in self.output, self.output

    def child(self, command: str) -> psutil.Process:
        """The direct child of the running ``up`` with this in its command line."""
        assert self.parent is not None
        (found,) = (child for child in self.parent.children() if command in " ".join(child.cmdline()))
        return found

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this home, servers included."""
        return [*self.demo.leftovers(), *serving(self.demo.path)]
