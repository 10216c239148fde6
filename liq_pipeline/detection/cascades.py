"""Batch detection: all cascades of sorted events in one vectorised pass, linear in events.

The definition is section 5 of the contract. Events of one millisecond share a window, so everything is worked
out per moment (a symbol's millisecond) and then spread over its events.
"""

from __future__ import annotations

from typing import Final, TypeVar
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
    fresh = np.ones(len(events), dtype=np.bool_)
    fresh[1:] = events.symbol[1:] != events.symbol[:-1]
    segments = np.flatnonzero(fresh)
    clock = _clock(events.time, segments, params.window_ms)
    fresh[1:] |= clock[1:] != clock[:-1]
    begin = np.flatnonzero(fresh)
    stop = np.append(begin[1:], len(events))
    now = clock[begin]
    low = np.append(begin, len(events))[np.searchsorted(now, now - params.window_ms, side="right")]
    value = _prefix(_summable(events.value))
    hot = np.asarray((stop - low >= params.min_events) & (value[stop] - value[low] >= params.min_usd_micro))

    hot_at = np.flatnonzero(hot)
    opens = np.ones(len(hot_at), dtype=np.bool_)
    opens[1:] = np.diff(now[hot_at]) >= params.window_ms
    first = np.flatnonzero(opens)
    low, high = low[hot_at], stop[hot_at]
    longs, large = _tally(events.is_long), _tally(events.value >= INSTITUTIONAL_MICRO)
    # A window has several exchanges exactly if one of its events differs from the event before it, the first aside.
    changes = _tally(np.append(False, events.exchange[1:] != events.exchange[:-1]))
    windows = Windows(
        events=high - low,
        value=value[high] - value[low],
        span=clock[high - 1] - clock[low],
        lean=2 * (longs[high] - longs[low]) - (high - low),
        large=large[high] - large[low],
        several=(changes[high] > changes[low + 1]).astype(np.int64),
        prices=spreads(events.price, segments, low, high),
    )
    score = scores(windows)

    from_row, to_row = low[first], high[np.append(first, len(hot_at))[1:] - 1]
    # The first hot moment at or after each moment; past the last one there is none, and the sentinel's start is no row.
    upcoming = np.cumsum(hot) - hot
    owner = np.append(np.cumsum(opens) - 1, -1)[upcoming]
    member = begin >= np.append(from_row, len(events))[owner]
    lasting = stop - begin
    return Detection(
        events=events,
        params=params,
        cascade=np.repeat(np.where(member, owner, -1), lasting),
        risk=np.repeat(np.where(member, np.append(score, -1)[upcoming], -1), lasting),
        hot=np.repeat(hot, lasting),
        cascades=_cascades(
            events, params, from_row, to_row, first, begin[hot_at], lasting[hot_at], score, value, longs
        ),
    )


def _clock(time: Int64s, segments: Int64s, window_ms: int) -> Int64s:
    """Times on one axis for all symbols: gaps of a window or more, and changes of symbol, count as one window.

    Whether two events of a symbol are less than a window apart, and how far then, is kept; nothing can overflow.
    """
    gaps = np.empty_like(time)
    gaps[1:] = np.minimum(np.diff(time), window_ms)
    gaps[segments] = window_ms
    return np.cumsum(gaps)


def _cascades(
    events: Events,
    params: Params,
    from_row: Int64s,
    to_row: Int64s,
    first: Int64s,
    hot_row: Int64s,
    hot_events: Int64s,
    score: Int64s,
    value: Integers,
    longs: Int64s,
) -> Cascades:
    """The columns of cascades with events ``from_row`` to ``to_row`` (exclusive), whose hot moments begin at ``first``.

    ``hot_row``, ``hot_events`` and ``score`` are of the hot moments: first row, number of events, risk.
    """
    symbol, start = events.symbol[from_row], events.time[from_row]
    hot_count = np.add.reduceat(hot_events, first)
    count, long_count = to_row - from_row, longs[to_row] - longs[from_row]
    bit = np.uint64(1) << np.arange(len(events.exchanges), dtype=np.uint64)
    names = zip(symbol.tolist(), start.tolist(), strict=True)
    return Cascades(
        id=[cascade_id(events.symbols[code], start_ms, params) for code, start_ms in names],
        symbol=symbol,
        start=start,
        end=events.time[to_row - 1],
        first_hot=events.time[hot_row[first]],
        event_count=count,
        hot_event_count=hot_count,
        total_value=value[to_row] - value[from_row],
        max_event=_reduce(np.maximum, events.value, from_row, to_row),
        avg_risk=_half_even(np.add.reduceat(score * hot_events, first), hot_count),
        max_risk=np.maximum.reduceat(score, first),
        exchange_mask=_reduce(np.bitwise_or, bit[events.exchange], from_row, to_row),
        long_count=long_count,
        short_count=count - long_count,
        first_row=from_row,
        last_row=to_row - 1,
    )


def _summable(values: Int64s) -> Integers:
    return values if values.sum(dtype=np.float64) < _INT64_SAFE else values.astype(np.object_)


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
