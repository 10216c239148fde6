"""Commands that run until they are told to stop: for how long, by which signals, and what they show meanwhile."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

import click
from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.text import Text

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPARSE_SECONDS: Final = 60.0


class Duration(click.ParamType[float]):
    """``90s``, ``5m``, ``1h``, ``2d``; in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is no duration; write 90s, 5m, 1h or 2d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def console_with_warnings() -> Console:
    """Where a command prints, what its modules warn of included."""
    console = Console()
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    return console


def stopped_by_signals() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets, in the running loop; a second one ends a stop that takes long."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return stop


def until(seconds: float | None) -> int | None:
    """When so many seconds are over, UTC milliseconds."""
    return None if seconds is None else int((time.time() + seconds) * 1000)


class Shown(NamedTuple):
    """A line, what it is about, and the state whose change is worth printing it again."""

    name: str
    state: str
    line: Text


class Display:
    """Lines refreshed in place on a terminal, otherwise printed when their state changes and once a minute."""

    def __init__(self, console: Console, stack: ExitStack) -> None:
        self._console = console
        self._live = stack.enter_context(Live(console=console, transient=True)) if console.is_terminal else None
        self._since = self._printed = time.monotonic()
        self._states: dict[str, str] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start, at least one."""
        return max(time.monotonic() - self._since, 1.0)

    def show(self, lines: Sequence[Shown]) -> None:
        """Show these now; all there are, in the same order each time."""
        if self._live is not None:
            self._live.update(Text("\n").join(shown.line for shown in lines))
            return
        now = time.monotonic()
        due = now - self._printed >= _SPARSE_SECONDS
        for shown in lines:
            if due or self._states.get(shown.name) != shown.state:
                self._console.print(shown.line, highlight=False, soft_wrap=True)
                self._states[shown.name] = shown.state
        if due:
            self._printed = now
