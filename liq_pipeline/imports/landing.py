"""A file of a known format becomes rows of ``liquidations_raw``, once, however often it is imported.

The file is streamed: memory holds one batch, and every batch is a transaction of its own. An import that was
interrupted is completed by importing the same file again.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges import instruments
from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.imports import formats, sources
from liq_pipeline.imports.lines import MAX_LINE, Line, read_lines
from liq_pipeline.imports.record import Format, Origin, Reader, Record, source_of
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.liquidation import Market, in_the_future
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import migrate
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.landing import insert_rows

_BATCH_ROWS: Final = 10_000
_BATCH_BYTES: Final = 8 * 2**20
_HEAD: Final = 100
"""Lines looked at before anything is landed, to tell a wrong ``--format`` or ``--exchange`` from some bad lines."""
_SHOWN: Final = 20
_RECORDED: Final = 65_536
"""Bytes of an endless line that are recorded."""
_RECORD_REJECTION: Final = (Path(__file__).parent / "record_rejection.sql").read_text("utf-8")


class RejectedLine(NamedTuple):
    """Where in the file something was rejected, and why."""

    number: int
    reason: str


@dataclass
class ImportReport:
    """What became of a file."""

    lines: int = 0
    other: int = 0
    """Lines that are none of the format's rows, such as acknowledgements and pongs."""
    elsewhere: int = 0
    """Rows of the exchange's other market, for another import."""
    new: int = 0
    duplicate: int = 0
    rejected: int = 0
    first_rejected: list[RejectedLine] = field(default_factory=list)
    """The first few; all of them are in ``frames_rejected``."""
    refused: Counter[date] = field(default_factory=Counter)
    """Rows of days that settings exclude, not landed."""
    refusals: set[str] = field(default_factory=set)
    """Why, each naming the setting and the fix."""
    days: Counter[date] = field(default_factory=Counter)
    """New rows by day: the days that are stale until they are materialized again."""

    @property
    def rows(self) -> int:
        """The rows of this market; each became exactly one of new, duplicate, rejected or refused."""
        return self.new + self.duplicate + self.rejected + self.refused.total()


class _Rejected(NamedTuple):
    line: int
    received_at: int
    rejection: Rejection


class _Batch(NamedTuple):
    entries: list[Entry]
    lines: list[int]
    """The line of each entry."""
    rejected: list[_Rejected]
    end: int
    """File offset after its last line."""


def import_file(
    path: Path,
    exchange: str,
    market: Market,
    format_: Format,
    *,
    settings: Settings,
    database_url: str,
    now: int,
    progress: Callable[[int], None] = lambda offset: None,
) -> ImportReport:
    """Land the rows of ``path``; ``now`` is UTC milliseconds, ``progress`` is called with the bytes done.

    Raises ImportRefusedError, with nothing landed, if the file holds nothing of this format, exchange and market.
    Rows of days that settings exclude are counted in the report and not landed; all other rows are.
    """
    reader = format_.reader(Origin(exchange, market, instruments.snapshot(exchange)))
    report = ImportReport()
    found = sources.find(path, format_)
    if len(found) != 1:
        raise ImportRefusedError(f"{path} holds {len(found)} files; name one of them")
    found[0].verify()
    with found[0].open() as opened:
        lines = read_lines(opened.file)
        head = list(itertools.islice(lines, _HEAD))
        _check_head(path, head, format_, reader)
        migrate.check(database_url)
        with connect(database_url, autocommit=True) as connection:
            for batch in _batches(itertools.chain(head, lines), reader, Window(settings, now), report):
                _land(connection, batch, exchange, source_of(format_.name), now, report)
                progress(batch.end)
    return report


def _check_head(path: Path, head: list[Line], format_: Format, reader: Reader) -> None:
    """Refuse a file of which nothing is understood, rather than record all of it as rejected rows."""
    records = [_record(line, reader) for line in head]
    if not head or any(record.entries or not record.rejections for record in records):
        return
    recognised = formats.recognise(line.text for line in head)
    if recognised not in (None, format_.name):
        raise ImportRefusedError(f"{path}: this file looks like {recognised}, not {format_.name}")
    if len(head) == _HEAD:
        reason = records[0].rejections[0].reason
        raise ImportRefusedError(
            f"{path}: none of the first {_HEAD} lines is understood as {format_.name}, line {head[0].number}: "
            f"{reason}; check --format, --exchange and --market"
        )


def _record(line: Line, reader: Reader) -> Record:
    if line.too_long:
        reason = f"line longer than {MAX_LINE} bytes; its first {_RECORDED} are recorded"
        return Record(rejections=(Rejection(reason, line.text[:_RECORDED]),))
    return reader(line.text)


def _batches(lines: Iterable[Line], reader: Reader, window: Window, report: ImportReport) -> Iterator[_Batch]:
    batch, start = _Batch([], [], [], 0), 0
    for line in lines:
        record = _record(line, reader)
        received_at = record.received_at or window.now
        report.lines += 1
        report.other += not (record.entries or record.rejections or record.elsewhere)
        report.elsewhere += record.elsewhere
        batch.rejected.extend(_Rejected(line.number, received_at, rejection) for rejection in record.rejections)
        for entry in record.entries:
            time = entry.liquidation.time
            if reason := in_the_future(time, window.now):
                batch.rejected.append(_Rejected(line.number, received_at, Rejection(reason, entry.raw)))
            elif refusal := window.refusal(time):
                report.refused[day_of(time)] += 1
                report.refusals.add(refusal)
            else:
                batch.entries.append(entry)
                batch.lines.append(line.number)
        batch = batch._replace(end=line.end)
        if line.end - start >= _BATCH_BYTES or len(batch.entries) + len(batch.rejected) >= _BATCH_ROWS:
            yield batch
            batch, start = _Batch([], [], [], line.end), line.end
    yield batch


def _land(connection: Connection, batch: _Batch, exchange: str, source: str, now: int, report: ImportReport) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        inserted = insert_rows(connection, batch.entries)
        rejected = batch.rejected + [
            _Rejected(batch.lines[index], now, Rejection(reason, batch.entries[index].raw))
            for index, reason in inserted.refused + inserted.conflicts
        ]
        cursor.executemany(_RECORD_REJECTION, [_row(item, exchange, source) for item in rejected])
    report.new += inserted.new
    report.duplicate += inserted.duplicate
    report.days.update(inserted.days)
    report.rejected += len(rejected)
    room = max(0, _SHOWN - len(report.first_rejected))
    report.first_rejected += [RejectedLine(item.line, item.rejection.reason) for item in sorted(rejected)[:room]]


def _row(item: _Rejected, exchange: str, source: str) -> dict[str, object]:
    reason, frame = item.rejection
    # The same row again, from the same file or another part of it, has the same identity and is recorded once.
    digest = hashlib.blake2b(reason.encode() + b"\0" + frame, digest_size=16).hexdigest()
    return {
        "stream_id": f"{source}:{exchange}:{digest}",
        "received_at": item.received_at,
        "exchange": exchange,
        "reason": reason,
        "frame": frame.decode(errors="backslashreplace").replace("\0", "\\x00"),
    }
