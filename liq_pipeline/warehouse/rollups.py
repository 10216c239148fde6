"""Sums of a day's liquidations: by hour, by price level, by exchange. Each replaced in one transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import sql

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import locks
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.day_state import refusal

TABLES: Final = {
    "liquidations_hourly": "hour",
    "liquidation_price_levels": "hour",
    "liquidation_exchange_comparison": "period",
}
"""The rollups, and the time column of each."""

_VERSIONS: Final = """
SELECT coalesce((SELECT materialization FROM day_state WHERE day = %(day)s), 0),
       (SELECT materialization FROM rollup_state WHERE table_name = %(table)s AND day = %(day)s)"""
_STORE: Final = """
INSERT INTO rollup_state (table_name, day, materialization, materialized_at) VALUES (%s, %s, %s, now())
ON CONFLICT (table_name, day) DO UPDATE SET
    materialization = excluded.materialization, materialized_at = excluded.materialized_at"""


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
    delete = sql.SQL("DELETE FROM {table} WHERE {time} >= %(start)s AND {time} < %(end)s").format(
        table=sql.Identifier(table), time=sql.Identifier(TABLES[table])
    )
    with (
        connect(database_url, autocommit=True) as connection,
        locks.session_lock(connection, locks.DAY, locks.day_key(day)),
        connection.transaction(),
    ):
        made, summed = connection.execute(_VERSIONS, {"day": day, "table": table}).fetchone() or (0, None)
        rows = None
        if force or made != summed:
            connection.execute(delete, window)
            rows = connection.execute(_statement(table), window).rowcount
            connection.execute(_STORE, (table, day, made))
    return RollupReport(table, day, made, rows is not None, rows, round(time.monotonic() - started, 3))


def _statement(table: str) -> bytes:
    return (Path(__file__).parent / f"{table}.sql").read_bytes()
