"""The largest liquidations of the rolling hour, exactly, without keeping the hour's events.

An event can only ever be among the largest if fewer than so many that leave no earlier are larger: of a million events
that are some two hundred. The others are let go a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappush, heappushpop, nlargest
from typing import Any, Final

import msgspec

from liq_pipeline.live.decimals import plain
from liq_pipeline.live.records import SeedEvent

SHOWN: Final = 20
_BLOCK: Final = 1_000
_encoder = msgspec.json.Encoder()


class Largest:
    """Events of one view by value; of the same value the newer is the larger.

    ``events`` are those shown, the largest first, as of the last ``settle``.
    """

    def __init__(self) -> None:
        self.events: list[SeedEvent] = []
        self._kept: list[SeedEvent] = []
        self._new: list[SeedEvent] = []
        self._least = -1
        """The value an event must reach to be shown."""
        self._is_stale = False

    def add(self, event: SeedEvent) -> None:
        """Take an event in."""
        self._new.append(event)
        if event.value >= self._least:
            self._is_stale = True

    def settle(self, start: int) -> bool:
        """Let events of ``start`` and before go; whether those shown are others than before."""
        if len(self._new) >= _BLOCK:
            self._kept, self._new = _candidates(start, [*self._kept, *self._new]), []
        if not self._is_stale and all(event.time > start for event in self.events):
            return False
        self._is_stale = False
        self._kept = [event for event in self._kept if event.time > start]
        self._new = [event for event in self._new if event.time > start]
        found = nlargest(SHOWN, [*self._kept, *self._new], _rank)
        self._least = found[-1].value if len(found) == SHOWN else -1
        if found == self.events:
            return False
        self.events = found
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is kept."""
        return not (self.events or self._kept or self._new)

    @property
    def last_seen(self) -> int:
        """The time of the newest event shown; there must be one."""
        return max(event.time for event in self.events)

    def fields(self) -> tuple[object, ...]:
        """Name and value of the hash: a JSON array, the largest first."""
        return "events", _encoder.encode([_shown(event) for event in self.events]).decode()


def _rank(event: SeedEvent) -> tuple[int, int, str]:
    return event.value, event.time, event.event_id


def _candidates(start: int, events: Iterable[SeedEvent]) -> list[SeedEvent]:
    """Those that can be among the largest after ``start``, now or when others have left."""
    largest: list[tuple[int, int, str]] = []
    found = []
    # From the newest: each meets all that leave no earlier than it does.
    for event in sorted(events, key=lambda event: (event.time, *_rank(event)), reverse=True):
        if event.time <= start:
            break
        if len(largest) < SHOWN:
            heappush(largest, _rank(event))
        elif _rank(event) > largest[0]:
            heappushpop(largest, _rank(event))
        else:
            continue
        found.append(event)
    return found


def _shown(event: SeedEvent) -> dict[str, Any]:
    return {
        "time": event.time,
        "exchange": event.exchange,
        "symbol": event.symbol,
        "side": "LONG" if event.is_long else "SHORT",
        "price": event.price,
        "quantity": event.quantity,
        "value_usd": plain(event.value, 6),
        "event_id": event.event_id,
    }
