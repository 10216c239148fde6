"""Dropping what is beyond retention: where no policy of TimescaleDB does, or did."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from psycopg import sql

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import locks, policies, retention
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_state import derived_kept_from, kept_from
from liq_pipeline.warehouse.reads import flavour

_TO_DROP: Final = """
SELECT day FROM day_state WHERE day < %s AND raw_version > 0 AND events_dropped_at IS NULL ORDER BY day"""
_DROPPED: Final = "UPDATE day_state SET events_dropped_at = now() WHERE day = %s"
_DELETE_DAY: Final = "DELETE FROM {} WHERE {} >= %(day)s AND {} < %(day)s + interval '1 day'"
_DELETE_BEFORE: Final = "DELETE FROM {} WHERE {} < %s"
_ALWAYS: Final = (
    ("frames_rejected", "received_at"),
    ("liquidation_totals", "hour"),
    ("feed_gaps", "started_at"),
    ("feed_coverage", "day"),
    ("live_cascades", "cascade_start"),
    ("live_late_events", "time"),
    ("live_blind_spans", "ended_at"),
    ("cascade_alerts", "at"),
    ("alert_messages", "at"),
    ("incidents", "healed_at"),
    # A day that is never made again cannot heal.
    ("incidents", "day"),
)
"""Plain tables on TimescaleDB, too: no policy drops from them."""


class Dropped(NamedTuple):
    """What a run of ``drop`` did: days that have lost their events, rows deleted by table, and policies it ran."""

    days: list[date]
    rows: dict[str, int]
    policies: list[str]


def drop(database_url: str, settings: Settings, today: date | None = None) -> Dropped:
    """Delete what is beyond retention as far as policies do not, and note the days that lost their events.

    Policies that should have run and did not are run here. On plain PostgreSQL a day's events go in one transaction,
    under the day's lock and that of landing: nobody makes a day of the half that is left. Raises ServerError; what was
    dropped by then stays dropped, and noted.
    """
    kept, derived_kept = kept_from(settings, today), derived_kept_from(settings, today)
    rows: dict[str, int] = {}
    with connect(database_url, autocommit=True) as connection:
        if flavour(connection).timescaledb:
            ran = policies.run_overdue(connection)
            days = retention.note(connection)
            tables = dict[str, str]()
        else:
            ran, days = [], _drop_days(connection, kept, rows) if kept else []
            tables = retention.DERIVED
        if derived_kept:
            for table, column in (*_ALWAYS, *tables.items()):
                delete = sql.SQL(_DELETE_BEFORE).format(sql.Identifier(table), sql.Identifier(column))
                deleted = connection.execute(delete, (_midnight(derived_kept),)).rowcount
                rows[table] = rows.get(table, 0) + deleted
    return Dropped(days, rows, ran)


def _drop_days(connection: Connection, kept: date, rows: dict[str, int]) -> list[date]:
    days = [day for (day,) in connection.execute(_TO_DROP, (kept,)).fetchall()]
    for day in days:
        with locks.session_lock(connection, locks.DAY, locks.day_key(day)):
            _drop_day(connection, day, rows)
    return days


def _drop_day(connection: Connection, day: date, rows: dict[str, int]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (locks.LANDING, 0))
        for table, column in retention.EVENTS.items():
            name, time = sql.Identifier(table), sql.Identifier(column)
            delete = sql.SQL(_DELETE_DAY).format(name, time, time)
            rows[table] = rows.get(table, 0) + connection.execute(delete, {"day": _midnight(day)}).rowcount
        connection.execute(_DROPPED, (day,))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
