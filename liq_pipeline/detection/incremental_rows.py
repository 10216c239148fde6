"""One symbol's events in memory: columns in time order that grow anywhere and cost 37 bytes an event.

Beside them an event costs a reference to its id, which callers that tell repeated events apart hold anyway.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from decimal import Decimal
from typing import Final

import numpy as np

from liq_pipeline.detection.columns import Bools, Events, Int64s
from liq_pipeline.liquidation import canonical

_SURE_TEXT: Final = 15
"""A decimal of that many characters has at most 15 digits: its double tells it again, digit by digit."""

COLD: Final = -1
"""Stands in ``score`` where an event is not hot, or not scored yet."""


class Rows:
    """Parallel columns sorted by time, ties as they came; a row is an index into all of them.

    ``time`` UTC ms, ``value`` micro-USD, ``price`` the double nearest to the venue's decimal, ``trait`` twice the code
    of the exchange, plus one for a long position, ``score`` millionths or COLD.
    """

    __slots__ = ("_codes", "_texts", "event_id", "exchanges", "price", "score", "symbol", "time", "trait", "value")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.time = array("q")
        self.value = array("q")
        self.price = array("d")
        self.trait = array("B")
        self.score = array("i")
        self.event_id: list[str] = []
        self.exchanges: list[str] = []
        self._codes: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.time)

    def trait_of(self, exchange: str, is_long: bool) -> int:
        """The trait of such an event; an exchange never seen before gets the next code."""
        code = self._codes.get(exchange)
        if code is None:
            code = self._codes[exchange] = len(self.exchanges)
            self.exchanges.append(exchange)
        return 2 * code + is_long

    def has_moment(self, row: int, time: int) -> bool:
        """Whether the row before ``row`` is at ``time``."""
        return row > 0 and self.time[row - 1] == time

    def insert(self, row: int, time: int, event_id: str, value: int, text: str, price: float, trait: int) -> None:
        """Put an event at ``row``; ``text`` is its price as it is to be shown."""
        self.time.insert(row, time)
        self.value.insert(row, value)
        self.price.insert(row, price)
        self.trait.insert(row, trait)
        self.score.insert(row, COLD)
        self.event_id.insert(row, event_id)
        if len(text) > _SURE_TEXT:
            self._texts[event_id] = text

    def first_price(self, time: int) -> str:
        """The canonical decimal of the price of the first event at ``time``, by event_id."""
        return self._price(min(range(self.at(time), self.after(time)), key=self.event_id.__getitem__))

    def last_price(self, time: int) -> str:
        """The canonical decimal of the price of the last event at ``time``, by event_id."""
        return self._price(max(range(self.at(time), self.after(time)), key=self.event_id.__getitem__))

    def after(self, time: int) -> int:
        """The first row later than ``time``."""
        return bisect_right(self.time, time)

    def at(self, time: int) -> int:
        """The first row not before ``time``."""
        return bisect_left(self.time, time)

    def drop(self, count: int) -> None:
        """Remove the first ``count`` rows."""
        if self._texts:
            for event_id in self.event_id[:count]:
                self._texts.pop(event_id, None)
        for column in (self.time, self.value, self.price, self.trait, self.score, self.event_id):
            del column[:count]

    def events(self, low: int, high: int) -> Events:
        """Rows ``low`` to ``high`` as batch detection wants them: copies, as a column that is lent cannot grow."""
        trait = np.frombuffer(self.trait, np.uint8)[low:high]
        return Events(
            time=np.frombuffer(self.time, np.int64)[low:high].copy(),
            symbol=np.zeros(high - low, dtype=np.int32),
            value=np.frombuffer(self.value, np.int64)[low:high].copy(),
            price=np.frombuffer(self.price, np.float64)[low:high].copy(),
            is_long=(trait & 1).astype(np.bool_),
            exchange=(trait >> 1).astype(np.uint8),
            symbols=[self.symbol],
            exchanges=self.exchanges,
        )

    def scores(self, low: int, high: int) -> Int64s:
        """The scores of the hot rows among ``low`` to ``high``."""
        scores = np.frombuffer(self.score, np.intc)[low:high].astype(np.int64)
        return np.asarray(scores[scores != COLD])

    def set_scores(self, low: int, high: int, hot: Bools, scores: Int64s) -> None:
        """Note the scores of rows ``low`` to ``high``, COLD where they are not hot."""
        np.frombuffer(self.score, np.intc)[low:high] = np.where(hot, scores, COLD)

    def _price(self, row: int) -> str:
        text = self._texts.get(self.event_id[row])
        return canonical(Decimal(repr(self.price[row])).normalize()) if text is None else text
