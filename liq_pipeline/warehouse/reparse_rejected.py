"""Frames and lines that were rejected, of all dates, tried again: what is understood lands and is rejected no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import sql

from liq_pipeline.imports.record import Record
from liq_pipeline.imports.window import Window
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import rejected
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.rejected import RejectedFrame
from liq_pipeline.warehouse.reparse_report import ReparseReport
from liq_pipeline.warehouse.rereading import Rereader, Stored, unfit
from liq_pipeline.warehouse.windows import batches, utc

WAS_LANDED: Final = "liquidations_raw/"
"""How the ``stream_id`` of frames begins that were rows before they were rejected."""
_BATCH: Final = 500
"""Frames can be as large as a venue's largest message."""
_REJECTED: Final = sql.SQL("""
SELECT id, stream_id, exchange, market, contract, source, ordinal, (extract(epoch FROM received_at) * 1000)::bigint,
       frame
FROM frames_rejected WHERE exchange = ANY({}) ORDER BY id""")


class _Frame(NamedTuple):
    id: int
    stream_id: str
    stored: Stored
    record: Record


def retry(
    connection: Connection, exchanges: Sequence[str], rereader: Rereader, window: Window, report: ReparseReport
) -> None:
    """Read the rejected frames of ``exchanges`` again, in the caller's transaction, and add to the report."""
    for rows in batches(connection, _REJECTED.format(sql.Literal(list(exchanges))), _BATCH):
        frames = [_frame(row, rereader) for row in rows]
        report.retried += len(frames)
        kept = _land(connection, [frame for frame in frames if _understood(frame.record)], window, report)
        recovered = [frame for frame in frames if _understood(frame.record) and frame.id not in kept]
        connection.execute("DELETE FROM frames_rejected WHERE id = ANY(%s)", ([frame.id for frame in recovered],))
        # What of a frame is still not understood stays behind, narrowed to that.
        rejected.record(connection, [row for frame in recovered for row in _still_rejected(frame)])
        report.recovered += len(recovered)


def _frame(row: tuple[Any, ...], rereader: Rereader) -> _Frame:
    id_, stream_id, exchange, market, contract, source, ordinal, received_at, text = row
    known = Market(market) if market in list(Market) else None
    stored = Stored(exchange, known, contract, source, ordinal, received_at, text.encode())
    name = stream_id or f"frames_rejected/{id_}"
    read = rereader.landed if name.startswith(WAS_LANDED) else rereader.rejected
    return _Frame(id_, name, stored, read(stored))


def _understood(record: Record) -> bool:
    return bool(record.entries) or not record.rejections


def _land(connection: Connection, frames: Sequence[_Frame], window: Window, report: ReparseReport) -> set[int]:
    """Land what the frames hold; the ids of those of which something may not land, and that stay for it."""
    kept: set[int] = set()
    for matched in (True, False):
        entries: list[Entry] = []
        owners: list[int] = []
        for frame in frames:
            if frame.record.matched is not matched:
                continue
            reasons = {reason for entry in frame.record.entries if (reason := unfit(entry, window))}
            if reasons:
                report.excluded += 1
                report.exclusions |= reasons
                kept.add(frame.id)
                continue
            entries += frame.record.entries
            owners += [frame.id] * len(frame.record.entries)
        landed = insert_rows(connection, entries, matched=matched)
        kept.update(owners[position] for position, _ in landed.refused + landed.conflicts)
        report.new += landed.new
        report.duplicate += landed.duplicate
        report.stale.update(landed.days)
    return kept


def _still_rejected(frame: _Frame) -> list[RejectedFrame]:
    stored = frame.stored
    return [
        RejectedFrame(
            f"{frame.stream_id}/{number}",
            utc(stored.received_at),
            stored.exchange,
            rejection.reason,
            rejected.text(rejection.frame),
            stored.source,
            stored.market,
            stored.contract,
            stored.ordinal,
        )
        for number, rejection in enumerate(frame.record.rejections)
    ]
