"""A day of events on TimescaleDB: disk before and after compression, replacing and refreshing a compressed day.

Run by hand: ``python -m benchmarks.storage [--events N] [--database-url U]``. ``--layouts`` also compares other ways to
compress, from which that of sql/ was chosen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import click
import psycopg

from benchmarks.databases import arguments, flavours, servers
from benchmarks.day import DAY, KEEP, land, out_and_in
from liq_pipeline.warehouse import days, reads, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.policies import COMPRESSED

REPLACE_TARGET: Final = 3.0
REFRESH_TARGET: Final = 1.0
LAYOUTS: Final = (
    ("", "time, event_id"),
    ("", "symbol, time, event_id"),
    ("", "exchange, symbol, time, event_id"),
    ("exchange", "time"),
    ("exchange", "symbol, time"),
    ("symbol", "time"),
    ("symbol", "exchange, time"),
    ("exchange, symbol", "time"),
)
_SIZE: Final = "SELECT hypertable_size(%s::regclass)"
_COMPRESS: Final = "SELECT compress_chunk(chunk) FROM show_chunks(%s::regclass) AS chunk"
_BOUNDS: Final = "time >= '2025-12-10+00' AND time < '2025-12-11+00'"


def main() -> None:
    """Print the tables."""
    options = arguments(__doc__, events=1_000_000, layouts="also compare other ways to compress")
    with servers(options.database_url, options.redis_url) as (database_url, _):
        for _, url in flavours(database_url):
            with connect(url) as connection:
                if not reads.flavour(connection).timescaledb:
                    continue
            land(url, options.events)
            made = days.materialize_events(url, DAY, KEEP)
            click.echo(f"{options.events:,} events of one day, {made.cascades} cascades")
            _storage(url, options.events)
            _replace_and_refresh(url)
            if options.layouts:
                _layouts(url)


def _storage(url: str, events: int) -> None:
    click.echo(f"{'MB per million events':32}{'before':>14}{'after':>14}{'ratio':>8}")
    with psycopg.connect(url, autocommit=True) as connection:
        for table in COMPRESSED:
            before = _value(connection, _SIZE, table)
            connection.execute(_COMPRESS, (table,))
            after = _value(connection, _SIZE, table)
            # Bytes an event are megabytes a million.
            click.echo(f"{table:32}{before / events:>14.1f}{after / events:>14.1f}{before / after:>7.1f}x")


def _replace_and_refresh(url: str) -> None:
    click.echo(f"{'':32}{'limit':>14}{'result':>14}{'ratio':>8}{'target':>8}")
    seconds = _seconds(lambda: days.materialize_events(url, DAY, KEEP, force=True))
    limit = out_and_in(url)
    verdict = "met" if seconds <= REPLACE_TARGET * limit else "MISSED"
    click.echo(
        f"{'replacing it, compressed':32}{limit:>12.2f} s{seconds:>12.2f} s{seconds / limit:>8.2f}"
        f"{REPLACE_TARGET:>8.2f}  {verdict}"
    )
    each = {table: _seconds(lambda t=table: rollups.materialize(url, t, DAY, KEEP)) for table in rollups.TABLES}  # type: ignore[misc]
    total = sum(each.values())
    verdict = "met" if total <= REFRESH_TARGET else "MISSED"
    click.echo(f"{'refreshing its rollups':32}{REFRESH_TARGET:>12.2f} s{total:>12.2f} s{'':16}  {verdict}")
    click.echo("    " + ", ".join(f"{table} {spent:.2f} s" for table, spent in each.items()))


def _layouts(url: str) -> None:
    click.echo(f"{'table':18}{'segments':18}{'order':36}{'MB':>8}{'read day':>10}{'symbol, 2 h':>13}{'late row':>10}")
    for table in COMPRESSED[:2]:
        for segments, order in LAYOUTS:
            with psycopg.connect(url, autocommit=True) as connection:
                figures = _layout(connection, table, segments, order)
            click.echo(f"{table:18}{segments or '-':18}{order:36}" + figures)


def _layout(connection: psycopg.Connection[Any], table: str, segments: str, order: str) -> str:
    for statement in (
        "SET client_min_messages = error",
        "DROP TABLE IF EXISTS layout",
        f"CREATE TABLE layout (LIKE {table} INCLUDING ALL)",
        "SELECT create_hypertable('layout', by_range('time', INTERVAL '1 day'), create_default_indexes => false)",
        f"INSERT INTO layout SELECT * FROM {table}",
        "ALTER TABLE layout SET (timescaledb.enable_columnstore,"
        f" timescaledb.segmentby = '{segments}', timescaledb.orderby = '{order}')",
        "SELECT compress_chunk(chunk) FROM show_chunks('layout') AS chunk",
        "VACUUM ANALYZE layout",
    ):
        connection.execute(statement.encode())
    size = _value(connection, _SIZE, "layout")
    day = _seconds(lambda: connection.execute(f"SELECT * FROM layout WHERE {_BOUNDS}".encode()).fetchall())
    two_hours = "time >= '2025-12-10 10:00+00' AND time < '2025-12-10 12:00+00'"
    symbol = f"SELECT sum(value_usd) FROM layout WHERE symbol = 'COIN7USDT' AND {two_hours}"
    one = _seconds(lambda: connection.execute(symbol.encode()).fetchall())
    keys = connection.execute(f"SELECT time, event_id FROM {table} LIMIT 20".encode()).fetchall()
    again = f"INSERT INTO layout SELECT * FROM {table} WHERE time = %s AND event_id = %s ON CONFLICT DO NOTHING"
    late = _seconds(lambda: [connection.execute(again.encode(), key) for key in keys]) / len(keys)
    return f"{size / 1e6:>8.1f}{day:>8.2f} s{one * 1000:>10.1f} ms{late * 1000:>7.1f} ms"


def _value(connection: psycopg.Connection[Any], statement: str, table: str) -> int:
    row = connection.execute(statement.encode(), (table,)).fetchone()
    assert row is not None
    return int(row[0])


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
