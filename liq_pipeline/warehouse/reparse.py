"""What was landed is read again by today's parsers: a parser's mistake is mended from the venue's own frames.

Rows that read the same stay untouched, with the version of the parser that made them. Rows that read differently are
replaced, keeping ``received_at``, ``source`` and ``raw_data``; a row that is rejected today moves to
``frames_rejected``. Then frames that were rejected are tried again (``reparse_rejected``).

All days change in one transaction. It reads in batches and keeps what changes in a temporary table, so that memory
does not grow with the days.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from psycopg import sql

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry, decode_event, encode_event
from liq_pipeline.warehouse import contract_sizes, rejected, reparse_rejected, retention
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_state import refusal
from liq_pipeline.warehouse.landing import insert_rows, lock_landing, raise_versions
from liq_pipeline.warehouse.rejected import RejectedFrame
from liq_pipeline.warehouse.reparse_report import ReparsedDay, ReparseReport
from liq_pipeline.warehouse.rereading import Rereader, Stored, unfit
from liq_pipeline.warehouse.windows import batches, in_day, utc

__all__ = ["ReparseReport", "reparse"]

_BATCH: Final = 5_000
_COMPARED: Final = (
    "time", "event_id", "exchange", "market", "contract", "symbol", "side", "price", "price_kind", "quantity",
    "value_usd", "limit_price", "feed_semantics", "ordinal",
)  # fmt: skip
"""Fields of Liquidation, in the order of ``_READ``."""
_compared: Final = attrgetter(*_COMPARED)
_READ: Final = """
SELECT (extract(epoch FROM time) * 1000)::bigint, event_id::text, exchange, market, contract, symbol, side, price::text,
       price_kind, quantity::text, value_usd::text, limit_price::text, feed_semantics, ordinal,
       (extract(epoch FROM received_at) * 1000)::bigint, source, raw_data::text
