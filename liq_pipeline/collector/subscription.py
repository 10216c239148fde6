"""Subscribing one request after the other, so that a refusal is known to belong to its request."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from liq_pipeline.exchanges.base import Adapter

_SYMBOLS_PER_REQUEST: Final = 100


class Subscription:
    """The conversation of one connection: what to send next, given the replies so far.

    Venues refuse a whole request for one bad symbol, so a refused request is asked again in halves until the bad
    symbols stand alone.
    """

    def __init__(self, adapter: Adapter, symbols: Sequence[str]) -> None:
        self._adapter = adapter
        step = _SYMBOLS_PER_REQUEST if adapter.needs_symbols else len(symbols)
        self._waiting: deque[tuple[str, ...]] = (
            deque(tuple(symbols[i : i + step]) for i in range(0, len(symbols), step)) if symbols else deque([()])
        )
        self._asked: tuple[str, ...] | None = None
        self._replies_due = 0
        self._any_refused = False
        self.accepted = 0
        """Acknowledged requests."""
        self.refused: list[str] = []
        """Symbols the venue does not want; retried by the next connection."""

    @property
    def done(self) -> bool:
        return self._asked is None and not self._waiting

    def next_messages(self) -> list[str]:
        """What to send now; empty while replies are due, and when done."""
        while self._asked is None and self._waiting:
            symbols = self._waiting.popleft()
            messages = self._adapter.subscribe(symbols)
            self._replies_due = self._adapter.expected_acks(symbols)
            self._any_refused = False
            if self._replies_due:
                self._asked = symbols
                return messages
            self.accepted += 1
            if messages:
                return messages
        return []

    def replied(self, *, refused: bool) -> None:
        """Count one acknowledgement or refusal."""
        if self._asked is None:
            return
        self._replies_due -= 1
        self._any_refused |= refused
        self.accepted += not refused
        if self._replies_due > 0:
            return
        symbols, self._asked = self._asked, None
        if self._any_refused and len(symbols) > 1 and self._adapter.needs_symbols:
            middle = len(symbols) // 2
            self._waiting.extendleft((symbols[middle:], symbols[:middle]))
        elif self._any_refused:
            self.refused.extend(symbols)
