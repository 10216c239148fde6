"""Wall-clock shifts: who collects when, as pure functions of the time. The live view works in the same ones.

Shift n is the n-th span of LIQ_SHIFT_SECONDS since 1970. Its process is asked for one minute early and stays two
seconds longer, so two overlap at each boundary and no state is handed over. Every request has a deterministic key, so
asking again is free. All times and lengths are milliseconds, times UTC.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LEAD_MS: Final = 60_000
OVERLAP_MS: Final = 2_000
RESCUE_SLOT_MS: Final = 15_000
"""A rescue is asked for once in such a slot: long enough for its process to start and take the lease."""


class ShiftRequest(NamedTuple):
    """A process to start: the key that makes the request unique, and when it ends (UTC milliseconds)."""

    run_key: str
    shift: int
    until_ms: int


def shift_at(now_ms: int, shift_ms: int) -> int:
    """The number of the shift at a time, of shifts so long."""
    return now_ms // shift_ms


def boundary(shift: int, shift_ms: int) -> int:
    """When a shift ends and the next begins."""
    return (shift + 1) * shift_ms


def planned(kind: str, shift: int, shift_ms: int) -> ShiftRequest:
    """The request for a whole shift; ``kind`` tells the shifts of different processes apart (``collector``)."""
    return ShiftRequest(f"{_key(kind, shift, shift_ms)}:planned", shift, boundary(shift, shift_ms) + OVERLAP_MS)


def rescue(kind: str, now_ms: int, shift_ms: int) -> ShiftRequest:
    """The request for the rest of the present shift."""
    shift = shift_at(now_ms, shift_ms)
    slot = now_ms % shift_ms // RESCUE_SLOT_MS
    return ShiftRequest(f"{_key(kind, shift, shift_ms)}:rescue-{slot}", shift, boundary(shift, shift_ms) + OVERLAP_MS)


def requests(kind: str, now_ms: int, shift_ms: int, *, lease_held: bool) -> list[ShiftRequest]:
    """What to ask for now: the next shift near the boundary, a rescue while nobody works."""
    shift = shift_at(now_ms, shift_ms)
    due = [] if lease_held else [rescue(kind, now_ms, shift_ms)]
    if boundary(shift, shift_ms) - now_ms <= LEAD_MS:
        due.append(planned(kind, shift + 1, shift_ms))
    return due


def _key(kind: str, shift: int, shift_ms: int) -> str:
    """With the length of the shift: the same number means another time when the setting changes."""
    return f"{kind}:{shift_ms // 1000}:{shift}"
