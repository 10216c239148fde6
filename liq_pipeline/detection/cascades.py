"""Batch detection: all cascades of sorted events in one vectorised pass, linear in events.

The definition is section 5 of the contract. Events of one millisecond share a window, so everything is worked
out per moment (a symbol's millisecond) and then spread over its events.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from liq_pipeline.detection.columns import Bools, Cascades, Detection, Events, Int64s, Integers, Params
from liq_pipeline.detection.risk import INSTITUTIONAL_MICRO, Windows, scores
from liq_pipeline.detection.ticks import spreads

NAMESPACE: Final = UUID("6c697100-0000-5000-8000-000000000001")
_INT64_SAFE: Final = 9.0e18

_Scalar = TypeVar("_Scalar", bound=np.generic)


def cascade_id(symbol: str, start_ms: int, params: Params) -> str:
    """The identity of the cascade of ``symbol`` that starts at ``start_ms``: the same in batch, live and backfill."""
    text = f"{symbol}|{start_ms}|{params.window_ms}|{params.min_events}|{params.min_usd}"
    return str(uuid5(NAMESPACE, text))


def detect(events: Events, params: Params) -> Detection:
    """Find every cascade in ``events`` and score every hot event, exactly.

    Hot flags within a window of the earliest time are those of the events given: see ``padding`` for how many
    more a day needs.
    """
    sums = _sums(events)
    moments = _moments(events, sums.segments, params.window_ms)
    value = sums.value[moments.stop] - sums.value[moments.low]
    hot = np.asarray((moments.stop - moments.low >= params.min_events) & (value >= params.min_usd_micro))
    heat = _Moments(*(column[hot] for column in moments))
    opens = np.ones(len(heat.clock), dtype=np.bool_)
    opens[1:] = np.diff(heat.clock) >= params.window_ms
    score = scores(_windows(events, sums, heat))
    cascades = _cascades(events, params, sums, heat, score, np.flatnonzero(opens))

    # The first hot moment at or after each moment; past the last one there is none: a sentinel of no cascade and score.
    upcoming = np.cumsum(hot) - hot
    owner = np.append(np.cumsum(opens) - 1, -1)[upcoming]
    member = moments.begin >= np.append(cascades.first_row, len(events))[owner]
    lasting = moments.stop - moments.begin
    return Detection(
        events=events,
        params=params,
        cascade=np.repeat(np.where(member, owner, -1), lasting),
        risk=np.repeat(np.where(member, np.append(score, -1)[upcoming], -1), lasting),
        hot=np.repeat(hot, lasting),
        cascades=cascades,
    )


class _Sums(NamedTuple):
    """Prefix sums over all events, so that any window's sum is one difference; ``segments`` where symbols begin."""

    segments: Int64s
    value: Integers
    longs: Int64s
    large: Int64s
    venue_changes: Int64s


class _Moments(NamedTuple):
    """Rows per moment: ``begin`` to ``stop`` are its own, ``low`` to ``stop`` its window's, ends exclusive.

    ``clock`` is its time on an axis that all symbols share.
    """

    begin: Int64s
    stop: Int64s
    low: Int64s
    clock: Int64s


def _sums(events: Events) -> _Sums:
    total = events.value.sum(dtype=np.float64)
    return _Sums(
        segments=np.flatnonzero(_changes(events.symbol, first=True)),
        value=_prefix(events.value if total < _INT64_SAFE else events.value.astype(np.object_)),
        longs=_tally(events.is_long),
        large=_tally(events.value >= INSTITUTIONAL_MICRO),
        venue_changes=_tally(_changes(events.exchange, first=False)),
    )


def _moments(events: Events, segments: Int64s, window_ms: int) -> _Moments:
    # Gaps of a window or more, and changes of symbol, count as one window: whether two events of a symbol are less
    # than a window apart, and by how much, is kept; no window reaches into another symbol and nothing can overflow.
    gaps = np.empty_like(events.time)
    gaps[1:] = np.minimum(np.diff(events.time), window_ms)
    gaps[segments] = window_ms
    begin = np.flatnonzero(gaps)
    stop = np.append(begin, len(gaps))[1:]
    clock = np.cumsum(gaps[begin])
    low = begin[np.searchsorted(clock, clock - window_ms, side="right")]
    return _Moments(begin, stop, low, clock)


