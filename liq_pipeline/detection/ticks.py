"""Sums of squared price deviations over windows, exact, whatever lies outside the window.

Prefix sums of doubles carry the rounding of every earlier price into each window. Here prices are integers
(the decimal a venue sent, scaled), so that differences of prefix sums are exact: modulo 2^64 where a window's
sum fits int64, and in Python integers where it may not.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from liq_pipeline.detection.columns import Bools, Floats, Int64s, Integers

EXACT_TENS: Final = 22
"""10^22 is the largest power of ten that a double holds exactly."""
MAX_TICKS: Final = 1e15
"""Decimals of up to 15 digits and their nearest doubles correspond one to one."""
_MAX_SQUARES: Final = 9.0e18
"""Below 2^63 with room for the rounding of the estimate that is compared with it."""

_TOO_MANY: Final = 99
_TENS: Final = np.array([10.0**exponent for exponent in range(EXACT_TENS + 1)])

_Ticks = TypeVar("_Ticks", NDArray[np.uint64], NDArray[np.object_])


class Spread(NamedTuple):
    """Prices of each window in ticks: the first, and the sums of deviations from it and of their squares."""

    first: Integers
    deviation: Integers
    squares: Integers


def spreads(price: Floats, segments: Int64s, low: Int64s, high: Int64s) -> Spread:
    """The spread of ``price[low:high]`` for each window; none reaches over a segment's (a symbol's) start.

    ``segments`` are the first rows of each symbol; ``low`` and ``high`` (exclusive) the windows' rows, ascending.
    A tick is a power of ten, its own per segment. The columns are int64, or Python integers if a segment needs them.
    """
    length = np.diff(segments, append=len(price))
    of_row = np.repeat(np.arange(len(segments)), length)
    places = _places(price, segments, of_row)
    ticks = np.rint(price * _TENS[np.minimum(places, EXACT_TENS)][of_row])
    span = np.maximum.reduceat(ticks, segments) - np.minimum.reduceat(ticks, segments)
    crowd = np.minimum(length, (high - low).max(initial=1))
    # Ticks too large for a double's integers need no look of their own: beside a price of as many places and at most
    # 15 digits their span is as large.
    wide = (places > EXACT_TENS) | (crowd * span * span >= _MAX_SQUARES)
    if not wide.any():
        return _machine_windows(ticks, low, high)
    ticks[wide[of_row]] = 0
    spread = Spread(*(column.astype(np.object_) for column in _machine_windows(ticks, low, high)))
    of_window = of_row[low]
    for segment in np.unique(of_window[wide[of_window]]).tolist():
        begin = int(segments[segment])
        exact = _exact_ticks(price[begin : begin + int(length[segment])])
        windows = slice(*np.searchsorted(of_window, (segment, segment + 1)))
        for column, values in zip(spread, _windows(exact, low[windows] - begin, high[windows] - begin), strict=True):
            column[windows] = values
    return spread


def _places(price: Floats, segments: Int64s, of_row: Int64s) -> Int64s:
    """Decimal places that make all prices of each segment integers, or _TOO_MANY where one has too many digits."""
    places = _row_places(price[segments])
    # The first price's places do for most rows of its segment; only those they do not do for are searched.
    behind = np.flatnonzero(~_integral(price, _TENS[np.minimum(places, EXACT_TENS)][of_row]))
    np.maximum.at(places, of_row[behind], _row_places(price[behind]))
    return places


def _row_places(price: Floats) -> Int64s:
    places = np.full(len(price), _TOO_MANY, dtype=np.int64)
    left = np.arange(len(price))
    for exponent in range(EXACT_TENS + 1):
        found = _integral(price[left], _TENS[exponent : exponent + 1])
        places[left[found]] = exponent
        left = left[~found]
        if not len(left):
            break
    return places


def _integral(price: Floats, scale: Floats) -> Bools:
    ticks = np.rint(price * scale)
    return np.asarray((ticks < MAX_TICKS) & (ticks / scale == price))


def _exact_ticks(price: Floats) -> NDArray[np.object_]:
    """The shortest decimals of the doubles, as Python integers of a common power of ten."""
    decimals = [Decimal(repr(value)) for value in price.tolist()]
    exponent = min(int(value.as_tuple().exponent) for value in decimals)
    with localcontext() as context:
        context.prec = 1000
        return np.array([int(value.scaleb(-exponent)) for value in decimals], dtype=np.object_)


def _machine_windows(ticks: Floats, low: Int64s, high: Int64s) -> Spread:
    return Spread(*(column.view(np.int64) for column in _windows(ticks.astype(np.uint64), low, high)))


def _windows(ticks: _Ticks, low: Int64s, high: Int64s) -> tuple[_Ticks, _Ticks, _Ticks]:
    """First tick, sum of deviations from it, sum of their squares; modulo 2^64 for uint64 ticks."""
    sums, squares = _prefix(ticks), _prefix(ticks * ticks)
    first = ticks[low]
    total = sums[high] - sums[low]
    deviation = total - (high - low).astype(ticks.dtype) * first
    return first, deviation, squares[high] - squares[low] - first * (total + deviation)


def _prefix(values: _Ticks) -> _Ticks:
    sums = np.zeros(len(values) + 1, dtype=values.dtype)
    np.cumsum(values, out=sums[1:])
    return sums
