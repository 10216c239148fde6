"""Playing a tape into the event streams, at a pace, until its end or until told to stop.

What is played lands as the collector lands it, with the same back-pressure: while Redis takes nothing and the buffer
is full, the tape stands.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from liq_pipeline.collector.landing import Landing
from liq_pipeline.exchanges.base import FrameKind, Landed, Parsed
from liq_pipeline.liquidation import Source
from liq_pipeline.replay.commands import Command, Pause, Quit, Resume, Seek, Speed
from liq_pipeline.replay.pace import Pace
from liq_pipeline.replay.tape import Played, Tape

_BATCH: Final = 1_000
"""Lines between two looks at the commands."""
_SHORTEST_WAIT: Final = 0.001


class Clock(Protocol):
    """The time as a player sees it."""

    def now(self) -> float:
        """Seconds, from anywhere."""

    def utc_ms(self) -> int: ...

    async def wait(self, told: asyncio.Event, seconds: float) -> None:
        """Return when ``told`` is set, at the latest after ``seconds`` (infinity: never)."""


class RealClock:
    """The machine's."""

    def now(self) -> float:
        return time.monotonic()

    def utc_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait(self, told: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await told.wait()
        except TimeoutError:
            return


@dataclass
class Progress:
    """What was played so far; ``landed`` and ``rejected`` count a row every time."""

    landed: int = 0
    rejected: int = 0


@dataclass
class Player:
    """Plays the lines of ``tape`` from position ``start`` to ``stop`` (excluded), at ``speed`` to begin with.

    ``in_time``: nothing is played before the time it is moved to has come, whatever the speed.
    """

    tape: Tape
    landing: Landing
    speed: InitVar[float]
    start: int
    stop: int
    in_time: bool = False
    clock: Clock = field(default_factory=RealClock)
    pace: Pace = field(init=False)
    position: int = field(init=False)
    progress: Progress = field(init=False, default_factory=Progress)
    quitting: bool = field(init=False, default=False)
    _commands: deque[Command] = field(init=False, default_factory=deque)
    _told: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self, speed: float) -> None:
        self.position = self.start
        self.pace = Pace(speed, self.next_time, self.clock.now())

    def tell(self, command: Command) -> None:
        """Do this next."""
        self._commands.append(command)
        self._told.set()

    @property
    def time(self) -> float:
        """Where the tape is: recorded time, UTC milliseconds."""
        return min(self._reached(), self.next_time)

    async def play(self) -> None:
        """Play to the end, or until told to quit, and return when Redis has everything, or when told once more.

        Raises what ended the landing's writer.
        """
        while self._obey() and self.position < self.stop:
            if self.landing.full:
                await self._unless_told(self.landing.room())
                continue
            end = self._due()
            if end == self.position:
                await self.clock.wait(self._told, self._wait())
                continue
            for played in self.tape.play(self.position, end):
                self._land(played)
            self.position = end
            # In between the landing writes, and commands arrive.
            await asyncio.sleep(0)
        while self.landing.buffered and self._obey_nothing_but_quit():
            await self._unless_told(self.landing.flush())

    def _due(self) -> int:
        """The position after what is due, at most a batch further on."""
        if self.pace.paused:
            return self.position
        end, reached = min(self.position + _BATCH, self.stop), self._reached()
        if math.isfinite(reached):
            end = min(end, int(np.searchsorted(self.tape.times, reached, "right")))
        return max(end, self.position)

    def _reached(self) -> float:
        reached = self.pace.reached(self.clock.now())
        return min(reached, self.clock.utc_ms() - self.tape.delta) if self.in_time else reached

    def _wait(self) -> float:
        """Seconds until the next line is due."""
        seconds = self.pace.wait(self.next_time, self.clock.now())
        if self.in_time:
            seconds = max(seconds, (self.next_time + self.tape.delta - self.clock.utc_ms()) / 1000)
        return max(seconds, _SHORTEST_WAIT)

    @property
    def next_time(self) -> float:
        """The recorded time of what is played next, UTC milliseconds."""
        return float(self.tape.times[min(self.position, self.stop - 1)])

    def _obey(self) -> bool:
        """Do what was told; whether to go on."""
        self._told.clear()
        while self._commands and not self.quitting:
            self._do(self._commands.popleft())
        return not self.quitting

    def _obey_nothing_but_quit(self) -> bool:
        self._told.clear()
        told = list(self._commands)
        self._commands.clear()
        return Quit() not in told

    def _do(self, command: Command) -> None:
        now = self.clock.now()
        match command:
            case Pause():
                self.pace.hold(now, self.next_time)
            case Resume():
                self.pace.go(now)
            case Speed(speed):
                self.pace.change(speed, now, self.next_time)
            case Seek(time, relative):
                target = self.time + time if relative else time
                self.pace.seek(target, now)
                self.position = min(max(self.tape.find(target), self.start), self.stop)
            case Quit():
                self.quitting = True

    def _land(self, played: Played) -> None:
        for liquidation, received_at, _, raw in played.entries:
            parsed = Parsed(FrameKind.LIQUIDATIONS, (Landed(liquidation, raw),))
            self.landing.land(parsed, exchange=played.exchange, received_at=received_at, source=Source.REPLAY)
        if played.rejections:
            parsed = Parsed(FrameKind.INVALID, (), played.rejections)
            self.landing.land(
                parsed, exchange=played.exchange, received_at=played.received_at, source=played.rejected_as
            )
        self.progress.landed += len(played.entries)
        self.progress.rejected += len(played.rejections)

    async def _unless_told(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for something, but not when told something, nor when nothing is written any more."""
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self._told.wait())]
        try:
            await asyncio.wait([*tasks, self.landing.writer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if self.landing.writer.done():
            self.landing.writer.result()
