"""The archive's files of a day, landed through the same code as ``liq import``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from pathlib import Path
from typing import NamedTuple

from liq_pipeline.archive import progress
from liq_pipeline.archive.progress import State
from liq_pipeline.archive.scan import Found, of_day
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import sources
from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.landing import import_source
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import connect


class Refused(NamedTuple):
    """A file that could not be imported, or some of whose rows of the day could not, and why."""

    path: str
    reason: str
    known: bool = False
    """It was refused before and has not changed since, so it was not tried again."""


@dataclass
class DayImport:
    """What became of the archive's files of a day."""

    files: int = 0
    imported: int = 0
    """Files imported now; the others were imported before, or are refused or being written."""
    new: int = 0
    duplicate: int = 0
    rejected: int = 0
    excluded: int = 0
    """Rows of other days that settings exclude or another source has; not landed."""
    refused: list[Refused] = field(default_factory=list)
    being_written: list[str] = field(default_factory=list)


def import_day(
    root: Path, day: date, settings: Settings, database_url: str, *, retry: bool = False, again: bool = False
) -> DayImport:
    """Import the files of ``day`` below ``root`` that were not imported as they are now; with ``again``, all of them.

    A file that is refused does not stop the others. One that was refused before, and has not changed since, is tried
    again only if ``retry`` or ``again``. Raises SettingsError if there is no archive, ServerError if the database is
    away.
    """
    report, now = DayImport(), time.time()
    with connect(database_url, autocommit=True) as connection:
        recorded = progress.outcomes(connection)
        for file, state, reason in progress.standings(of_day(root, day), recorded, settings, now):
            report.files += 1
            if state is State.WRITING:
                report.being_written.append(file.path)
            elif state is State.EXCLUDED or (state is State.REFUSED and not (retry or again)):
                report.refused.append(Refused(file.path, reason, known=True))
            elif state is not State.IMPORTED or again:
                refusal = _import(root, file, settings, database_url, int(now * 1000), report)
                progress.record(connection, file, refusal)
    return report


def _import(root: Path, file: Found, settings: Settings, database_url: str, now: int, report: DayImport) -> str | None:
    """Land a file and count what became of it; why it was refused, or None."""
    place, format_ = file.place, format_named(file.place.format)
    reasons: set[str] = set()
    try:
        for source, market in product(sources.find(root / file.path, format_), place.markets):
            landed = import_source(
                source, place.exchange, market, format_, settings=settings, database_url=database_url, now=now
            )
            report.new += landed.new
            report.duplicate += landed.duplicate
            report.rejected += landed.rejected
            of_the_day = landed.refused.pop(place.day, 0)
            report.excluded += landed.refused.total()
            if of_the_day:
                reasons |= landed.refusals
    except ImportRefusedError as error:
        reasons.add(str(error))
    if not reasons:
        report.imported += 1
        return None
    refusal = "; ".join(sorted(reasons)).replace(f"{root}/", "")
    report.refused.append(Refused(file.path, refusal))
    return refusal
