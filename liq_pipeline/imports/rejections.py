"""Rows of files that could not be understood or stored, into ``frames_rejected``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from liq_pipeline.imports.ledger import File
from liq_pipeline.imports.reading import Rejected
from liq_pipeline.imports.record import source_of
from liq_pipeline.warehouse import rejected as table
from liq_pipeline.warehouse.connection import Connection


def record(connection: Connection, file: File, rejected: Iterable[Rejected]) -> None:
    """Record each once: the same row again, from this file or another, has the same identity."""
    rows = {row.stream_id: row for row in (_row(file, item) for item in rejected)}
    table.record(connection, list(rows.values()))


def _row(file: File, item: Rejected) -> table.RejectedFrame:
    reason, frame = item.rejection
    source = source_of(file.format_name)
    digest = hashlib.blake2b(reason.encode() + b"\0" + frame, digest_size=16).hexdigest()
    return table.RejectedFrame(
        stream_id=f"{source}:{file.exchange}:{digest}",
        received_at=datetime.fromtimestamp(item.received_at / 1000, UTC),
        exchange=file.exchange,
        reason=reason,
        frame=table.text(frame),
        source=source,
        market=file.market,
        contract=file.contract,
        ordinal=item.ordinal,
    )
