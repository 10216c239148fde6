"""Rows of ``frames_rejected``: what could not be understood or stored, with all that reading it again will need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from liq_pipeline.warehouse.connection import Connection

_RECORD: Final = """
INSERT INTO frames_rejected (stream_id, received_at, exchange, reason, frame, source, market, contract, ordinal)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (stream_id) DO NOTHING"""


class RejectedFrame(NamedTuple):
    """A row; the columns' comments say what they mean."""

    stream_id: str
    received_at: datetime
    exchange: str | None
    reason: str
    frame: str
    source: str
    market: str | None = None
    contract: str | None = None
    ordinal: int = 0


def record(connection: Connection, rows: Sequence[RejectedFrame]) -> None:
    """Keep these, each once, in the caller's transaction."""
    if rows:
        connection.cursor().executemany(_RECORD, rows)


def text(data: bytes) -> str:
    """UTF-8 as it is; what PostgreSQL's text cannot hold, invalid bytes and NUL, as ``\\xNN``."""
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
