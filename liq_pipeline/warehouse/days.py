"""A day's landed events become its rows of liquidations, liquidations_significant and liquidation_cascades.

One read of the raw rows, one transaction that replaces the three tables' day: readers see all of it or none.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import polars as pl
from psycopg import errors, sql

from liq_pipeline.detection.cascades import detect
from liq_pipeline.detection.columns import Detection
from liq_pipeline.detection.padding import Span, border, initial_range, next_range
from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import day_rows, locks, retention
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_state import DayState, StaleDay, read_states, refusal, stale
from liq_pipeline.warehouse.reach import refuse_unreachable
from liq_pipeline.warehouse.reads import flavour
from liq_pipeline.warehouse.windows import UNLIMITED, utc

__all__ = ["DayReport", "StaleDay", "materialize_events", "stale_days"]

_DAY: Final = timedelta(days=1)
_TIME_COLUMNS: Final = {
    "liquidations": "time",
    "liquidations_significant": "time",
    "liquidation_cascades": "cascade_start",
}
_STORE: Final = """
INSERT INTO day_state AS state (day, materialized_version, settings_hash, border_left, border_right, materialization,
                                materialized_at)
VALUES (%s, %s, %s, %s, %s, 1, now())
ON CONFLICT (day) DO UPDATE SET
    materialized_version = excluded.materialized_version, settings_hash = excluded.settings_hash,
    border_left = excluded.border_left, border_right = excluded.border_right,
    materialization = state.materialization + 1, materialized_at = excluded.materialized_at"""

# Of a compressed chunk TimescaleDB reads every batch for every new row, in search of its key, and deleted batches are
# still there until the commit: the time grows with the square of the rows. An empty chunk is unpacked in no time.
_UNPACK: Final = """
SELECT decompress_chunk(chunk, if_compressed => true)
FROM show_chunks(%(table)s::regclass, newer_than => %(start)s, older_than => %(end)s) AS chunk"""
_PATIENCE: Final = "SET LOCAL lock_timeout = '5s'"
_PATIENCE_ENDS: Final = "SET LOCAL lock_timeout TO DEFAULT"
_BUSY: Final = (errors.LockNotAvailable, errors.DeadlockDetected)


@dataclass(frozen=True)
class DayReport:
    """What a day was made of. When ``rewritten`` is false nothing was read, and the counts are None.

    ``window`` is the span of raw events read, UTC; ``usd`` the day's total; ``seconds`` by phase.
    """

    day: date
    raw_version: int
    rewritten: bool
    rows: int | None = None
    significant: int | None = None
    cascades: int | None = None
    usd: Decimal | None = None
    window: tuple[datetime, datetime] | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class _Phases:
    """Seconds by phase, each lasting until the next begins."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def end(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def materialize_events(database_url: str, day: date, settings: Settings, *, force: bool = False) -> DayReport:
    """Replace the day in the three event tables, unless it is up to date and not ``force``.

    Rows depend on ``liquidations_raw`` and ``settings`` alone, in whatever order days are materialized. Raises
    DayRefusedError for days outside the partitions, beyond retention, or whose events or whose cascades' events were
    dropped by it, ServerError, and nothing half done.
    """
    if reason := refusal(day, settings):
        raise DayRefusedError(reason)
    phases = _Phases()
    with (
        connect(database_url, autocommit=True) as connection,
        locks.session_lock(connection, locks.DAY, locks.day_key(day)),
        connection.transaction(),
    ):
        phases.end("lock")
        if reason := retention.gone(connection, [day]).get(day):
            raise DayRefusedError(reason)
        # Read before the raw rows: what lands in between leaves the day stale, never wrongly fresh.
        states = {state.day: state for state in read_states(connection, day - _DAY, day + _DAY)}
        state = states.get(day, DayState(day, raw_version=0))
        states.setdefault(day, state)
        if not force and not any(found.day == day for found in stale(states.values(), settings)):
            return DayReport(day, state.raw_version, rewritten=False, seconds=phases.seconds)
        loaded, rows, found = _detect(connection, day, settings, phases)
        refuse_unreachable(connection, loaded, found, state, settings)
        enriched = day_rows.enrich(rows, found, day, settings)
        tables = {
            "liquidations": day_rows.liquidations(enriched),
            "liquidations_significant": day_rows.significant(enriched),
            "liquidation_cascades": day_rows.cascades(rows, found, day),
        }
        phases.end("enrich")
        _clear(connection, day)
        for table, new_rows in tables.items():
            _write(connection, table, new_rows)
        span = day_rows.day_span(day)
        borders = (border(found, span.start), border(found, span.end))
        connection.execute(_STORE, (day, state.raw_version, settings.detection_hash, *borders))
        phases.end("write")
    phases.end("commit")
    return DayReport(
        day,
        state.raw_version,
        rewritten=True,
        rows=tables["liquidations"].height,
        significant=tables["liquidations_significant"].height,
        cascades=tables["liquidation_cascades"].height,
        usd=Decimal(int(enriched["value_micro"].cast(pl.Int128).sum())).scaleb(-6),
        window=(utc(loaded.start), utc(loaded.end)),
        seconds=phases.seconds,
    )


def stale_days(database_url: str, settings: Settings) -> list[StaleDay]:
    """Days to materialize again, in order, each with the reason; empty when all tables are up to date.

    Days that have not begun, of events whose venue's clock is ahead, wait until they have.
    """
    with connect(database_url) as connection:
        return stale(read_states(connection, last=datetime.now(UTC).date()), settings)


def _detect(
    connection: Connection, day: date, settings: Settings, phases: _Phases
) -> tuple[Span, pl.DataFrame, Detection]:
    """The rows read, the span they are of, and the cascades in them; certain for everything that touches ``day``."""
    own, params = day_rows.day_span(day), day_rows.params(settings)
    span: Span | None = initial_range(own, params)
    while span is not None:
        loaded = span
        rows = day_rows.read_raw(connection, loaded)
        phases.end("read")
        found = detect(day_rows.as_events(rows), params)
        phases.end("detect")
        span = next_range(loaded, own, found)
    return loaded, rows, found


def _clear(connection: Connection, day: date) -> None:
    """Delete the day's rows, and make its chunks ordinary tables: new rows go into those without a search for each.

    Readers of a compressed day wait from here to the commit; readers that do not end keep it as it is.
    """
    span = day_rows.day_span(day)
    window = {"start": utc(span.start), "end": utc(span.end)}
    connection.execute(UNLIMITED)
    for table, time_column in _TIME_COLUMNS.items():
        # Exactly the chunk: TimescaleDB drops whole compressed batches then, instead of unpacking them.
        delete = sql.SQL("DELETE FROM {table} WHERE {time} >= %(start)s AND {time} < %(end)s")
        connection.execute(delete.format(table=sql.Identifier(table), time=sql.Identifier(time_column)), window)
    if flavour(connection).timescaledb:
        with suppress(*_BUSY), connection.transaction():
            connection.execute(_PATIENCE)
            for table in _TIME_COLUMNS:
                connection.execute(_UNPACK, {"table": table, **window})
            connection.execute(_PATIENCE_ENDS)


def _write(connection: Connection, table: str, rows: pl.DataFrame) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    insert = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT CSV)").format(sql.Identifier(table), columns)
    with connection.cursor().copy(insert) as copy:
        for part in day_rows.as_csv(rows):
            copy.write(part)
