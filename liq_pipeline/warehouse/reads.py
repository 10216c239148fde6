"""What there is to know about the warehouse itself: its flavour, what was rejected, which rollups are behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from psycopg.rows import class_row

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.day_state import refusal
from liq_pipeline.warehouse.rollups import TABLES

_FLAVOUR: Final = """
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS installed,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
       EXISTS (SELECT FROM schema_version WHERE name LIKE '%.timescaledb.sql' AND NOT skipped) AS used,
       current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'apache' AS apache"""
_REJECTIONS: Final = """
SELECT exchange, reason, count(*) AS frames, max(received_at) AS newest
FROM frames_rejected WHERE received_at >= %s
GROUP BY exchange, reason ORDER BY frames DESC, exchange, reason LIMIT %s"""
_COVERAGE: Final = """
SELECT exchange AS feed, collected,
       least(1, covered_seconds / greatest(elapsed_seconds - uncollected_seconds, 0.001)) AS coverage,
       gap_count AS gaps, longest_gap_seconds, healed_seconds, throttled_seconds,
       event_count AS events, feed_semantics AS publishes
FROM feed_coverage WHERE day = %s ORDER BY exchange"""
_BEHIND: Final = """
SELECT name, day_state.day
FROM day_state CROSS JOIN unnest(%s::text[]) AS name
    LEFT JOIN rollup_state ON rollup_state.day = day_state.day AND rollup_state.table_name = name
WHERE day_state.materialization > 0 AND day_state.events_dropped_at IS NULL
    AND rollup_state.materialization IS DISTINCT FROM day_state.materialization
ORDER BY day_state.day, name"""


class Flavour(NamedTuple):
    """Whether the event tables are hypertables; ``text`` says so in words."""

    timescaledb: bool
    text: str


@dataclass(frozen=True)
class Rejections:
    """How often an exchange's frames were rejected for one reason, and when last."""

    exchange: str | None
    reason: str
    frames: int
    newest: datetime


@dataclass(frozen=True)
class FeedCoverage:
    """How much of a day was seen of a feed, in the table's words; ``coverage`` is since it was first collected ever."""

    feed: str
    coverage: Decimal
    collected: bool
    gaps: int
    longest_gap_seconds: Decimal
    healed_seconds: Decimal
    throttled_seconds: Decimal
    events: int
    publishes: str


class BehindRollup(NamedTuple):
    """A rollup that was not summed again since its day was rewritten."""

    table: str
    day: date


def flavour(connection: Connection) -> Flavour:
    """TimescaleDB or plain PostgreSQL, as the schema was made."""
    row = connection.execute(_FLAVOUR).fetchone()
    installed, available, used, apache = row or (None, None, False, False)
    if used:
        return Flavour(True, f"TimescaleDB {installed}")
    if apache:
        lacks = "which has neither continuous aggregates nor compression nor policies"
        return Flavour(False, f"plain PostgreSQL: TimescaleDB {available} is there in its Apache-only edition, {lacks}")
    if installed or available:
        text = f"plain PostgreSQL: TimescaleDB {installed or available} is there; `liq migrate --to-timescaledb` moves"
        return Flavour(False, text)
    return Flavour(False, "plain PostgreSQL")


def rejections(connection: Connection, since: datetime, limit: int = 20) -> list[Rejections]:
    """The most frequent reasons of rejection since ``since``."""
    with connection.cursor(row_factory=class_row(Rejections)) as cursor:
        return cursor.execute(_REJECTIONS, (since, limit)).fetchall()


def coverage_of(connection: Connection, day: date) -> list[FeedCoverage]:
    """What is known by now of the day's coverage, by feed."""
    with connection.cursor(row_factory=class_row(FeedCoverage)) as cursor:
        return cursor.execute(_COVERAGE, (day,)).fetchall()


def behind_rollups(connection: Connection, settings: Settings) -> list[BehindRollup]:
    """Rollups to materialize again although their day is not stale; not of days that may not be materialized."""
    found = [BehindRollup(*row) for row in connection.execute(_BEHIND, (list(TABLES),)).fetchall()]
    return [item for item in found if refusal(item.day, settings) is None]
