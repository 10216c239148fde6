"""Sums of a day's liquidations: by hour, by price level, by exchange.

Continuous aggregates on TimescaleDB, refreshed for exactly the day; tables elsewhere, replaced in one transaction.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import errors, sql

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import locks, retention
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_state import refusal

TABLES: Final = {
    "liquidations_hourly": "hour",
    "liquidation_price_levels": "hour",
    "liquidation_exchange_comparison": "period",
}
"""The rollups, and the time column of each."""
TOTALS: Final = "liquidation_totals"
_SUMMED: Final = "liquidations_hourly"
"""Its hours without symbols are TOTALS: the same step writes both."""
_TIMES: Final = {**TABLES, TOTALS: "hour"}

_VERSIONS: Final = """
SELECT coalesce((SELECT materialization FROM day_state WHERE day = %(day)s), 0),
       (SELECT materialization FROM rollup_state WHERE table_name = %(table)s AND day = %(day)s)"""
_STORE: Final = """
INSERT INTO rollup_state (table_name, day, materialization, materialized_at) VALUES (%s, %s, %s, now())
ON CONFLICT (table_name, day) DO UPDATE SET
    materialization = excluded.materialization, materialized_at = excluded.materialized_at"""

_REFRESH: Final = (
    "CALL refresh_continuous_aggregate(%(table)s, %(start)s::timestamptz, %(end)s::timestamptz, force => true)"
)
# PostgreSQL takes the day for 5,000 rows, since it cannot estimate TimescaleDB's condition on buckets, and would sort
# them by text to group them; hashing takes a third off the time of a million.
_BY_HASH: Final = "SET enable_sort = off"
_BUSY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_REFRESH_SECONDS: Final = 300
"""How long to wait for refreshes of other days that touch the same catalogue rows."""


@dataclass(frozen=True)
class RollupReport:
    """What a rollup of a day was made of; ``rows`` is None when it was up to date and not ``rewritten``.

    ``materialization`` is the day's, as in ``day_state``.
    """

    table: str
    day: date
    materialization: int
    rewritten: bool
    rows: int | None
    seconds: float


def materialize(database_url: str, table: str, day: date, settings: Settings, *, force: bool = False) -> RollupReport:
    """Sum ``liquidations`` of the day into ``table``, unless that was done since the day was last rewritten.

    Raises DayRefusedError for days outside the partitions or beyond retention, ServerError, and nothing half done.
    """
    if reason := refusal(day, settings):
        raise DayRefusedError(reason)
    started = time.monotonic()
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = {"start": start, "end": start + timedelta(days=1)}
    with (
        connect(database_url, autocommit=True) as connection,
        locks.session_lock(connection, locks.DAY, locks.day_key(day)),
    ):
        if reason := retention.gone(connection, [day]).get(day):
            raise DayRefusedError(reason)
        made, summed = connection.execute(_VERSIONS, {"day": day, "table": table}).fetchone() or (0, None)
        rows = None
        if force or made != summed:
            make = _refresh if _is_aggregate(connection, table) else _replace
            rows = make(connection, table, window)
            if table == _SUMMED:
                _replace(connection, TOTALS, window)
            # A refresh has committed by now: a crash in between repeats it.
            connection.execute(_STORE, (table, day, made))
    return RollupReport(table, day, made, rows is not None, rows, round(time.monotonic() - started, 3))


def _is_aggregate(connection: Connection, table: str) -> bool:
    row = connection.execute("SELECT relkind = 'v' FROM pg_class WHERE oid = %s::regclass", (table,)).fetchone()
    return row is not None and bool(row[0])


def _replace(connection: Connection, table: str, window: dict[str, datetime]) -> int:
    delete = sql.SQL("DELETE FROM {table} WHERE {time} >= %(start)s AND {time} < %(end)s").format(
        table=sql.Identifier(table), time=sql.Identifier(_TIMES[table])
    )
    with connection.transaction():
        connection.execute(delete, window)
        return connection.execute(_statement(table), window).rowcount


def _refresh(connection: Connection, table: str, window: dict[str, datetime]) -> int:
    """Refresh the day, whatever TimescaleDB believes has changed, and count its rows; waits for other refreshes.

    In no transaction, as it commits by itself, and with bounds in UTC: a bucket that is only partly in the window
    would be left out.
    """
    connection.execute(_BY_HASH)
    deadline = time.monotonic() + _REFRESH_SECONDS
    while True:
        try:
            connection.execute(_REFRESH, {"table": table, **window})
            break
        except _BUSY:
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.5))
    count = sql.SQL("SELECT count(*) FROM {table} WHERE {time} >= %(start)s AND {time} < %(end)s").format(
        table=sql.Identifier(table), time=sql.Identifier(TABLES[table])
    )
    row = connection.execute(count, window).fetchone()
    return int(row[0]) if row else 0


def _statement(table: str) -> bytes:
    return (Path(__file__).parent / f"{table}.sql").read_bytes()
