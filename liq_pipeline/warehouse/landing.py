"""Rows into ``liquidations_raw``, each once, with the versions of the days that got new ones."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

import psycopg
from psycopg import errors

from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import locks
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.payload import COLUMNS, encode

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_REFUSED: Final = (
    # What a row's own values can cause, here while encoding or in PostgreSQL: the others are not the row's fault.
    ValueError,
    OverflowError,
    struct.error,
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
)
_STAGE: Final = "CREATE TEMPORARY TABLE IF NOT EXISTS landing (LIKE liquidations_raw) ON COMMIT DELETE ROWS"
_COPY_DIRECT: Final = f"COPY liquidations_raw ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_STAGED: Final = f"COPY landing ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_INSERT_STAGED: Final = f"""
WITH fresh AS (
    INSERT INTO liquidations_raw ({COLUMNS}) SELECT {COLUMNS} FROM landing
    ON CONFLICT (time, event_id) DO NOTHING
    RETURNING time
)
SELECT (time AT TIME ZONE 'UTC')::date, count(*) FROM fresh GROUP BY 1"""
_RAISE_VERSIONS: Final = """
INSERT INTO day_state (day, raw_version) SELECT day, 1 FROM unnest(%s::date[]) AS day ORDER BY day
ON CONFLICT (day) DO UPDATE SET raw_version = day_state.raw_version + 1"""


class Refused(NamedTuple):
    """An entry that cannot be a row: its position in what was given, and why."""

    position: int
    reason: str


@dataclass
class InsertReport:
    """What became of the entries given: ``new + duplicate + len(refused)`` of them, ``days`` of the new ones."""

    new: int = 0
    duplicate: int = 0
    days: Counter[date] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)


class Rows(NamedTuple):
    """Entries ready to land: ``rows`` are those that differ, with their positions among the ``given``.

    ``payload`` is None when one of them cannot be encoded.
    """

    given: int
    rows: Sequence[tuple[int, Entry]]
    payload: bytes | None


def prepare(entries: Iterable[Entry]) -> Rows:
    """All that needs no database, so that it can be done while the database takes other rows."""
    rows = list(enumerate(entries))
    given = len(rows)
    if len({entry.liquidation.event_id for _, entry in rows}) < given:
        seen: dict[tuple[int, str], tuple[int, Entry]] = {}
        for row in rows:
            seen.setdefault((row[1].liquidation.time, row[1].liquidation.event_id), row)
        rows = list(seen.values())
    try:
        payload = encode([entry for _, entry in rows]) if rows else None
    except _REFUSED:
        payload = None
    return Rows(given, rows, payload)


def insert_rows(connection: Connection, entries: Iterable[Entry], *, expect_new: bool = True) -> InsertReport:
    """Land entries in the caller's transaction and raise ``raw_version`` of the days that got new rows.

    An entry that is there already counts as duplicate; one that PostgreSQL refuses is reported, and the others land.
    ``expect_new`` tries a straight COPY first, which is faster unless many are there already. One transaction at a
    time lands rows: this waits until the others have committed.
    """
    return insert_prepared(connection, prepare(entries), expect_new=expect_new)


def insert_prepared(connection: Connection, prepared: Rows, *, expect_new: bool = True) -> InsertReport:
    """As ``insert_rows``, of what ``prepare`` made."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (locks.LANDING, 0))
    report = InsertReport()
    _land(connection, prepared.rows, prepared.payload, report, expect_new)
    report.refused.sort()
    report.new = report.days.total()
    report.duplicate = prepared.given - report.new - len(report.refused)
    if report.days:
        connection.execute(_RAISE_VERSIONS, (sorted(report.days),))
    return report


def _land(
    connection: Connection,
    rows: Sequence[tuple[int, Entry]],
    payload: bytes | None,
    report: InsertReport,
    expect_new: bool,
) -> None:
    """Land what can be landed, halving what is refused until the culprits are alone."""
    if not rows:
        return
    entries = [entry for _, entry in rows]
    try:
        report.days += _copy(connection, entries, payload or encode(entries), expect_new)
    except _REFUSED as error:
        if len(rows) == 1:
            report.refused.append(Refused(rows[0][0], _reason(error)))
            return
        middle = len(rows) // 2
        _land(connection, rows[:middle], None, report, expect_new)
        _land(connection, rows[middle:], None, report, expect_new)


def _copy(connection: Connection, entries: list[Entry], payload: bytes, expect_new: bool) -> Counter[date]:
    """Rows that are new, by day."""
    if expect_new:
        try:
            with connection.transaction(), connection.cursor().copy(_COPY_DIRECT) as copy:
                copy.write(payload)
        except errors.UniqueViolation:
            pass
        else:
            days = Counter([entry.liquidation.time // _DAY_MS for entry in entries])
            return Counter({date.fromordinal(_EPOCH + day): count for day, count in days.items()})
    with connection.transaction():
        connection.execute(_STAGE)
        connection.execute("TRUNCATE landing")
        with connection.cursor().copy(_COPY_STAGED) as copy:
            copy.write(payload)
        return Counter(dict(connection.execute(_INSERT_STAGED).fetchall()))


def _reason(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        diagnosis = error.diag
        parts = (diagnosis.message_primary or str(error), diagnosis.message_detail)
        return "PostgreSQL: " + ": ".join(part for part in parts if part)
    return str(error)
