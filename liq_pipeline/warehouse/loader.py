"""From the streams of the landing zone to ``liquidations_raw`` and ``frames_rejected``, exactly once.

Read, commit, say so to Redis, in this order: a crash between any two repeats work, and repeated rows are recognised.
One loader runs at a time. While PostgreSQL takes one batch, another thread decodes and encodes the next, and Redis
answers the one after it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import msgspec
import redis

from liq_pipeline.liquidation import Source
from liq_pipeline.settings import Settings
from liq_pipeline.streams import REJECTED, decode_entries, decode_entry, transposed
from liq_pipeline.warehouse import backlog, contract_sizes, locks, rejected
from liq_pipeline.warehouse.connection import LOADER, Connection, connect
from liq_pipeline.warehouse.landing import InsertReport, Refused, Rows, insert_prepared, insert_rows, prepare_columns
from liq_pipeline.warehouse.rejected import RejectedFrame

__all__ = ["DrainReport", "InsertReport", "Refused", "drain", "insert_rows"]

_HOUR_MS: Final = 3_600_000
_SWITCH_SECONDS: Final = 0.0001
_DRAINED: Final = """
INSERT INTO loader_state (drained_until) VALUES (%(until)s)
ON CONFLICT (only_row) DO UPDATE SET drained_until = greatest(loader_state.drained_until, excluded.drained_until)"""
_POSITION: Final = "SELECT last_id FROM feed_positions WHERE stream = %s"
_ADVANCE: Final = """
INSERT INTO feed_positions (stream, last_id) VALUES (%s, %s)
ON CONFLICT (stream) DO UPDATE SET last_id = excluded.last_id"""
_UNDECODABLE: Final = (msgspec.DecodeError, KeyError, ValueError)


@dataclass
class DrainReport:
    """What a run landed. ``new + duplicate + refused`` are the event entries read."""

    until_ms: int
    new: int = 0
    duplicate: int = 0
    refused: int = 0
    """Entries of event streams that could not be rows; each is in ``frames_rejected``."""
    rejected: int = 0
    """Frames of the rejected stream, now in ``frames_rejected``."""
    robbed: list[str] = field(default_factory=list)
    """Streams of which entries went that the database has not: something else deleted them before they were committed,
    or the database lost rows whose entries were trimmed since."""
    trimmed: int = 0
    days: Counter[date] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass
class _Batch:
    """What was read from one stream: rows to be, the items they came from, and what is none."""

    items: list[backlog.Item]
    sources: list[backlog.Item] = field(default_factory=list)
    rows: Rows | None = None
    rejections: list[RejectedFrame] = field(default_factory=list)


def drain(database_url: str, redis_url: str, settings: Settings, until: int | None = None) -> DrainReport:
    """Land every entry that was in the streams before ``until`` (Redis time in ms; default: now), then trim.

    Waits for another loader to finish. Raises ServerError when PostgreSQL or Redis is away; what was committed by
    then stays, and the next run goes on from there.
    """
    started = time.monotonic()
    with (
        _tuned(),
        backlog.open_redis(redis_url) as client,
        connect(database_url, autocommit=True, role=LOADER) as connection,
        locks.session_lock(connection, locks.LOADER),
    ):
        now = backlog.now_ms(client)
        # What landed in this very millisecond was there before us as well.
        report = DrainReport(until_ms=now + 1 if until is None else until)
        contract_sizes.record_listed(connection, client)
        keys = backlog.stream_keys(client)
        lost = {key for key in keys if backlog.step_back(client, key, _position(connection, key))}
        report.robbed = [key for key in keys if key in lost or backlog.was_robbed(client, key)]
        for key in keys:
            _drain_stream(connection, client, key, report)
        connection.execute(_DRAINED, {"until": datetime.fromtimestamp(report.until_ms / 1000, UTC)})
        for key in keys:
            report.trimmed += backlog.trim(client, key, now - settings.stream_hours * _HOUR_MS)
    report.seconds = time.monotonic() - started
    return report


@contextmanager
def _tuned() -> Iterator[None]:
    """Python's settings for the time of a run.

    Batches are hundreds of thousands of small objects without cycles: looking for cycles in them took a third of the
    loader's time. And the thread that PostgreSQL keeps waiting hundreds of times a batch would, each time, get Python
    back from the other one after 5 ms only.
    """
    was_enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if was_enabled:
            gc.enable()


def _position(connection: Connection, key: str) -> str | None:
    """Up to where the database has the stream, as it says itself."""
    row = connection.execute(_POSITION, (key,)).fetchone()
    return None if row is None else str(row[0])


def _drain_stream(connection: Connection, client: redis.Redis, key: str, report: DrainReport) -> None:
    with closing(backlog.uncommitted(client, key, report.until_ms)) as read, ThreadPoolExecutor(1) as preparing:
        batches = _batches(read, key)
        upcoming = preparing.submit(next, batches, None)
        while (batch := upcoming.result()) is not None:
            upcoming = preparing.submit(next, batches, None)
            landed = _commit(connection, key, batch)
            backlog.commit(client, key, batch.items)
            _add(report, key, batch, landed)


def _add(report: DrainReport, key: str, batch: _Batch, landed: InsertReport) -> None:
    report.new += landed.new
    report.duplicate += landed.duplicate
    report.days += landed.days
    if key == REJECTED:
        report.rejected += len(batch.rejections)
    else:
        report.refused += len(batch.rejections)


def _batches(read: Iterator[list[backlog.Item]], key: str) -> Iterator[_Batch]:
    for items in read:
        batch = _Batch(items)
        if key == REJECTED:
            batch.rejections = [_rejected_frame(key, item.id, item.fields) for item in items]
        else:
            _decode(key, batch)
        yield batch


def _decode(key: str, batch: _Batch) -> None:
    """Make the batch's rows; items that are no entries are rejections."""
    try:
        entries = decode_entries([item.flat for item in batch.items])
        batch.sources = batch.items
    except _UNDECODABLE:
        decoded = []
        for item in batch.items:
            try:
                decoded.append(decode_entry(item.fields))
                batch.sources.append(item)
            except _UNDECODABLE as error:
                batch.rejections.append(_undecodable(key, item.id, item.fields, error))
        entries = transposed(decoded)
    if batch.sources:
        batch.rows = prepare_columns(entries)


