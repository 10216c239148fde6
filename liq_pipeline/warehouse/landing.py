"""Rows into ``liquidations_raw``, each once, with the versions of the days that got new ones."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg
from psycopg import errors

from liq_pipeline.streams import Entries, Entry, transposed
from liq_pipeline.warehouse import locks, retention, unmatched
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.payload import (
    COLUMNS,
    HEADER,
    TRAILER,
    Columns,
    Encoded,
    Int64s,
    Label,
    columns_of,
    encode,
    joined,
)
from liq_pipeline.warehouse.present import present
from liq_pipeline.warehouse.unmatched import ContractDay
from liq_pipeline.warehouse.windows import UNLIMITED

_DAY_MS: Final = 86_400_000
_DAYS: Final = 10_000_000
"""More days than there are until the year 9999."""
_EPOCH: Final = date(1970, 1, 1).toordinal()
_REFUSED: Final = (
    # What a row's own values can cause, here while encoding or in PostgreSQL: the others are not the row's fault.
    ValueError,
    OverflowError,
    struct.error,
    psycopg.DataError,
    errors.CheckViolation,
    errors.NotNullViolation,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
)
_COPY: Final = f"COPY {{}} ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_RAISE_VERSIONS: Final = """
INSERT INTO day_state (day, raw_version) SELECT day, 1 FROM unnest(%s::date[]) AS day ORDER BY day
ON CONFLICT (day) DO UPDATE SET raw_version = day_state.raw_version + 1"""
_PRETEND: Final = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS pretended_rows (LIKE liquidations_raw INCLUDING CONSTRAINTS)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS pretended_keys"
    " (time timestamptz, event_id uuid, exchange text, contract text, source text, PRIMARY KEY (time, event_id))",
    "CREATE TEMPORARY TABLE IF NOT EXISTS pretended_days (LIKE unmatched_days INCLUDING INDEXES)",
)
_REMEMBER: Final = """
INSERT INTO pretended_keys SELECT time, event_id, exchange, contract, source FROM pretended_rows"""


class Refused(NamedTuple):
    """An entry that does not land: its position in what was given, and why."""

    position: int
    reason: str


@dataclass
class InsertReport:
    """What became of the entries given: each is new, duplicate, refused or in conflict; ``days`` of the new ones."""

    new: int = 0
    duplicate: int = 0
    days: Counter[date] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)
    """Those that cannot be a row."""
    conflicts: list[Refused] = field(default_factory=list)
    """Those of contracts and days where another source landed that they cannot be matched with, and of days whose
    events retention has dropped: the few that came late would stand for all of them."""


@dataclass(frozen=True)
class Rows:
    """Entries ready to land, cheap to send to another process; repeats among the ``given`` are left out."""

    given: int
    matched: bool
    """The entries' ``event_id`` is that of every other source of the venue."""
    encoded: Encoded
    positions: Int64s
    """Per row its place among the given."""
    contract_days: Sequence[ContractDay]
    which: Int64s
    """Per row its place in ``contract_days``."""
    refused: Sequence[Refused]
    """Those that cannot be encoded."""


def prepare(entries: Iterable[Entry], *, matched: bool = True) -> Rows:
    """All that needs no database, so that it can be done in another thread or process.

    ``matched`` is False for entries that lack a field of the identity.
    """
    return prepare_columns(transposed(entries), matched=matched)


def prepare_columns(entries: Entries, *, matched: bool = True) -> Rows:
    """As ``prepare``."""
    columns = columns_of(entries)
    given = len(columns["raw"])
    places: Sequence[int] = range(given)
    if len(set(columns["event_id"])) < given:
        first: dict[tuple[int, str], int] = {}
        for place, key in enumerate(zip(columns["time"], columns["event_id"], strict=True)):
            first.setdefault(key, place)
        places, columns = _chosen(places, columns, list(first.values()))
    refused: list[Refused] = []
    parts = _encoded(places, columns, refused)
    encoded = joined([part for part, _ in parts])
    if refused:
        unfit = {place for place, _ in refused}
        places, columns = _chosen(places, columns, [n for n, place in enumerate(places) if place not in unfit])
    contract_days, which = _contract_days(encoded.times, [label for _, labels in parts for label in labels])
    return Rows(given, matched, encoded, np.array(places, np.int64), contract_days, which, sorted(refused))


