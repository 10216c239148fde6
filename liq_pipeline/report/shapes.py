"""Shapes of the figures: paths in a plane that is stretched to whatever width a page has.

A path is as many units wide as it has values, and HEIGHT high for the top of its scale. Words are not in it: they are
HTML beside it, and keep their size on a phone and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

HEIGHT: Final = 100.0
_STEPS: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_LEAST: Final = 0.8
"""What there is at all has to be seen."""


def nice(top: float) -> float:
    """The end of a scale: the least round number that reaches ``top``."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top))
    return next(step * power for step in _STEPS if step * power >= top * (1 - 1e-12))


def bars(values: Sequence[float], top: float, *, down: bool = False) -> str:
    """A path of bars that stand on zero, or hang from it."""
    sign = 1 if down else -1
    return "".join(
        f"M{at} 0V{_number(sign * max(_LEAST, HEIGHT * value / top))}h1V0z" for at, value in enumerate(values) if value
    )


def steps(values: Sequence[float], top: float) -> str:
    """A path of a line that holds each value for one unit."""
    return "M0 0" + "".join(f"V{_number(-HEIGHT * value / top)}h1" for value in values)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
