"""How the recording's time follows the clock: at a speed, held by a pause, moved by a seek. No clock in here."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Pace:
    """The recording was at ``time`` (UTC milliseconds) when the clock stood at ``clock`` (seconds).

    ``speed`` is recorded seconds a second; 0 means that nothing waits.
    """

    speed: float
    time: float
    clock: float
    paused: bool = False

    def reached(self, clock: float) -> float:
        """How far the recording has come; infinitely far where nothing waits."""
        if self.paused:
            return self.time
        return self.time + (clock - self.clock) * 1000 * self.speed if self.speed else math.inf

    def wait(self, time: float, clock: float) -> float:
        """Seconds until the recording reaches ``time``; infinitely many while it is paused."""
        if self.paused:
            return math.inf
        return (time - self.reached(clock)) / 1000 / self.speed if self.speed else 0.0

    def hold(self, clock: float, next_time: float) -> None:
        """Let the recording stand; ``next_time``, of what is played next, is where it stands if nothing waited."""
        # A pause between two lines far apart goes on between them.
        self.time = min(self.reached(clock), next_time)
        self.clock = clock
        self.paused = True

    def go(self, clock: float) -> None:
        """Let it move again from where it stands."""
        if self.paused:
            self.clock = clock
            self.paused = False

    def seek(self, time: float, clock: float) -> None:
        """Move it to ``time``; a pause stays one."""
        self.time, self.clock = time, clock

    def change(self, speed: float, clock: float, next_time: float) -> None:
        """Go on at another speed; a pause stays one."""
        paused = self.paused
        self.hold(clock, next_time)
        self.speed, self.paused = speed, paused