def _windows(events: Events, sums: _Sums, hot: _Moments) -> Windows:
    low, high = hot.low, hot.stop
    count = high - low
    return Windows(
        events=count,
        value=sums.value[high] - sums.value[low],
        span=events.time[high - 1] - events.time[low],
        lean=2 * (sums.longs[high] - sums.longs[low]) - count,
        large=sums.large[high] - sums.large[low],
        # Several exchanges take part exactly if an event after the first differs from the one before it.
        several=(sums.venue_changes[high] > sums.venue_changes[low + 1]).astype(np.int64),
        prices=spreads(events.price, sums.segments, low, high),
    )


def _cascades(events: Events, params: Params, sums: _Sums, hot: _Moments, score: Int64s, first: Int64s) -> Cascades:
    """The columns of the cascades whose first hot moments are ``first``; ``score`` is of the hot moments."""
    from_row, to_row = hot.low[first], hot.stop[np.append(first, len(score))[1:] - 1]
    symbol, start = events.symbol[from_row], events.time[from_row]
    hot_events = hot.stop - hot.begin
    hot_event_count = np.add.reduceat(hot_events, first)
    event_count, long_count = to_row - from_row, sums.longs[to_row] - sums.longs[from_row]
    bit = np.uint64(1) << np.arange(len(events.exchanges), dtype=np.uint64)
    names = zip(symbol.tolist(), start.tolist(), strict=True)
    return Cascades(
        id=[cascade_id(events.symbols[code], start_ms, params) for code, start_ms in names],
        symbol=symbol,
        start=start,
        end=events.time[to_row - 1],
        first_hot=events.time[hot.begin[first]],
        event_count=event_count,
        hot_event_count=hot_event_count,
        total_value=sums.value[to_row] - sums.value[from_row],
        max_event=_reduce(np.maximum, events.value, from_row, to_row),
        avg_risk=_half_even(np.add.reduceat(score * hot_events, first), hot_event_count),
        max_risk=np.maximum.reduceat(score, first),
        exchange_mask=_reduce(np.bitwise_or, bit[events.exchange], from_row, to_row),
        long_count=long_count,
        short_count=event_count - long_count,
        first_row=from_row,
        last_row=to_row - 1,
    )


def _changes(codes: NDArray[np.generic], *, first: bool) -> Bools:
    """Where a code differs from the one before it; ``first`` for the first code."""
    changed = np.full(len(codes), first)
    changed[1:] = codes[1:] != codes[:-1]
    return changed


def _prefix(values: Integers) -> Integers:
    sums: Integers = np.concatenate((np.zeros(1, dtype=values.dtype), values))
    np.cumsum(sums, out=sums)
    return sums


def _tally(flags: Bools) -> Int64s:
    """How many of the first k flags are set, for k from 0."""
    counts = np.zeros(len(flags) + 1, dtype=np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts


def _reduce(function: np.ufunc, values: NDArray[_Scalar], from_row: Int64s, to_row: Int64s) -> NDArray[_Scalar]:
    """``function`` over ``values[from_row:to_row]`` of each cascade; the ranges are ordered and disjoint."""
    bounds = np.column_stack((from_row, to_row)).ravel()
    # reduceat takes the end of the values as the end of its last range, and refuses it as a start.
    if len(bounds) and bounds[-1] == len(values):
        bounds = bounds[:-1]
    return np.asarray(function.reduceat(values, bounds)[::2])


def _half_even(total: Int64s, count: Int64s) -> Int64s:
    """total / count, rounded half-even."""
    quotient, twice = total // count, 2 * (total % count)
    up: Bools = (twice > count) | ((twice == count) & (quotient % 2 == 1))
    return quotient + up
