"""What a recorded line holds, and what of it may be played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, NamedTuple

from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.imports.blocks import CUT_BYTES
from liq_pipeline.imports.lines import MAX_LINE
from liq_pipeline.imports.record import Reader, Record
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.liquidation import in_the_future
from liq_pipeline.streams import Entry

_UNMATCHED: Final = (
    "rows that lack a field of a liquidation's identity cannot be told from those of other sources in the streams: "
    "bring them in with `liq import`"
)


class Admission:
    """Which times may be played: those that may be imported, but for days whose events ``gone`` says are gone.

    ``gone`` gives the sentence to refuse a UTC day with, or None; it is asked once a day.
    """

    def __init__(self, window: Window, gone: Callable[[date], str | None] = lambda day: None) -> None:
        self.now = window.now
        self._window = window
        self._gone = gone
        self._days: dict[date, str | None] = {}

    def refusal(self, time: int) -> str | None:
        """Why a time is not played, with the fix."""
        day = day_of(time)
        if day not in self._days:
            self._days[day] = self._window.refusal(time) or self._gone(day)
        return self._days[day]


class Refusal(NamedTuple):
    """A row that is not played: its UTC day, and why, with the fix."""

    day: date
    reason: str


class Contents(NamedTuple):
    """A line's rows, each in its place."""

    entries: Sequence[Entry]
    rejections: Sequence[Rejection]
    refusals: Sequence[Refusal]


def record_of(text: bytes, reader: Reader, *, too_long: bool = False) -> Record:
    """What a line says; of one that is ``too_long`` only the beginning is looked at, and rejected."""
    if too_long:
        reason = f"line longer than {MAX_LINE} bytes; its first {CUT_BYTES} are recorded"
        return Record(rejections=(Rejection(reason, text[:CUT_BYTES]),))
    return reader(text)


def time_of(record: Record) -> int | None:
    """When a line was received (UTC milliseconds), otherwise when the last event in it was; None if it has no time."""
    if record.received_at is not None:
        return record.received_at
    return max((entry.liquidation.time for entry in record.entries), default=None)


def contents_of(record: Record, admission: Admission | None) -> Contents:
    """A line's rows by what becomes of them; without an ``admission`` any time will do."""
    if not record.matched:
        refusals = [Refusal(day_of(entry.liquidation.time), _UNMATCHED) for entry in record.entries]
        return Contents((), record.rejections, refusals)
    if admission is None:
        return Contents(record.entries, record.rejections, ())
    entries, rejections, refusals = [], list(record.rejections), []
    for entry in record.entries:
        time = entry.liquidation.time
        if reason := in_the_future(time, admission.now):
            rejections.append(Rejection(reason, entry.raw))
        elif refusal := admission.refusal(time):
            refusals.append(Refusal(day_of(time), refusal))
        else:
            entries.append(entry)
    return Contents(entries, rejections, refusals)