FROM liquidations_raw WHERE time >= {start} AND time < {end} AND exchange = ANY({exchanges})"""
_STAGE: Final = """
CREATE TEMPORARY TABLE reparsed (
    number bigint GENERATED ALWAYS AS IDENTITY, time timestamptz, event_id uuid, event text, matched boolean,
    reason text, received_at bigint, exchange text, source text, market text, contract text, ordinal integer, raw text
) ON COMMIT DROP"""
_TO_STAGE: Final = """
COPY reparsed (time, event_id, event, matched, reason, received_at, exchange, source, market, contract, ordinal, raw)
FROM STDIN"""
_DELETE: Final = """
DELETE FROM liquidations_raw AS raw USING reparsed
WHERE raw.time >= {start} AND raw.time < {end} AND raw.time = reparsed.time AND raw.event_id = reparsed.event_id"""
_UNCLAIM: Final = """
DELETE FROM unmatched_days AS claim WHERE day = {day} AND NOT EXISTS (
    SELECT FROM liquidations_raw AS raw WHERE raw.time >= {start} AND raw.time < {end}
        AND raw.exchange = claim.exchange AND raw.contract = claim.contract AND raw.source = claim.source)"""
_REPARSED: Final = "UPDATE day_state SET reparsed_at = now() WHERE day = ANY(%s)"
_STAGED: Final = sql.SQL("""
SELECT time, event_id::text, event, matched, reason, received_at, exchange, source, market, contract, ordinal, raw
FROM reparsed ORDER BY number""")


class _Staged(NamedTuple):
    """What a row with this key becomes: the row ``event``, or a rejected frame for this ``reason``."""

    time: datetime
    event_id: str
    event: str | None
    matched: bool
    reason: str | None
    received_at: int
    exchange: str
    source: str
    market: str
    contract: str
    ordinal: int
    raw: str


def reparse(
    database_url: str,
    days: Sequence[date],
    settings: Settings,
    *,
    exchanges: Sequence[str],
    now: int,
    dry_run: bool = False,
    progress: Callable[[date], None] = lambda day: None,
) -> ReparseReport:
    """Read the rows of ``days``, and all rejected frames, of ``exchanges`` again; ``now`` is UTC milliseconds.

    ``progress`` is called with every day before it is read. Days whose rows changed are stale afterwards; nothing has
    changed after a dry run. Raises DayRefusedError, with nothing changed either, for days
    that settings exclude or whose events are gone.
    """
    for day in days:
        if reason := refusal(day, settings, day_of(now)):
            raise DayRefusedError(reason)
    report = ReparseReport()
    window = Window(settings, now)
    with connect(database_url, autocommit=True) as connection:
        rereader = Rereader(cache(lambda exchange: contract_sizes.known(connection, exchange)), settings.symbols)
        with connection.transaction(force_rollback=dry_run):
            lock_landing(connection)
            for reason in retention.gone(connection, days).values():
                raise DayRefusedError(reason)
            connection.execute(_STAGE)
            for day in days:
                progress(day)
                report.days[day] = _read_again(connection, day, exchanges, rereader)
            _replace(connection, window, report)
            connection.execute(_REPARSED, (list(report.stale),))
        with connection.transaction(force_rollback=dry_run):
            lock_landing(connection)
            reparse_rejected.retry(connection, exchanges, rereader, window, report)
            connection.execute(_REPARSED, (list(report.stale),))
    return report


def _read_again(connection: Connection, day: date, exchanges: Sequence[str], rereader: Rereader) -> ReparsedDay:
    """Keep what the rows of a day become that change, in the temporary table."""
    counted = ReparsedDay()
    for rows in batches(connection, in_day(_READ, day, exchanges=list(exchanges)), _BATCH):
        # Before the COPY begins: reading may ask this connection for contract sizes.
        staged = [row for values in rows for row in _becomes(values, rereader, counted)]
        with connection.cursor().copy(_TO_STAGE) as copy:
            for row in staged:
                copy.write_row(row)
    return counted


def _becomes(values: tuple[Any, ...], rereader: Rereader, counted: ReparsedDay) -> list[_Staged]:
    """What replaces a row; nothing if it reads the same."""
    old = dict(zip(_COMPARED, values, strict=False))
    received_at, source, raw = values[len(_COMPARED) :]
    exchange, market, contract, ordinal = (old[name] for name in ("exchange", "market", "contract", "ordinal"))
    record = rereader.landed(Stored(exchange, Market(market), contract, source, ordinal, received_at, raw.encode()))
    events = [entry.liquidation for entry in record.entries]
    counted.rows += 1
    if len(events) == 1 and _compared(events[0]) == values[: len(_COMPARED)]:
        return []
    kept = _Staged(
        utc(old["time"]), old["event_id"], None, record.matched, None, received_at,
        exchange, source, market, contract, ordinal, raw,
    )  # fmt: skip
    if not events:
        counted.rejected += 1
        reasons = [rejection.reason for rejection in record.rejections]
        return [kept._replace(reason=reasons[0] if reasons else "today's parser finds no liquidation in it")]
    counted.changed += 1
    counted.new_ids += old["event_id"] not in {event.event_id for event in events}
    return [kept._replace(event=encode_event(event).decode()) for event in events]


def _replace(connection: Connection, window: Window, report: ReparseReport) -> None:
    """Delete all rows that change before the first lands again: its new key may be the old one of another."""
    touched = [day for day, counted in report.days.items() if counted.changed or counted.rejected]
    connection.execute("ANALYZE reparsed")
    for day in touched:
        connection.execute(in_day(_DELETE, day))
        connection.execute(in_day(_UNCLAIM, day))
    raise_versions(connection, touched)
    report.stale.update(touched)
    for rows in batches(connection, _STAGED, _BATCH):
        _land(connection, list(map(_Staged._make, rows)), window, report)


def _land(connection: Connection, staged: Sequence[_Staged], window: Window, report: ReparseReport) -> None:
    refused = [(row, row.reason) for row in staged if row.reason is not None]
    for matched in (True, False):
        rows = [row for row in staged if row.event is not None and row.matched is matched]
        entries = [_entry(row) for row in rows]
        reasons = [unfit(entry, window) for entry in entries]
        fit = [position for position, reason in enumerate(reasons) if reason is None]
        landed = insert_rows(connection, [entries[position] for position in fit], matched=matched)
        for place, turned_down in landed.refused + landed.conflicts:
            reasons[fit[place]] = turned_down
        report.stale.update(landed.days)
        report.merged += landed.duplicate
        for row, reason in zip(rows, reasons, strict=True):
            if reason is not None:
                report.days[row.time.date()].turned_down()
                refused.append((row, reason))
    rejected.record(connection, [_rejection(row, reason) for row, reason in refused])


def _entry(row: _Staged) -> Entry:
    assert row.event is not None
    return Entry(decode_event(row.event), row.received_at, row.source, row.raw.encode())


def _rejection(row: _Staged, reason: str) -> RejectedFrame:
    return RejectedFrame(
        reparse_rejected.WAS_LANDED + row.event_id,
        utc(row.received_at),
        row.exchange,
        reason,
        row.raw,
        row.source,
        row.market,
        row.contract,
        row.ordinal,
    )
