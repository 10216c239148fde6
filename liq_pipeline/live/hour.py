"""The rolling hour of one view: price levels, minute buckets and totals, each the sum of the events that are in it now.

An event is in the hour while its time is after the watermark less an hour. A level holds its events, sorted, because
each leaves alone; so does the total of an exchange and side. A minute leaves as a whole: it is shown as long as its
newest event is in the hour.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from liq_pipeline.live.decimals import plain

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
_COMPACT: Final = 64
"""A level forgets the room of events that left when they are so many, and half of it."""


class Level:
    """The events of one symbol, price level and side that are in the hour, by time. Values in micro-USD."""

    __slots__ = ("_head", "_places", "_quantities", "_times", "_values", "key", "quantity", "value")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.value = 0
        self.quantity = 0
        self._places = 0
        # Columns of machine integers take an eighth of the memory of objects. What does not fit is rare, and a list.
        self._times = array("q")
        self._values = array("q")
        self._quantities: array[int] | list[int] = array("q")
        self._head = 0

    def __len__(self) -> int:
        return len(self._times) - self._head

    @property
    def first_seen(self) -> int:
        """The time of the oldest event; there must be one."""
        return self._times[self._head]

    @property
    def last_seen(self) -> int:
        """The time of the newest event; there must be one."""
        return self._times[-1]

    def add(self, time: int, value: int, quantity: int, places: int) -> None:
        """Take an event in; ``quantity`` in units of the last of ``places`` decimals."""
        if places != self._places:
            if places > self._places:
                self._refine(places)
            else:
                quantity *= 10 ** (self._places - places)
        times = self._times
        row = len(times)
        if row > self._head and time < times[-1]:
            row = bisect_right(times, time, self._head)
        times.insert(row, time)
        self._values.insert(row, value)
        try:
            self._quantities.insert(row, quantity)
        except OverflowError:
            self._quantities = [*self._quantities]
            self._quantities.insert(row, quantity)
        self.value += value
        self.quantity += quantity

    def drop(self, until: int) -> None:
        """Let events of ``until`` and before go."""
        stop = bisect_right(self._times, until, self._head)
        self.value -= sum(self._values[self._head : stop])
        self.quantity -= sum(self._quantities[self._head : stop])
        self._head = stop
        if stop >= _COMPACT and 2 * stop >= len(self._times):
            del self._times[:stop], self._values[:stop], self._quantities[:stop]
            self._head = 0

    def fields(self) -> tuple[object, ...]:
        """Names and values in turn, as the hash has them; there must be an event."""
        return (
            *("count", len(self), "total_value", plain(self.value, 6)),
            *("total_quantity", plain(self.quantity, self._places)),
            *("first_seen", self.first_seen, "last_seen", self.last_seen),
        )

    def _refine(self, places: int) -> None:
        factor = 10 ** (places - self._places)
        self._places = places
        self.quantity *= factor
        finer = [quantity * factor for quantity in self._quantities]
        try:
            self._quantities = array("q", finer)
        except OverflowError:
            self._quantities = finer


class Total(Level):
    """The events of one exchange and side that are in the hour: quantities of different coins have no sum."""

    __slots__ = ()

    def fields(self) -> tuple[object, ...]:
        return (
            *("count", len(self), "total_value", plain(self.value, 6)),
            *("first_seen", self.first_seen, "last_seen", self.last_seen),
        )


class Minute:
    """The events of one symbol and minute. Values in micro-USD."""

    __slots__ = ("count", "institutional", "key", "last_seen", "longs", "start", "value", "venues")

    def __init__(self, key: bytes, start: int) -> None:
        self.key = key
        self.start = start
        self.count = self.longs = self.institutional = self.value = 0
        self.venues: Counter[str] = Counter()
        self.last_seen = start

    def add(self, time: int, exchange: str, is_long: bool, value: int, is_large: bool) -> None:
        """Take an event in."""
        self.count += 1
        self.value += value
        self.longs += is_long
        self.institutional += is_large
        self.venues[exchange] += 1
        if time > self.last_seen:
            self.last_seen = time

    def fields(self) -> tuple[object, ...]:
        """Names and values in turn, as the hash has them."""
        venues = (item for name, count in self.venues.items() for item in (f"{name}_count", count))
        return (
            *("count", self.count, "total_value", plain(self.value, 6)),
            *("long_count", self.longs, "short_count", self.count - self.longs),
            *("institutional_count", self.institutional, *venues),
        )


class Hour:
    """All levels and minutes. ``changed`` collects keys whose hashes are to be written, or removed, until cleared."""

    def __init__(self) -> None:
        self.start = -(2**62)
        """Events of this time and before have left."""
        self.changed: set[bytes] = set()
        self._levels: dict[bytes, Level] = {}
        self._minutes: dict[bytes, Minute] = {}
        self._leaving: list[tuple[int, int, Level | Minute]] = []
        """A heap: when to look at what next."""
        self._pushed = 0

    def add_to_level(
        self, key: bytes, time: int, value: int, quantity: int, places: int, kind: type[Level] = Level
    ) -> None:
        """Count an event in its level, unless it has left."""
        if time <= self.start:
            return
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = kind(key)
            self._look(time, level)
        elif time < level.first_seen:
            self._look(time, level)
        level.add(time, value, quantity, places)
        self.changed.add(level.key)

    def add_to_minute(
        self, key: bytes, start: int, time: int, exchange: str, is_long: bool, value: int, is_large: bool
    ) -> None:
        """Count an event in its minute, unless that has left."""
        if start + MINUTE_MS - 1 <= self.start:
            return
        minute = self._minutes.get(key)
        if minute is None:
            minute = self._minutes[key] = Minute(key, start)
            self._look(time, minute)
        minute.add(time, exchange, is_long, value, is_large)
        self.changed.add(minute.key)

    def advance(self, start: int) -> None:
        """Let go what is of ``start`` and before; it never moves back."""
        if start <= self.start:
            return
        self.start = start
        leaving = self._leaving
        while leaving and leaving[0][0] <= start:
            one = heappop(leaving)[2]
            if isinstance(one, Level):
                self._drop(one)
            else:
                self._retire(one)

    def get(self, key: bytes) -> Level | Minute | None:
        """What is shown under a key, if anything is."""
        minute = self._minutes.get(key)
        return self._levels.get(key) if minute is None or minute.last_seen <= self.start else minute

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is kept."""
        return not (self._levels or self._minutes or self._leaving)

    def keys(self) -> Iterator[bytes]:
        """The keys under which something is shown."""
        yield from self._levels
        yield from (minute.key for minute in self._minutes.values() if minute.last_seen > self.start)

    def _drop(self, level: Level) -> None:
        if self._levels.get(level.key) is not level:
            return
        if level.first_seen > self.start:
            # There was an older event when this look was asked for, and with it another.
            return
        level.drop(self.start)
        self.changed.add(level.key)
        if len(level):
            self._look(level.first_seen, level)
        else:
            del self._levels[level.key]

    def _retire(self, minute: Minute) -> None:
        # An event of this minute that is still in the hour may come: until none can, the others wait for it unseen.
        if minute.last_seen > self.start:
            self._look(minute.last_seen, minute)
            return
        self.changed.add(minute.key)
        if minute.start + MINUTE_MS - 1 > self.start:
            self._look(minute.start + MINUTE_MS - 1, minute)
        else:
            self._minutes.pop(minute.key, None)

    def _look(self, time: int, one: Level | Minute) -> None:
        self._pushed += 1
        heappush(self._leaving, (time, self._pushed, one))
