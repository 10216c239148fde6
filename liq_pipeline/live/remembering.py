"""Handing a view's records to its Recorder about once a second; while the database is away they are kept.

What a predecessor recorded is not told again: records of the streams' part that it had seen are left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import psycopg

from liq_pipeline.errors import LiqError
from liq_pipeline.live.aside import aside
from liq_pipeline.live.records import Blind, Record, Recorder, SeedEvent

_log = logging.getLogger(__name__)

_AWAY: Final = (LiqError, psycopg.Error)
"""The second is a schema that is not there yet, or not this version's: as good as no database until it is."""
_UNSEEN: Final = "no live view ran, or none that reached the database, for longer than the streams hold"
LOST: Final = "Redis lost what it had"


class Remembering:
    """The records of one process. ``away`` says why the database takes nothing, None while it does."""

    def __init__(self, recorder: Recorder) -> None:
        self.away: str | None = None
        self.greeted = False
        """Whether the database said how far it is."""
        self._recorder = recorder
        self._waiting: list[tuple[Record, int]] = []
        self._known = 0
        """What was seen until then is recorded."""

    def __len__(self) -> int:
        """Records that are not in the database."""
        return len(self._waiting)

    def add(self, records: Sequence[Record], landed: int) -> None:
        """Keep what a view told when it had seen all that landed before ``landed``."""
        self._waiting += [(record, landed) for record in records if landed > self._known]

    async def greet(self, complete_from: int, strange_at: int | None) -> bool:
        """Ask how far it is, once; False while it is away. Streams hold all that landed from ``complete_from`` on.

        ``strange_at``: when Redis was met without a trace of a live view, if it was.
        """
        if self.greeted:
            return True
        try:
            known = await aside(self._recorder.landed)
        except _AWAY as error:
            self._lost(error)
            return False
        self._found()
        self.greeted = True
        self._known = known or 0
        self._waiting = [(record, landed) for record, landed in self._waiting if landed > self._known]
        if complete_from > self._known:
            self._waiting.insert(0, (Blind(self._known, complete_from, _UNSEEN), complete_from))
        if strange_at is not None and strange_at > self._known > 0:
            self._waiting.insert(0, (Blind(self._known, strange_at, LOST), strange_at))
        return True

    async def events(self, start: int, end: int) -> Sequence[SeedEvent]:
        """The landed events with time in [start, end); raises LiqError while the database is away."""
        try:
            return await aside(lambda: list(self._recorder.seed(start, end)))
        except _AWAY as error:
            self._lost(error)
            raise LiqError(str(error)) from error

    async def write(self, watermark: int | None, landed: int) -> None:
        """Record what waits, and that all that landed before ``landed`` was seen; nothing is lost if it fails."""
        items = [record for record, _ in self._waiting]
        try:
            await aside(lambda: self._recorder.record(items, watermark=watermark, landed=landed))
        except _AWAY as error:
            self._lost(error)
            return
        self._found()
        del self._waiting[: len(items)]

    def _lost(self, error: Exception) -> None:
        if self.away is None:
            _log.warning("the database takes no records, they are kept: %s", error)
        self.away = str(error)

    def _found(self) -> None:
        if self.away is not None:
            _log.warning("the database is back, %d records wait", len(self._waiting))
            self.away = None