def _commit(connection: Connection, key: str, batch: _Batch) -> InsertReport:
    with connection.transaction():
        landed = InsertReport()
        if batch.rows:
            landed = insert_prepared(connection, batch.rows)
        for position, reason in sorted(landed.refused + landed.conflicts):
            batch.rejections.append(_refused_entry(key, batch.sources[position], reason))
        rejected.record(connection, batch.rejections)
        connection.execute(_ADVANCE, (key, batch.items[-1].id.decode()))
    return landed


def _refused_entry(key: str, item: backlog.Item, reason: str) -> RejectedFrame:
    entry = decode_entry(item.fields)
    event = entry.liquidation
    row = _rejection(key, item.id, entry.received_at, event.exchange.encode(), reason, entry.raw)
    contract = rejected.text(event.contract.encode(errors="backslashreplace"))
    # An ordinal that no row can have is no part of any.
    ordinal = event.ordinal if 0 <= event.ordinal < 2**15 else 0
    return row._replace(source=entry.source, market=event.market, contract=contract, ordinal=ordinal)


def _rejected_frame(key: str, entry_id: bytes, fields: backlog.Fields) -> RejectedFrame:
    received = fields.get(b"received_at", b"")
    frame = fields.get(b"frame")
    row = _rejection(
        key,
        entry_id,
        int(received) if received.isdigit() else 0,
        fields.get(b"exchange"),
        rejected.text(fields.get(b"reason", b"rejected without a reason")),
        _all_fields(fields) if frame is None else frame,
    )
    source, market = (rejected.text(fields.get(name, b"")) for name in (b"source", b"market"))
    return row._replace(source=source or row.source, market=market or None)


def _undecodable(key: str, entry_id: bytes, fields: backlog.Fields, error: Exception) -> RejectedFrame:
    missing = isinstance(error, KeyError)
    reason = f"stream entry has no field {error.args[0].decode()}" if missing else f"stream entry is no event: {error}"
    return _rejection(key, entry_id, 0, key.rpartition(":")[2].encode(), reason, _all_fields(fields))


def _all_fields(fields: backlog.Fields) -> bytes:
    return b"\n".join(name + b"=" + value for name, value in fields.items())


def _rejection(
    key: str, entry_id: bytes, received_ms: int, exchange: bytes | None, reason: str, frame: bytes
) -> RejectedFrame:
    """A row of ``frames_rejected``; without a usable time of receipt it is that of the stream entry."""
    try:
        received = datetime.fromtimestamp((received_ms or backlog.parse_id(entry_id)[0]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        received = datetime.fromtimestamp(backlog.parse_id(entry_id)[0] / 1000, UTC)
    return RejectedFrame(
        f"{key}/{entry_id.decode()}",
        received,
        None if exchange is None else rejected.text(exchange),
        reason.replace("\0", "\\x00"),
        rejected.text(frame),
        Source.STREAM,
    )
