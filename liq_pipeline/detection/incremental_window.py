"""What the score of one window depends on, kept as events enter and leave it: constant cost for each, and exact."""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import TypeAlias

from liq_pipeline.detection.incremental_rows import Rows
from liq_pipeline.detection.risk import INSTITUTIONAL_MICRO
from liq_pipeline.detection.ticks import EXACT_TENS, MAX_TICKS

Measures: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""The arguments of ``risk.score``."""


class Window:
    """The sums over rows ``low`` to the last one; prices in ticks of the finest decimal place seen so far."""

    __slots__ = (
        *("_distinct", "_large", "_longs", "_places", "_scale", "_squares", "_total", "_venues"),
        *("events", "low", "value"),
    )

    def __init__(self) -> None:
        self.low = 0
        self.events = 0
        self.value = 0
        self._longs = 0
        self._large = 0
        self._venues: list[int] = []
        self._distinct = 0
        self._total = 0
        self._squares = 0
        self._places = 0
        self._scale = 1.0

    def enter(self, value: int, price: float, trait: int) -> None:
        """Count an event in."""
        ticks = price * self._scale
        # A product that close to a whole number could also be a finer price's: only the way back tells.
        if ticks >= MAX_TICKS or (tick := round(ticks)) / self._scale != price:
            self._refine(price)
            tick = self._tick(price)
        self.events += 1
        self.value += value
        self._total += tick
        self._squares += tick * tick
        if value >= INSTITUTIONAL_MICRO:
            self._large += 1
        if trait & 1:
            self._longs += 1
        code = trait >> 1
        venues = self._venues
        while code >= len(venues):
            venues.append(0)
        if not venues[code]:
            self._distinct += 1
        venues[code] += 1

    def leave_until(self, rows: Rows, time: int) -> None:
        """Count out the events of the window at or before ``time``."""
        low, end, times, venues = self.low, self.low + self.events, rows.time, self._venues
        while low < end and times[low] <= time:
            value, trait, tick = rows.value[low], rows.trait[low], self._tick(rows.price[low])
            self.value -= value
            self._total -= tick
            self._squares -= tick * tick
            if value >= INSTITUTIONAL_MICRO:
                self._large -= 1
            if trait & 1:
                self._longs -= 1
            venues[trait >> 1] -= 1
            if not venues[trait >> 1]:
                self._distinct -= 1
            low += 1
        self.events = end - low
        self.low = low

    def measures(self, span: int) -> Measures:
        """What the window's score depends on; ``span`` is the time from its first to its last event, in ms."""
        events, total = self.events, self._total
        lean, several = 2 * self._longs - events, int(self._distinct > 1)
        return events, self.value, span, lean, self._large, several, total, events * self._squares - total * total

    def _tick(self, price: float) -> int:
        """A price, of no more places than seen so far, in ticks."""
        ticks = price * self._scale
        return round(ticks) if ticks < MAX_TICKS else int(Decimal(repr(price)).scaleb(self._places))

    def _refine(self, price: float) -> None:
        """Make ticks fine enough for ``price``: what was summed up in coarser ones is only multiplied."""
        exponent = Decimal(repr(price)).normalize().as_tuple().exponent
        finer = -int(exponent) - self._places
        if finer > 0:
            self._places += finer
            self._total *= 10**finer
            self._squares *= 100**finer
            # Beyond the powers of ten a double holds, no product is below the limit and all prices go by decimals.
            self._scale = 10.0**self._places if self._places <= EXACT_TENS else inf
