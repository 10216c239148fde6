"""Recordings as one tape: the lines of all files in the order of their times.

A line's time is when it was received, where that is recorded, otherwise that of the last event in it. Memory holds 32
bytes a line; the lines themselves stay in their files.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np

from liq_pipeline.errors import ReplayError
from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.imports import frames
from liq_pipeline.imports.record import Record, source_of
from liq_pipeline.liquidation import Source
from liq_pipeline.replay.reading import Admission, contents_of, record_of, time_of
from liq_pipeline.replay.recordings import Recording
from liq_pipeline.replay.shift import BY_FORMAT
from liq_pipeline.replay.texts import ENDLESS, Place, Texts
from liq_pipeline.streams import Entry

_SHOWN: Final = 20
_UNDATED: Final = -1
_FRAMES: Final = frames.FORMAT.name
_Integers = np.ndarray[Any, np.dtype[np.int64]]
_NONE: Final[_Integers] = np.empty(0, np.int64)


class RejectedLine(NamedTuple):
    """Where something was not understood, and why."""

    name: str
    number: int
    reason: str


@dataclass
class Inventory:
    """What the recordings hold; ``rows`` are those on the tape."""

    rows: int = 0
    other: int = 0
    """Lines that are no rows, such as acknowledgements and pongs."""
    repeated: int = 0
    """Lines that are the same as the line before, as all are in Binance's archive."""
    elsewhere: int = 0
    """Rows of an exchange's other market."""
    rejected: int = 0
    first_rejected: list[RejectedLine] = field(default_factory=list)
    refused: Counter[date] = field(default_factory=Counter)
    """Rows that are not played, by day."""
    refusals: set[str] = field(default_factory=set)
    """Why, each with the fix."""


class Played(NamedTuple):
    """What a line holds when it is played."""

    exchange: str
    entries: Sequence[Entry]
    rejections: Sequence[Rejection]
    rejected_as: str
    """The ``source`` of the rejections, which tells `liq reparse` how to read them."""
    received_at: int
    """UTC milliseconds: when the line was received, where it says so, otherwise its time."""


class Tape:
    """Lines by time, at positions from 0. ``read`` it first, and close it.

    Rows that ``admission`` refuses are counted and not played; None, and any will do, where the tape is going to be
    moved.
    """

    def __init__(self, recordings: Sequence[Recording], admission: Admission | None) -> None:
        self.inventory = Inventory()
        self.times = _NONE
        """The time of every line as recorded, ascending, UTC milliseconds."""
        self.delta = 0
        """Milliseconds by which every line is moved when it is played."""
        self._recordings = recordings
        self._readers = [recording.format.reader(recording.origin) for recording in recordings]
        self._admission = admission
        self._samples: list[tuple[int, Place]] = []
        self._texts = Texts([recording.source for recording in recordings])
        self._sources = self._starts = self._sizes = _NONE

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._texts.close()

    def __len__(self) -> int:
        return len(self.times)

    def read(self, progress: Callable[[int], None] = lambda size: None) -> None:
        """Read all recordings once; ``progress`` is told the bytes on disk done so far."""
        index, done = _Index(), 0
        for number, recording in enumerate(self._recordings):
            self._read_one(number, index, done, progress)
            done += recording.source.size
            progress(done)
        self.times, self._sources, self._starts, self._sizes = index.by_time()

    def _read_one(self, number: int, index: _Index, done: int, progress: Callable[[int], None]) -> None:
        recording, first, last, before = self._recordings[number], len(index.times), _UNDATED, b""
        sampled = False
        for line, start, consumed in self._texts.lines(number):
            if line.number % 1000 == 0:
                progress(done + consumed)
            if line.text == before:
                self.inventory.repeated += 1
                continue
            before = line.text
            record = record_of(line.text, self._readers[number], too_long=line.too_long)
            last = time_of(record) or last
            if self._take_account(recording, line.number, record):
                place = self._texts.keep(number, line, start)
                index.add(last, place)
                if record.entries and not sampled:
                    self._samples.append((last, place))
                    sampled = True
        index.date_from(first)

    def _take_account(self, recording: Recording, number: int, record: Record) -> bool:
        """Count what a line holds; whether there is something in it to play."""
        inventory = self.inventory
        entries, rejections, refusals = contents_of(record, self._admission)
        inventory.rows += len(entries)
        inventory.rejected += len(rejections)
        inventory.elsewhere += record.elsewhere
        inventory.other += not (record.entries or record.rejections or record.elsewhere)
        room = max(0, _SHOWN - len(inventory.first_rejected))
        inventory.first_rejected += [
            RejectedLine(recording.source.name, number, rejection.reason) for rejection in rejections[:room]
        ]
        for day, reason in refusals:
            inventory.refused[day] += 1
            inventory.refusals.add(reason)
        return bool(entries or rejections)

    def find(self, time: float) -> int:
        """The position of the first line at ``time`` or later."""
        return int(np.searchsorted(self.times, time, "left"))

    def move(self, delta: int) -> None:
        """Play every line ``delta`` milliseconds later; raises ReplayError if a recording cannot be moved."""
        self.delta = delta
        for time, place in self._samples:
            played = self._played(time + delta, place)
            if not played.entries:
                name = self._recordings[place.source].source.name
                raise ReplayError(f"{name} cannot be moved in time: {played.rejections[0].reason}")

    def play(self, start: int, stop: int) -> Iterator[Played]:
        """What the lines from ``start`` to ``stop`` (excluded) hold, moved by ``delta``."""
        columns = (column[start:stop].tolist() for column in (self.times, self._sources, self._starts, self._sizes))
        for time, *place in zip(*columns, strict=True):
            yield self._played(time + self.delta, Place(*place))

    def _played(self, time: int, place: Place) -> Played:
        recording, reader = self._recordings[place.source], self._readers[place.source]
        text = self._texts.text(place)
        if self.delta:
            text = BY_FORMAT[recording.format.name](text, self.delta)
        record = record_of(text, reader, too_long=place.size == ENDLESS)
        if self.delta and record.entries and time_of(record) != time:
            record = Record(rejections=(Rejection("its times cannot be moved", text),))
        entries, rejections, _ = contents_of(record, self._admission)
        rejected_as = Source.REPLAY if recording.format.name == _FRAMES else source_of(recording.format.name)
        return Played(recording.origin.exchange, entries, rejections, rejected_as, record.received_at or time)


class _Index:
    """Where the lines of a tape are, while it is read."""

    def __init__(self) -> None:
        self.times, *self._places = (array("q") for _ in range(4))

    def add(self, time: int, place: Place) -> None:
        self.times.append(time)
        for column, value in zip(self._places, place, strict=True):
            column.append(value)

    def date_from(self, first: int) -> None:
        """Give the lines of a file that come before its first time that time."""
        dated = next((time for time in itertools.islice(self.times, first, None) if time != _UNDATED), 0)
        for position in range(first, len(self.times)):
            if self.times[position] != _UNDATED:
                return
            self.times[position] = dated

    def by_time(self) -> list[_Integers]:
        """Times, and the columns of Place. Lines of one time stay in the order of the files, and in their files'."""
        columns = [np.frombuffer(column, np.int64) if column else _NONE for column in (self.times, *self._places)]
        if np.all(columns[0][1:] >= columns[0][:-1]):
            return columns
        order = np.argsort(columns[0], kind="stable")
        return [column[order] for column in columns]
