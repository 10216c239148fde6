"""How much of each feed was seen: what collectors claimed, what history healed, and the tables of a day.

A day's rows of ``feed_gaps`` and ``feed_coverage`` are a function of ``feed_spans``, ``feed_notes``, ``feed_heals`` and
the day's raw events; of the week before, where a silent venue has to be told from a small one; and, while the day
lasts, of the time up to which they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage_claims, coverage_known, locks, retention
from liq_pipeline.warehouse import coverage_rules as rules
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import LOADER, Connection, connect
from liq_pipeline.warehouse.coverage_claims import ClaimsReport, days_of, mark_changed
from liq_pipeline.warehouse.coverage_feed import FeedDay, feed_days
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.day_state import StaleDay, kept_from, refusal
from liq_pipeline.warehouse.windows import in_day, utc

__all__ = ["ClaimsReport", "CoverageReport", "FeedDay", "drain_claims", "materialize", "record_heal", "stale"]

_ON_THE_WAY_MS: Final = 60_000
"""A connection proves itself within 20 s, or 45 s if an answer is lost, and claims every 5 s: what was not claimed
after so long is not covered."""
_CLOSED: Final = timedelta(minutes=15)
"""So long after midnight the schedule close_yesterday has made the day for the last time."""

_HEAL: Final = """
INSERT INTO feed_heals (feed, started_at, ended_at, healed_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_VERSION: Final = "SELECT version FROM coverage_state WHERE day = %s"
_STORE: Final = """
INSERT INTO coverage_state (day, version, materialized_version, materialized_at)
VALUES (%(day)s, 0, %(version)s, %(at)s)
ON CONFLICT (day) DO UPDATE SET
    materialized_version = excluded.materialized_version, materialized_at = excluded.materialized_at"""
_CLEAR_GAPS: Final = "DELETE FROM feed_gaps WHERE started_at >= {start} AND started_at < {end}"
_CLEAR_COVERAGE: Final = "DELETE FROM feed_coverage WHERE day = {day}"
_GAP: Final = "INSERT INTO feed_gaps (exchange, started_at, ended_at, reason, healed_at) VALUES (%s, %s, %s, %s, %s)"
_COVERAGE: Final = """
INSERT INTO feed_coverage (
    exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds, event_count, saturation, complete,
    elapsed_seconds, healed_seconds, down_seconds, silent_seconds, overloaded_seconds, throttled_seconds, collected,
    uncollected_seconds, feed_semantics)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_STALE: Final = """
SELECT days.day::date, coalesce(version, 0)
FROM generate_series((SELECT min(day) FROM feed_spans), %(last)s::date, interval '1 day') AS days (day)
    LEFT JOIN coverage_state AS state ON state.day = days.day::date
WHERE materialized_version IS DISTINCT FROM coalesce(version, 0)
    OR materialized_at < days.day + interval '1 day 1 minute'
ORDER BY 1"""


@dataclass(frozen=True)
class CoverageReport:
    """What a day's coverage was made of; ``until`` is up to when, in UTC milliseconds."""

    day: date
    until: int
    feeds: tuple[FeedDay, ...]
    claims: ClaimsReport


def record_heal(connection: Connection, feed: str, start_ms: int, end_ms: int, now_ms: int) -> None:
    """Note that everything the venue's history has of [``start_ms``, ``end_ms``) has landed; UTC milliseconds.

    Call it when Redis has acknowledged the events, and for what the answers really covered. The days' coverage is made
    again by itself. A span that was healed before keeps the time it was first healed at.
    """
    if connection.execute(_HEAL, (feed, utc(start_ms), utc(end_ms), utc(now_ms))).rowcount:
        mark_changed(connection, days_of(start_ms, end_ms))


def drain_claims(database_url: str, redis_url: str) -> ClaimsReport:
    """Keep what collectors have claimed and noted in Redis; raises ServerError."""
    with open_redis(redis_url) as client, connect(database_url, autocommit=True, role=LOADER) as connection:
        return coverage_claims.drain(client, connection)


def materialize(database_url: str, redis_url: str, day: date, settings: Settings, now_ms: int) -> CoverageReport:
    """Replace the day in ``feed_gaps`` and ``feed_coverage`` by what is known by now.

    Raises DayRefusedError for days outside the partitions, beyond retention, or whose events were dropped by it: of
    those stays what was made before. Raises ServerError, and nothing half done.
    """
    if reason := refusal(day, settings):
        raise DayRefusedError(reason)
    claims = drain_claims(database_url, redis_url)
    with (
        connect(database_url, autocommit=True) as connection,
        locks.session_lock(connection, locks.DAY, locks.day_key(day)),
        connection.transaction(),
    ):
        if reason := retention.gone(connection, [day]).get(day):
            raise DayRefusedError(reason)
        # Before the rest: what is claimed in between leaves the day stale, never wrongly fresh.
        (version,) = connection.execute(_VERSION, (day,)).fetchone() or (0,)
        start, end = day_span(day)
        until = max(start, min(end, now_ms - _ON_THE_WAY_MS))
        feeds = tuple(feed_days(coverage_known.read(connection, day), start, until, settings))
        _replace(connection, day, feeds)
        connection.execute(_STORE, {"day": day, "version": version, "at": utc(now_ms)})
    return CoverageReport(day, until, feeds, claims)


def stale(connection: Connection, settings: Settings, now: datetime) -> list[StaleDay]:
    """Past days whose coverage is not made of all that is known, from the first day anything was claimed."""
    last = (now - _CLOSED).date() - timedelta(1)
    found = connection.execute(_STALE, {"last": last}).fetchall()
    dropped = retention.gone(connection, [day for day, _ in found])
    kept = max(settings.start_date, kept_from(settings, now.date()) or date.min)
    return [
        StaleDay(day, f"more is known of what was seen of it (version {version})")
        for day, version in found
        if day >= kept and day not in dropped
    ]


def _replace(connection: Connection, day: date, feeds: Sequence[FeedDay]) -> None:
    connection.execute(in_day(_CLEAR_GAPS, day))
    connection.execute(in_day(_CLEAR_COVERAGE, day))
    with connection.cursor() as cursor:
        cursor.executemany(
            _GAP,
            [
                (feed.feed, utc(gap.start), utc(gap.end), gap.reason, gap.healed_at and utc(gap.healed_at))
                for feed in feeds
                for gap in feed.seen.gaps
            ],
        )
        cursor.executemany(_COVERAGE, [_row(day, feed) for feed in feeds])


def _row(day: date, feed: FeedDay) -> tuple[object, ...]:
    seen = feed.seen
    by_reason = (seen.by_reason[name] for name in (rules.DOWN, rules.SILENT, rules.OVERLOADED, rules.THROTTLED))
    return (
        *(feed.feed, day, _seconds(seen.covered), feed.coverage, len(seen.reducing), _seconds(seen.longest)),
        *(feed.event_count, feed.saturation, feed.complete, _seconds(seen.elapsed), _seconds(seen.healed)),
        *map(_seconds, by_reason),
        *(feed.uncollected < seen.elapsed, _seconds(feed.uncollected), ",".join(feed.semantics)),
    )


def _seconds(milliseconds: int) -> Decimal:
    return Decimal(milliseconds).scaleb(-3)
