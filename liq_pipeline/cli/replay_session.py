"""A running replay: what is typed tells it what to do, a line shows where it is, a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from liq_pipeline.collector.landing import Landing
from liq_pipeline.errors import ReplayError
from liq_pipeline.replay import commands
from liq_pipeline.replay.player import Player, Progress
from liq_pipeline.replay.tape import Tape

_SPARSE_SECONDS: Final = 60.0
_DRAIN_EVERY: Final = 100_000
"""Rows; so many are at most some hundred megabytes of Redis' memory."""
_CLOSE_SECONDS: Final = 5.0
_LONG_MS: Final = 60_000


@dataclass(frozen=True)
class Ended:
    """How a replay ended; ``stopped_at`` is recorded time in UTC milliseconds, if it was not played to the end."""

    progress: Progress
    unwritten: int
    seconds: float
    stopped_at: float | None


def utc(milliseconds: float) -> str:
    """A time as it is typed: ``2025-01-26T17:05:00.123``."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


async def play(
    tape: Tape,
    redis_url: str,
    speed: float,
    start: int,
    stop: int,
    in_time: bool,
    drain: Callable[[], object] | None,
    console: Console,
) -> Ended:
    """Play a part of the tape into Redis until its end, ``quit`` or a signal.

    ``drain`` is called in a thread while many events wait in the streams. Raises ServerError if Redis cannot be
    reached at the start.
    """
    landing = Landing(redis_url)
    await landing.start()
    player = Player(tape, landing, speed, start, stop, in_time)
    began = time.monotonic()
    unwritten = 0
    try:
        with _signals(player), _typed(player, console), _display(player, console):
            async with _draining(player, drain):
                await player.play()
    finally:
        unwritten = await landing.close(_CLOSE_SECONDS)
    stopped_at = player.time if player.position < stop else None
    return Ended(player.progress, unwritten, time.monotonic() - began, stopped_at)


@contextlib.contextmanager
def _signals(player: Player) -> Iterator[None]:
    """The first signal ends the replay, the next one the wait for Redis to take the rest."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, player.tell, commands.Quit())
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _typed(player: Player, console: Console) -> Iterator[None]:
    """Lines of standard input are commands, unless it is a file or another process' terminal."""
    loop, descriptor = asyncio.get_running_loop(), _standard_input()
    buffer = bytearray()

    def read() -> None:
        data = os.read(descriptor, 4096)
        if not data:
            loop.remove_reader(descriptor)
        buffer.extend(data)
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            if line.strip():
                _tell(player, line.decode(errors="backslashreplace"), console)

    if descriptor >= 0:
        try:
            loop.add_reader(descriptor, read)
        except OSError:
            # A file or /dev/null: nobody types there.
            descriptor = -1
    if descriptor >= 0 and os.isatty(descriptor):
        console.print(commands.HELP, style="dim", highlight=False)
    try:
        yield
    finally:
        if descriptor >= 0:
            loop.remove_reader(descriptor)


def _standard_input() -> int:
    try:
        descriptor = sys.stdin.fileno()
        # Reading the terminal of a foreground process would stop us.
        if os.isatty(descriptor) and os.tcgetpgrp(descriptor) != os.getpgrp():
            return -1
    except (OSError, ValueError, AttributeError):
        return -1
    return descriptor


def _tell(player: Player, text: str, console: Console) -> None:
    try:
        player.tell(commands.parse(text))
    except ReplayError as error:
        console.print(str(error), style="yellow", markup=False, highlight=False)


@contextlib.contextmanager
def _display(player: Player, console: Console) -> Iterator[None]:
    """Where the replay is: one line, refreshed in place on a terminal, otherwise printed once a minute."""
    if console.is_terminal:
        with Live(get_renderable=lambda: _line(player), console=console, transient=True):
            yield
        return
    task = asyncio.create_task(_print_sparsely(player), name="display")
    try:
        yield
    finally:
        task.cancel()


async def _print_sparsely(player: Player) -> None:
    while True:
        await asyncio.sleep(_SPARSE_SECONDS)
        click.echo(_line(player).plain, err=True)


def _line(player: Player) -> Text:
    pace, landing = player.pace, player.landing
    speed = f"{pace.speed:g}x" if pace.speed else "no waiting"
    state = "paused" if pace.paused else speed
    # Recordings have nights without events, and ends of files: somebody may want to seek.
    ahead = "" if player.next_time - player.time < _LONG_MS else f"  next event {_shown(player.next_time)}"
    away = f"  Redis takes nothing: {landing.away}" if landing.away else ""
    return Text(
        f"{_shown(player.time)}  {state}  {player.position - player.start:,} of "
        f"{player.stop - player.start:,} lines, {player.progress.landed:,} liquidations{ahead}{away}"
    )


def _shown(milliseconds: float) -> str:
    return utc(milliseconds)[:-4].replace("T", " ")


@contextlib.asynccontextmanager
async def _draining(player: Player, drain: Callable[[], object] | None) -> AsyncIterator[None]:
    """Call ``drain`` beside the replay whenever enough has landed."""
    if drain is None:
        yield
        return
    task = asyncio.create_task(_drain(player, drain), name="drain")
    try:
        yield
    finally:
        task.cancel()
        # A drain that is running ends by itself; what it was doing is not cut off by stopping the servers.
        await asyncio.gather(task, return_exceptions=True)


async def _drain(player: Player, drain: Callable[[], object]) -> None:
    drained = 0
    while True:
        await asyncio.sleep(0.5)
        if player.progress.landed - drained >= _DRAIN_EVERY:
            drained = player.progress.landed
            await asyncio.to_thread(drain)
