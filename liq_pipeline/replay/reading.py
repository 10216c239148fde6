"""What a recorded line holds, and what of it may be played."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.imports.lines import MAX_LINE
from liq_pipeline.imports.record import Reader, Record
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.liquidation import in_the_future
from liq_pipeline.replay.texts import RECORDED
from liq_pipeline.streams import Entry

_UNMATCHED: Final = (
    "rows that lack a field of a liquidation's identity cannot be told from those of other sources in the streams: "
    "bring them in with `liq import`"
)


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
        reason = f"line longer than {MAX_LINE} bytes; its first {RECORDED} are recorded"
        return Record(rejections=(Rejection(reason, text[:RECORDED]),))
    return reader(text)


def time_of(record: Record) -> int | None:
    """When a line was received (UTC milliseconds), otherwise when the last event in it was; None if it has no time."""
    if record.received_at is not None:
        return record.received_at
    return max((entry.liquidation.time for entry in record.entries), default=None)


def contents_of(record: Record, window: Window | None) -> Contents:
    """A line's rows by what becomes of them; without a ``window`` any time will do."""
    if not record.matched:
        refusals = [Refusal(day_of(entry.liquidation.time), _UNMATCHED) for entry in record.entries]
        return Contents((), record.rejections, refusals)
    if window is None:
        return Contents(record.entries, record.rejections, ())
    entries, rejections, refusals = [], list(record.rejections), []
    for entry in record.entries:
        time = entry.liquidation.time
        if reason := in_the_future(time, window.now):
            rejections.append(Rejection(reason, entry.raw))
        elif refusal := window.refusal(time):
            refusals.append(Refusal(day_of(time), refusal))
        else:
            entries.append(entry)
    return Contents(entries, rejections, refusals)