def _contract_days(times: Int64s, of: Sequence[Label]) -> tuple[list[ContractDay], Int64s]:
    """What rows are of, and per row its place among that."""
    numbers: dict[Label, int] = {label: number for number, label in enumerate(dict.fromkeys(of))}
    labels, days = list(numbers), times // _DAY_MS
    keys, which = np.unique(
        np.fromiter(map(numbers.__getitem__, of), np.int64, len(of)) * _DAYS + days, return_inverse=True
    )
    found = [
        ContractDay(label.exchange, label.contract, _date(day), label.source)
        for label, day in ((labels[key // _DAYS], key % _DAYS) for key in keys.tolist())
    ]
    places = {each: place for place, each in enumerate(dict.fromkeys(found))}
    return list(places), np.array([places[each] for each in found], np.int64)[which]


def insert_rows(connection: Connection, entries: Iterable[Entry], *, matched: bool = True) -> InsertReport:
    """Land entries in the caller's transaction and raise ``raw_version`` of the days that got new rows.

    An entry that is there already counts as duplicate; one that may not land is reported, and the others land. One
    transaction at a time lands rows: this waits until the others have committed.
    """
    return insert_prepared(connection, prepare(entries, matched=matched))


def insert_prepared(connection: Connection, rows: Rows) -> InsertReport:
    """As ``insert_rows``, of what ``prepare`` made."""
    lock_landing(connection)
    report = _land(connection, rows, _REAL)
    raise_versions(connection, report.days)
    return report


def lock_landing(connection: Connection) -> None:
    """Let nobody else land or change rows until the caller's transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (locks.LANDING, 0))
    connection.execute(UNLIMITED)


def raise_versions(connection: Connection, days: Iterable[date]) -> None:
    """Make days stale whose rows the caller's transaction changed."""
    if days := sorted(days):
        connection.execute(_RAISE_VERSIONS, (days,))


def count_new(connection: Connection, rows: Rows) -> InsertReport:
    """What landing would report, without landing: temporary tables of the session remember what was pretended."""
    with connection.transaction():
        for statement in _PRETEND:
            connection.execute(statement)
        report = _land(connection, rows, _PRETENDED)
        connection.execute(_REMEMBER)
        connection.execute("TRUNCATE pretended_rows")
    return report


class _Target(NamedTuple):
    """Where rows go, and where keys and the claims of unmatched sources are; the last of these takes new claims."""

    rows: str
    keys: Sequence[str]
    claims: Sequence[str]


_REAL: Final = _Target("liquidations_raw", ("liquidations_raw",), ("unmatched_days",))
_PRETENDED: Final = _Target(
    "pretended_rows", ("liquidations_raw", "pretended_keys"), ("unmatched_days", "pretended_days")
)


def _land(connection: Connection, rows: Rows, target: _Target) -> InsertReport:
    report = InsertReport(refused=list(rows.refused))
    wanted = _allowed(connection, rows, target, report)
    for table in target.keys:
        wanted = wanted[~present(connection, table, rows.encoded.times[wanted], rows.encoded.ids[wanted])]
    landed = _copy(connection, rows, wanted, target.rows, report)
    days, counts = np.unique(rows.encoded.times[landed] // _DAY_MS, return_counts=True)
    report.days = Counter({_date(day): count for day, count in zip(days.tolist(), counts.tolist(), strict=True)})
    if not rows.matched:
        places = np.unique(rows.which[landed]).tolist()
        unmatched.claim(connection, [rows.contract_days[place] for place in places], target.claims[-1])
    report.refused.sort()
    report.new = len(landed)
    report.duplicate = rows.given - report.new - len(report.refused) - len(report.conflicts)
    return report


def _allowed(connection: Connection, rows: Rows, target: _Target, report: InsertReport) -> Int64s:
    """The rows that neither another source nor retention keeps from their day; the others are in the report."""
    find = unmatched.claimed if rows.matched else unmatched.taken
    refused = find(connection, rows.contract_days, target)
    lost = retention.gone(connection, {each.day for each in rows.contract_days})
    refused |= {each: lost[each.day] for each in rows.contract_days if each.day in lost}
    if not refused:
        return np.arange(len(rows.positions))
    reasons = [refused.get(each) for each in rows.contract_days]
    may = np.array([reason is None for reason in reasons])[rows.which]
    report.conflicts = [
        Refused(int(rows.positions[row]), str(reasons[rows.which[row]])) for row in np.flatnonzero(~may)
    ]
    return np.flatnonzero(may)


def _copy(connection: Connection, rows: Rows, wanted: Int64s, table: str, report: InsertReport) -> Int64s:
    """The rows that could be stored, halving what PostgreSQL refuses until the culprits are alone."""
    if not len(wanted):
        return wanted
    try:
        with connection.transaction(), connection.cursor().copy(_COPY.format(table).encode()) as copy:
            copy.write(HEADER)
            for part in rows.encoded.parts(wanted):
                copy.write(part)
            copy.write(TRAILER)
    except _REFUSED as error:
        if len(wanted) > 1:
            halves = np.array_split(wanted, 2)
            return np.concatenate([_copy(connection, rows, half, table, report) for half in halves])
        report.refused.append(Refused(int(rows.positions[wanted[0]]), _reason(error)))
        return wanted[:0]
    return wanted


def _encoded(places: Sequence[int], columns: Columns, refused: list[Refused]) -> list[tuple[Encoded, list[Label]]]:
    """The rows that can be encoded, halving the others until the culprits are alone."""
    try:
        return [encode(columns)]
    except _REFUSED as error:
        if len(places) == 1:
            refused.append(Refused(places[0], _reason(error)))
            return []
    middle = len(places) // 2
    halves = (slice(None, middle), slice(middle, None))
    return [
        part
        for half in halves
        for part in _encoded(places[half], {name: column[half] for name, column in columns.items()}, refused)
    ]


def _chosen(places: Sequence[int], columns: Columns, rows: list[int]) -> tuple[Sequence[int], Columns]:
    def pick(column: Sequence[Any]) -> list[Any]:
        return [column[row] for row in rows]

    return pick(places), {name: pick(column) for name, column in columns.items()}


def _date(day: int) -> date:
    return date.fromordinal(_EPOCH + day)


def _reason(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        diagnosis = error.diag
        parts = (diagnosis.message_primary or str(error), diagnosis.message_detail)
        return "PostgreSQL: " + ": ".join(part for part in parts if part)
    return str(error)
