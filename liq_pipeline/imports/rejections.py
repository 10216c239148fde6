"""Rows of files that could not be understood or stored, into ``frames_rejected``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from liq_pipeline.imports.ledger import File
from liq_pipeline.imports.reading import Rejected
from liq_pipeline.imports.record import source_of
from liq_pipeline.warehouse.connection import Connection

_RECORD: Final = (Path(__file__).parent / "record_rejection.sql").read_text("utf-8")


def record(connection: Connection, file: File, rejected: Iterable[Rejected]) -> None:
    """Record each once: the same row again, from this file or another, has the same identity."""
    rows = {row["stream_id"]: row for row in (_row(file, item) for item in rejected)}
    if rows:
        connection.cursor().executemany(_RECORD, list(rows.values()))


def _row(file: File, item: Rejected) -> dict[str, object]:
    reason, frame = item.rejection
    source = source_of(file.format_name)
    digest = hashlib.blake2b(reason.encode() + b"\0" + frame, digest_size=16).hexdigest()
    return {
        "stream_id": f"{source}:{file.exchange}:{digest}",
        "received_at": item.received_at,
        "exchange": file.exchange,
        "reason": reason,
        "frame": frame.decode(errors="backslashreplace").replace("\0", "\\x00"),
        "source": source,
        "market": file.market,
        "contract": file.contract,
    }
