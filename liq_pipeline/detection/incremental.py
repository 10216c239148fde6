"""Incremental detection: the cascades of one symbol, kept right with every event, in whatever order events come.

The second implementation of section 5 of the contract; a property test holds it to the first, ``cascades.detect``.

An event that is not earlier than all before it costs the same however many are in its window. A late one, at t,
changes the windows of the moments in [t, t + W): those of them that are not hot are looked at, and may become so,
which only ever extends and joins chains, as no event leaves. The risk of those that are hot already is worked out
when somebody asks for it.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import Final

from liq_pipeline.detection.columns import Params
from liq_pipeline.detection.incremental_chain import Chain
from liq_pipeline.detection.incremental_cold import Cold
from liq_pipeline.detection.incremental_rows import Rows
from liq_pipeline.detection.incremental_window import Window

_EVER: Final = -(1 << 62)
_FIRST_HOT: Final = attrgetter("first_hot")
_SUMMED: Final = 256
"""Events summed up at a time, until a window is known to be worth enough."""
_KEPT: Final = 64
"""Removing fewer rows than these, of more that stay, is not worth moving the others."""


class Incremental:
    """The cascades of ``symbol`` among the events added.

    ``touched`` are the chains with a column that changed, ``gone`` those that were merged into another: both since the
    caller last cleared them. Events earlier than ``horizon`` come too late.
    """

    def __init__(self, symbol: str, params: Params) -> None:
        self.touched: set[Chain] = set()
        self.gone: list[Chain] = []
        self.horizon = _EVER
        self._params = params
        self._rows = Rows(symbol)
        self._window = Window()
        self._newest = _EVER
        self._chains: list[Chain] = []
        self._cold = Cold(params)

    def __len__(self) -> int:
        """How many events are in memory."""
        return len(self._rows)

    def chains(self) -> list[Chain]:
        """The chains that can still grow, by time."""
        return list(self._chains)

    def add(self, time_ms: int, event_id: str, exchange: str, is_long: bool, price: str, value_micro: int) -> None:
        """Give an event its place in event time.

        ``price`` is a canonical decimal, ``value_micro`` in micro-USD; no event may be added twice.
        Raises ValueError if it is earlier than ``horizon``.
        """
        if time_ms < self.horizon:
            raise ValueError(f"event {event_id} at {time_ms} is earlier than the horizon {self.horizon}: leave it out")
        rows = self._rows
        trait, number = rows.trait_of(exchange, is_long), float(price)
        if time_ms > self._newest:
            self._advance(time_ms)
            rows.insert(len(rows), time_ms, event_id, value_micro, price, number, trait)
            self._window.enter(value_micro, number, trait)
            self._appraise(len(self._cold.time), time_ms, self._window.events, self._window.value)
            return
        row = rows.after(time_ms)
        known = rows.has_moment(row, time_ms)
        rows.insert(row, time_ms, event_id, value_micro, price, number, trait)
        if time_ms > self._newest - self._params.window_ms:
            self._window.enter(value_micro, number, trait)
        else:
            self._window.low += 1
        self._place(row, time_ms, value_micro, known)

    def forget(self, before_ms: int) -> None:
        """Move the horizon to ``before_ms``, and drop the events that no window of a later event could need.

        A chain that can still grow keeps all its sums. Others are forgotten; those that the caller still holds can
        still be read.
        """
        if before_ms <= self.horizon:
            return
        self.horizon = before_ms
        rows, window_ms = self._rows, self._params.window_ms
        while self._chains and self._chains[0].end <= before_ms - window_ms:
            ended = self._chains.pop(0)
            ended.freeze(rows.after(ended.end))
        # The window of the newest event stays whole, as its sums do, until no later event can be near it.
        over = self._newest <= before_ms - window_ms
        count = len(rows) if over else rows.after(min(before_ms, self._newest) - window_ms)
        if not over and count < max(_KEPT, len(rows) // 4):
            return
        for chain in self._chains:
            chain.freeze(count)
        if over:
            self._window.leave_until(rows, self._newest)
        rows.drop(count)
        self._window.low -= count
        self._cold.drop(before_ms)

    def _advance(self, time: int) -> None:
        """Make ``time``, later than all events, the end of the window that is summed up."""
        if self._chains and self._chains[-1].end == self._newest:
            self._chains[-1].leave(self._window.measures(self._newest - self._rows.time[self._window.low]))
        self._window.leave_until(self._rows, time - self._params.window_ms)
        self._newest = time

    def _place(self, row: int, time: int, value: int, known: bool) -> None:
        """Draw the conclusions from an event at ``row``, not later than all before it; ``known`` if it has company."""
        chain = self._around(time)
        if chain is not None:
            chain.take(row, row + 1)
            chain.begin(time)
            chain.change(time)
            self.touched.add(chain)
        first = self._cold.at(time)
        if not known:
            low, high = self._rows.after(time - self._params.window_ms), row + 1
            if not self._appraise(first, time, high - low, self._worth(low, high)):
                first += 1
        elif chain is not None and not self._cold.has(first, time):
            chain.hot_event_count += 1
        for moment in self._cold.warm(first, time + self._params.window_ms, value):
            self._heat(moment, self._rows.after(moment) - self._rows.at(moment))

    def _appraise(self, index: int, moment: int, events: int, value: int) -> bool:
        """Whether a new moment, the event of which has a window of ``events`` worth ``value``, is hot."""
        if events >= self._params.min_events and value >= self._params.min_usd_micro:
            self._heat(moment, 1)
            return True
        self._cold.insert(index, moment, events, value)
        return False

    def _worth(self, low: int, high: int) -> int:
        """The value of rows ``low`` to ``high``, from the newest on until it is enough for a hot window."""
        values, total = self._rows.value, 0
        while high > low and total < self._params.min_usd_micro:
            begin = max(low, high - _SUMMED)
            total += sum(values[begin:high])
            high = begin
        return total

    def _around(self, time: int) -> Chain | None:
        """The chain that has every event at ``time`` as a member."""
        chains = self._chains
        if not chains or time > chains[-1].end:
            return None
        later = bisect_right(chains, time, key=_FIRST_HOT)
        if later and time <= chains[later - 1].end:
            return chains[later - 1]
        if later < len(chains) and chains[later].first_hot - time < self._params.window_ms:
            return chains[later]
        return None

    def _heat(self, moment: int, events: int) -> None:
        """Let ``moment``, with so many events, be hot from now on."""
        rows, chains, window_ms = self._rows, self._chains, self._params.window_ms
        index = bisect_right(chains, moment, key=_FIRST_HOT)
        left = chains[index - 1] if index and moment - chains[index - 1].end < window_ms else None
        right = chains[index] if index < len(chains) and chains[index].first_hot - moment < window_ms else None
        if left is not None and right is not None:
            left.take(rows.after(left.end), rows.at(right.start))
            left.absorb(right)
            self._chains.remove(right)
            self.touched.discard(right)
            self.gone.append(right)
        elif left is not None:
            if moment > left.end:
                left.take(rows.after(left.end), rows.after(moment))
                left.end = moment
        else:
            low = rows.after(moment - window_ms)
            if right is not None:
                left = right
                left.take(low, rows.at(right.start))
                left.first_hot = moment
            else:
                left = Chain(rows, self._window, self._params, moment, rows.time[low])
                left.take(low, rows.after(moment))
                chains.insert(index, left)
            left.begin(rows.time[low])
        left.hot_event_count += events
        left.change(moment)
        self.touched.add(left)
