"""What detection reads and writes: its parameters, the columns of events, the columns of cascades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int64s: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64] | NDArray[np.object_]
"""int64, or exact Python integers where a sum could leave int64."""

MICRO: Final = 1_000_000
MAX_EXCHANGES: Final = 64
"""A set of exchanges is one uint64 bit mask."""


@dataclass(frozen=True)
class Params:
    """A cascade's definition: window in ms, least events, least value in micro-USD of a hot event's window."""

    window_ms: int
    min_events: int
    min_usd_micro: int

    def __post_init__(self) -> None:
        if self.window_ms < 1 or self.min_events < 1 or self.min_usd_micro < 0:
            raise ValueError(f"{self}: the window and the events must be at least 1, the value at least 0")

    @property
    def min_usd(self) -> str:
        """The least value in USD as a canonical decimal: ``100000``, ``0.5``."""
        whole, micro = divmod(self.min_usd_micro, MICRO)
        return f"{whole}.{micro:06d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, eq=False)
class Events:
    """Liquidations as columns of one length, sorted by (symbol, time, event_id).

    ``time`` UTC ms; ``symbol`` codes into ``symbols``; ``value`` micro-USD, not negative; ``price`` the double
    nearest to the venue's decimal, positive; ``is_long`` whether a long position was liquidated;
    ``exchange`` codes into ``exchanges``, at most 64.

    Raises ValueError naming the first row that is out of order or out of range.
    """

    time: Int64s
    symbol: NDArray[np.int32]
    value: Int64s
    price: Floats
    is_long: Bools
    exchange: NDArray[np.uint8]
    symbols: Sequence[str]
    exchanges: Sequence[str]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items() if isinstance(column, np.ndarray)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns differ in length: {lengths}")
        if len(self.exchanges) > MAX_EXCHANGES:
            raise ValueError(f"{len(self.exchanges)} exchanges; at most {MAX_EXCHANGES} fit one detection")
        for name, names in (("symbols", self.symbols), ("exchanges", self.exchanges)):
            if len(set(names)) != len(names):
                raise ValueError(f"{name} repeats a name, so that its codes are ambiguous")
        _refuse_first((self.symbol < 0) | (self.symbol >= len(self.symbols)), "has no such symbol", self.symbol)
        _refuse_first(self.exchange >= len(self.exchanges), "has no such exchange", self.exchange)
        _refuse_first(self.value < 0, "has a negative value", self.value)
        _refuse_first(~((self.price > 0) & (self.price < np.inf)), "has no positive, finite price", self.price)
        same, later = self.symbol[1:] == self.symbol[:-1], self.time[1:] >= self.time[:-1]
        in_order = np.ones(len(self), dtype=np.bool_)
        in_order[1:] = (self.symbol[1:] > self.symbol[:-1]) | (same & later)
        _refuse_first(~in_order, "is not sorted by (symbol, time)", self.time)

    def __len__(self) -> int:
        return len(self.time)


def _refuse_first(wrong: Bools, what: str, column: NDArray[np.generic]) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"event {row} of {len(wrong)} {what}: {column[row]}")


@dataclass(frozen=True, eq=False)
class Cascades:
    """One row per cascade, ordered by (symbol, start); rows of events are ``first_row`` to ``last_row``, inclusive.

    Times in UTC ms, values in micro-USD, risks in millionths. ``end`` is the time of the last hot event.
    ``total_value`` holds Python integers where the events' total leaves int64.
    ``avg_risk`` is the mean of the hot events' rounded scores, rounded half-even.
    ``exchange_mask`` has bit k set where exchange code k takes part.
    """

    id: list[str]
    symbol: NDArray[np.int32]
    start: Int64s
    end: Int64s
    first_hot: Int64s
    event_count: Int64s
    hot_event_count: Int64s
    total_value: Integers
    max_event: Int64s
    avg_risk: Int64s
    max_risk: Int64s
    exchange_mask: NDArray[np.uint64]
    long_count: Int64s
    short_count: Int64s
    first_row: Int64s
    last_row: Int64s

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, eq=False)
class Detection:
    """What was found in ``events``.

    Per event: ``cascade`` is an index into ``cascades`` or -1, ``risk`` the score in millionths of the first hot
    event at or after a cascade's member or -1, ``hot`` whether its own window reaches both thresholds.
    """

    events: Events
    params: Params
    cascade: Int64s
    risk: Int64s
    hot: Bools
    cascades: Cascades

    @cached_property
    def exchange_names(self) -> list[list[str]]:
        """For each cascade the names of its exchanges, sorted."""
        by_mask = {
            mask: sorted(name for code, name in enumerate(self.events.exchanges) if mask >> code & 1)
            for mask in set(self.cascades.exchange_mask.tolist())
        }
        return [by_mask[mask] for mask in self.cascades.exchange_mask.tolist()]
