"""What breaks when, drawn from a seed: the same seed gives the same market and the same faults, always.

Faults are due at frames of the market and not at times, so that a slow machine meets them at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

_FIRST: Final = (20, 50)
_BETWEEN: Final = (15, 60)
_TOGETHER: Final = 0.25
"""How often two faults come at once."""


@dataclass(frozen=True)
class Step:
    """The faults ``kinds`` begin at once when so many frames were due; each draws what it needs from ``draw``."""

    frame: int
    kinds: tuple[str, ...]
    draw: int

    def __str__(self) -> str:
        return f"frame {self.frame}: {' with '.join(self.kinds)}"


@dataclass(frozen=True)
class Schedule:
    """``throttle`` says how Binance and OKX publish, ``timescaledb`` what the tables are where there is a choice,
    ``dagster`` whether `liq up` runs the line."""

    seed: int
    throttle: bool
    timescaledb: bool
    dagster: bool
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, seed: int, kinds: Sequence[str], steps: int | None = None, *, dagster: bool = False) -> Schedule:
        """The schedule of a seed, with faults of these kinds; ``steps`` are two to four where it is not given."""
        random = Random(f"faults {seed}")
        throttle, timescaledb = random.random() < 0.3, random.random() < 0.5
        number = random.randint(2, 4) if steps is None else steps
        if not kinds:
            raise ValueError(f"seed {seed} has no kind of fault to draw from")
        frame, made = 0, []
        for step in range(number):
            frame += random.randint(*(_BETWEEN if step else _FIRST))
            together = 2 if random.random() < _TOGETHER else 1
            chosen = random.sample(sorted(kinds), min(together, len(kinds)))
            made.append(Step(frame, tuple(chosen), random.randrange(2**32)))
        return cls(seed, throttle, timescaledb, dagster, tuple(made))

    def __str__(self) -> str:
        how = [
            "throttled" if self.throttle else "complete",
            "timescaledb" if self.timescaledb else "plain",
            *(["under Dagster"] if self.dagster else []),
        ]
        return f"seed {self.seed} ({', '.join(how)}): {'; '.join(map(str, self.steps))}"
