"""The moments that are not hot: only they need another look when an event comes late."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from liq_pipeline.detection.columns import Params


class Cold:
    """Parallel columns by ``time``: how many ``events`` the window of the moment holds, and their ``value``.

    A value is counted up to the least one of a hot window: that it is reached is all that matters.
    """

    __slots__ = ("_enough", "_least", "events", "time", "value")

    def __init__(self, params: Params) -> None:
        self._least = params.min_events
        self._enough = params.min_usd_micro
        self.time = array("q")
        self.events = array("q")
        self.value = array("q")

    def at(self, time: int) -> int:
        """The first moment not before ``time``."""
        return bisect_left(self.time, time)

    def has(self, index: int, time: int) -> bool:
        """Whether the moment at ``index`` is ``time``."""
        return index < len(self.time) and self.time[index] == time

    def insert(self, index: int, time: int, events: int, value: int) -> None:
        """Put a moment at ``index``."""
        self.time.insert(index, time)
        self.events.insert(index, events)
        self.value.insert(index, min(value, self._enough))

    def warm(self, index: int, before: int, value: int) -> list[int]:
        """Count an event into the windows of the moments from ``index`` on that are earlier than ``before``.

        Those that are hot now are removed and returned.
        """
        hot = []
        while index < len(self.time) and self.time[index] < before:
            self.events[index] += 1
            self.value[index] = min(self.value[index] + value, self._enough)
            if self.events[index] >= self._least and self.value[index] >= self._enough:
                hot.append(self.time[index])
                del self.time[index], self.events[index], self.value[index]
            else:
                index += 1
        return hot

    def drop(self, before: int) -> None:
        """Remove the moments earlier than ``before``."""
        count = self.at(before)
        del self.time[:count], self.events[:count], self.value[:count]
