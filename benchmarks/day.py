"""A whole day from raw rows to all tables and rollups, beside copying its rows out of and into PostgreSQL.

Run by hand: ``python -m benchmarks.day [--events N] [--database-url U]``.
"""

from __future__ import annotations

import resource
import time
from datetime import UTC, datetime
from typing import Final

import click
import psycopg

from benchmarks.databases import DAY_MS, DAY_START, arguments, day_of_events, flavours, servers
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import coverage, days, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows

TARGET: Final = 3.0
BATCH: Final = 50_000
KEEP: Final = Settings(retention_days=0)
DAY: Final = datetime.fromtimestamp(DAY_START / 1000, UTC).date()


def land(database_url: str, count: int) -> None:
    """The day's raw rows, as the loader would have left them."""
    batch: list[Entry] = []
    with connect(database_url) as connection:
        for entry in day_of_events(count):
            batch.append(entry)
            if len(batch) == BATCH:
                insert_rows(connection, batch)
                batch.clear()
        insert_rows(connection, batch)
    with connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE liquidations_raw")


def out_and_in(database_url: str) -> float:
    """Seconds to COPY the day's enriched rows out and into a table of the same shape and keys."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE limit_of_copying (LIKE liquidations INCLUDING ALL)")
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy("COPY (SELECT * FROM liquidations) TO STDOUT (FORMAT BINARY)") as copy:
            rows = b"".join(bytes(data) for data in copy)
        with connection.cursor().copy("COPY limit_of_copying FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(rows)
        connection.commit()
        return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, events=1_000_000)
    with servers(options.database_url, options.redis_url) as (database_url, redis_url):
        click.echo(f"{options.events:,} events of one day, raw rows to three tables, three rollups and coverage")
        click.echo(f"{'':32}{'COPY out+in':>14}{'the day':>14}{'ratio':>8}{'target':>8}")
        for flavour, url in flavours(database_url):
            land(url, options.events)
            begun = time.perf_counter()
            report = days.materialize_events(url, DAY, KEEP)
            middle = time.perf_counter()
            for table in rollups.TABLES:
                rollups.materialize(url, table, DAY, KEEP)
            summed = time.perf_counter()
            coverage.materialize(url, redis_url, DAY, KEEP, DAY_START + 2 * DAY_MS)
            result = time.perf_counter() - begun
            limit = out_and_in(url)
            verdict = "met" if result <= TARGET * limit else "MISSED"
            click.echo(f"{flavour:32}{limit:>12.2f} s{result:>12.2f} s{result / limit:>8.2f}{TARGET:>8.2f}  {verdict}")
            phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in report.seconds.items())
            click.echo(f"    {phases}, rollups {summed - middle:.2f}, coverage {begun + result - summed:.2f} s")
            click.echo(f"    {report.cascades} cascades")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        click.echo(f"peak memory of this process {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
