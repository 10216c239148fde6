"""Statements about one UTC day, and their rows in batches.

Bounds are literals, known while planning: that leaves TimescaleDB one chunk to look into, and deletes from compressed
chunks need whole days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, LiteralString

from psycopg import sql

from liq_pipeline.warehouse.connection import Connection

UNLIMITED: Final = "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0"
"""For transactions that change compressed chunks, which TimescaleDB otherwise ends at 100,000 rows; without meaning,
and harmless, on plain PostgreSQL."""


def utc(milliseconds: int) -> datetime:
    """A time of ours as PostgreSQL takes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def in_day(statement: LiteralString, day: date, **values: object) -> sql.Composed:
    """``statement`` with its ``{day}``, ``{start}`` and ``{end}`` (excluded), and ``values``, as literals."""
    start = datetime.combine(day, time(), UTC)
    bounds = {"day": day, "start": start, "end": start + timedelta(days=1)}
    return sql.SQL(statement).format(**{name: sql.Literal(value) for name, value in (bounds | values).items()})


def batches(connection: Connection, statement: sql.Composed | sql.SQL, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """The statement's rows as they are now, ``size`` at a time; within the caller's transaction."""
    with connection.cursor(name="batches") as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(size):
            yield rows
