"""How far event time has come: max(newest event, now - 10 s), and by event time alone while only the past is replayed.

Two rules keep it a function of what is in the streams, so that a view which was started again finds the same:

- The clock counts as long as an event of the present landed within the time the streams hold. An event is of the past
  if it is a replay's and was received, by the recording, more than a minute before it landed. When the last event of
  the present is older than that, ``expired`` says so, and the view begins again from the streams: whatever it showed
  is past by then, and a replay of last year must not wait behind today.
- "Now" is the time at which what was read last had landed, as long as there is more to read.

Venues' clocks err, and adapters let events of up to a day ahead pass. An event counts as at most a minute newer than
its arrival, so that one wrong stamp cannot end the hour and all cascades at once; it is in the levels all the same.
"""

from __future__ import annotations

from typing import Final

from liq_pipeline.liquidation import Source

CLOCK_DELAY_MS: Final = 10_000
"""So late an event of the present may be without being later than the watermark."""
AHEAD_MS: Final = 60_000
PAST_MS: Final = 60_000
_NEVER: Final = -(2**62)


class Watermark:
    """Follows the events of one view; times in UTC ms. ``held_ms`` is how long the streams hold what landed."""

    def __init__(self, held_ms: int) -> None:
        self._held_ms = held_ms
        self.newest = _NEVER
        self.present = _NEVER
        """When the last event of the present landed."""
        self._reached = _NEVER

    def see(self, time: int, received_at: int, landed: int, source: str) -> None:
        """An event was read that landed at ``landed``."""
        latest = (landed if landed > received_at else received_at) + AHEAD_MS
        counted = time if time < latest else latest
        if counted > self.newest:
            self.newest = counted
        if landed > self.present and (source != Source.REPLAY or landed - received_at <= PAST_MS):
            self.present = landed

    def at(self, now: int) -> int | None:
        """The watermark, which never moves back; None before the first event."""
        reached = self.newest
        if now - self.present <= self._held_ms:
            reached = max(reached, now - CLOCK_DELAY_MS)
        self._reached = max(self._reached, reached)
        return None if self._reached == _NEVER else self._reached

    def expired(self, now: int) -> bool:
        """Whether the last event of the present is one that the streams do not hold any more."""
        return self.present != _NEVER and now - self.present > self._held_ms
