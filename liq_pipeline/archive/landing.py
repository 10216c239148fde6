"""The archive's files of a day, landed through the same code as ``liq import``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from liq_pipeline.archive import progress
from liq_pipeline.archive.layout import Place
from liq_pipeline.archive.progress import State
from liq_pipeline.archive.scan import Found, of_day
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import sources
from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import Source
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

    def add(self, landed: ImportReport, day: date) -> set[str]:
        """Count the rows of a file; why the file was refused, or rows of it that are of ``day``."""
        of_day = landed.refused[day]
        self.new += landed.new
        self.duplicate += landed.duplicate
        self.rejected += landed.rejected
        self.excluded += landed.refused.total() - of_day
        return (landed.refusals if of_day else set()) | ({landed.failure} if landed.failure else set())


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
        wanted: dict[Place, list[Found]] = defaultdict(list)
        for file, state, reason in progress.standings(of_day(root, day), recorded, settings, now):
            report.files += 1
            if state is State.WRITING:
                report.being_written.append(file.path)
            elif state is State.EXCLUDED or (state is State.REFUSED and not (retry or again)):
                report.refused.append(Refused(file.path, reason, known=True))
            elif state is not State.IMPORTED or again:
                wanted[file.place].append(file)
        for place, files in wanted.items():
            refusals = _import(root, place, files, settings, database_url, int(now * 1000), report)
            for file in files:
                progress.record(connection, file, refusals.get(file))
                report.imported += file not in refusals
            report.refused += [Refused(file.path, refusal) for file, refusal in refusals.items()]
    return report


def _import(
    root: Path, place: Place, files: Sequence[Found], settings: Settings, database_url: str, now: int, report: DayImport
) -> dict[Found, str]:
    """Land files of one kind and count what became of them; those that were refused, and why."""
    format_ = format_named(place.format)
    reasons: dict[Found, set[str]] = defaultdict(set)
    found: list[Source] = []
    file_of: dict[str, Found] = {}
    for file in files:
        try:
            of_file = sources.find(root / file.path, format_)
        except ImportRefusedError as error:
            reasons[file].add(str(error))
        else:
            found += of_file
            file_of |= {source.name: file for source in of_file}
    for market in place.markets:
        land = partial(
            import_sources,
            exchange=place.exchange,
            market=market,
            format_=format_,
            settings=settings,
            database_url=database_url,
            now=now,
        )
        for landed in _each(found, land):
            if why := report.add(landed, place.day):
                reasons[file_of[landed.name]] |= why
    return {file: "; ".join(sorted(texts)).replace(f"{root}/", "") for file, texts in reasons.items()}


def _each(some: Sequence[Source], land: Callable[[Sequence[Source]], Iterator[ImportReport]]) -> Iterator[ImportReport]:
    """A report of each file: of all together, and of one after another if one of them refuses all."""
    try:
        yield from land(some)
    except ImportRefusedError as error:
        if len(some) == 1:
            yield ImportReport(some[0].name, failure=str(error))
        else:
            for source in some:
                yield from _each([source], land)
