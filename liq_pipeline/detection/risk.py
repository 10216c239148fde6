"""The risk score of windows, as the correctly rounded value of its formula.

Scores are computed in doubles, fast. The few that land so near the middle between two millionths that the
doubles' error could decide the rounding are computed again in integers, without any error.
"""

from __future__ import annotations

from math import isqrt
from typing import Final, NamedTuple

import numpy as np

from liq_pipeline.detection.columns import MICRO, Floats, Int64s, Integers
from liq_pipeline.detection.ticks import Spread

INSTITUTIONAL_MICRO: Final = 500_000 * MICRO
_FULL_VALUE: Final = 1_000_000 * MICRO
_BLOCK: Final = 1 << 15
"""Windows scored at a time: the intermediate columns stay in the processor's cache."""


class Windows(NamedTuple):
    """What a score depends on, one row per window: integers only.

    ``events`` events worth ``value`` micro-USD spanning ``span`` ms from first to last, ``lean`` longs minus shorts,
    ``large`` events of at least 500,000 USD, ``several`` 1 where more than one exchange takes part, else 0.
    """

    events: Int64s
    value: Integers
    span: Int64s
    lean: Int64s
    large: Int64s
    several: Int64s
    prices: Spread

    def rows(self, which: slice) -> Windows:
        first, deviation, squares = self.prices
        return Windows(
            self.events[which],
            self.value[which],
            self.span[which],
            self.lean[which],
            self.large[which],
            self.several[which],
            Spread(first[which], deviation[which], squares[which]),
        )


def scores(windows: Windows) -> Int64s:
    """The scores in millionths, rounded half-even; cost per window does not depend on its events."""
    result = np.empty(len(windows.events), dtype=np.int64)
    for start in range(0, len(result), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = windows.rows(block)
        estimate = _estimate(part)
        rounded = np.rint(estimate)
        # The doubles err by less than 1e-9 + 1e-10 * count millionths: the sum of squares around the first price
        # is at most count + 1 times the variance's, which magnifies its rounding by as much.
        doubtful = 0.5 - np.abs(estimate - rounded) < 1e-6 + 1e-9 * part.events
        result[block] = rounded
        for row in (np.flatnonzero(doubtful) + start).tolist():
            result[row] = _exact(windows, row)
    return result


def _estimate(windows: Windows) -> Floats:
    count = windows.events.astype(np.float64)
    first, deviation, squares = (column.astype(np.float64) for column in windows.prices)
    variance = np.maximum(squares - deviation * deviation / count, 0) * count
    volatility = np.sqrt(variance) / (count * first + deviation)
    value = windows.value.astype(np.float64) / _FULL_VALUE
    rate = 6_000 * count / np.maximum(windows.span, 1_000)
    estimate = 250_000 * np.minimum(value, 1)
    estimate += 200_000 * np.minimum(rate, 1)
    estimate += 200_000 * np.maximum(1 - 10 * volatility, 0)
    estimate += 150_000 * (np.abs(windows.lean) + windows.large) / count
    estimate += 50_000 * windows.several
    return np.asarray(estimate)


def _exact(windows: Windows, row: int) -> int:
    count, value, span, lean, large, several = (int(column[row]) for column in windows[:-1])
    first, deviation, squares = (int(column[row]) for column in windows.prices)
    variance = count * squares - deviation * deviation
    return score(count, value, span, lean, large, several, count * first + deviation, variance)


def score(events: int, value: int, span: int, lean: int, large: int, several: int, total: int, variance: int) -> int:
    """The score of one window in millionths, rounded half-even, in integers: without any error, whatever its size.

    The first six as in ``Windows``; ``total`` is the sum of the prices in ticks, ``variance`` the events times the sum
    of the prices' squares, less the square of ``total``.
    """
    seconds = max(span, 1_000)
    # All terms over one divisor; 4,000,000 micro-USD are a millionth of the value's weight.
    divisor = 4_000_000 * seconds * events
    rest = min(value, _FULL_VALUE) * seconds * events
    rest += 200_000 * min(6_000 * events, seconds) * 4_000_000 * events
    rest += 150_000 * (abs(lean) + large) * 4_000_000 * seconds
    rest += 50_000 * several * divisor
    if 100 * variance >= total * total:
        return round_difference(rest, 0, divisor)
    # What is left is (rest + 200,000) minus an irrational root, 2,000,000 * sqrt(variance) / total.
    rest += 200_000 * divisor
    return round_difference(rest * total, (2_000_000 * divisor) ** 2 * variance, divisor * total)


def round_difference(minuend: int, square: int, divisor: int) -> int:
    """(minuend - sqrt(square)) / divisor, rounded half-even, in integers."""
    # Nearest is floor((2 * minuend + divisor - 2 * root) / (2 * divisor)). Where the root is irrational, 2 * root
    # lies between two integers and the floor is that of the upper one; a tie exists only where it is an integer.
    double_root = isqrt(4 * square)
    rational = double_root * double_root == 4 * square
    quotient, remainder = divmod(2 * minuend + divisor - double_root - (not rational), 2 * divisor)
    return quotient - 1 if rational and remainder == 0 and quotient % 2 else quotient
