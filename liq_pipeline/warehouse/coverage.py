"""How much of each feed was seen: what collectors claimed, what history healed, and the tables of a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.windows import utc

_HEAL: Final = """
INSERT INTO feed_heals (feed, started_at, ended_at, healed_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_CHANGED: Final = """
INSERT INTO coverage_state AS state (day, version) SELECT unnest(%s::date[]), 1
ON CONFLICT (day) DO UPDATE SET version = state.version + 1"""
_DAY: Final = timedelta(days=1)


def record_heal(connection: Connection, feed: str, start_ms: int, end_ms: int, now_ms: int) -> None:
    """Note that everything the venue's history has of [``start_ms``, ``end_ms``) has landed; UTC milliseconds.

    Call it when Redis has acknowledged the events, and for what the answers really covered. The days' coverage is made
    again by itself. A span that was healed before keeps the time it was first healed at.
    """
    if connection.execute(_HEAL, (feed, utc(start_ms), utc(end_ms), utc(now_ms))).rowcount:
        mark_changed(connection, days_of(start_ms, end_ms))


def mark_changed(connection: Connection, days: Iterable[date]) -> None:
    """Make the coverage of ``days`` stale."""
    connection.execute(_CHANGED, (sorted(days),))


def days_of(start_ms: int, end_ms: int) -> list[date]:
    """The UTC days that [``start_ms``, ``end_ms``) touches."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (start_ms, end_ms - 1))
    return [first + n * _DAY for n in range((last - first).days + 1)]
