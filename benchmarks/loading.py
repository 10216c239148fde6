"""Redis stream to liquidations_raw, beside a bare binary COPY of the same rows into the same table.

Run by hand: ``python -m benchmarks.loading [--events N] [--database-url U] [--redis-url U]``.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

import click
import psycopg
import redis

from benchmarks.databases import arguments, day_of_events, flavours, servers
from liq_pipeline.settings import Settings
from liq_pipeline.streams import encode_event, events_key
from liq_pipeline.warehouse import loader
from liq_pipeline.warehouse.payload import COLUMNS

TARGET: Final = 0.60
PIPELINE: Final = 5_000
ROUNDS: Final = 5
KEY: Final = events_key("benchmark")


def fill(client: redis.Redis, count: int) -> None:
    """A stream as the collector leaves it."""
    client.flushdb()
    pipeline = client.pipeline(transaction=False)
    for number, (liquidation, received_at, source, raw) in enumerate(day_of_events(count), start=1):
        event = encode_event(liquidation)
        fields = {"event": event, "received_at": received_at, "source": source, "raw": raw}
        pipeline.xadd(KEY, {"event_id": liquidation.event_id, **fields})
        if number % PIPELINE == 0 or number == count:
            pipeline.execute()


def bare_copy(database_url: str) -> float:
    """Seconds to COPY the rows that are in the table into it, emptied, in one go."""
    with psycopg.connect(database_url) as connection:
        with connection.cursor().copy(
            f"COPY (SELECT {COLUMNS} FROM liquidations_raw) TO STDOUT (FORMAT BINARY)".encode()
        ) as copy:
            rows = b"".join(bytes(data) for data in copy)
        connection.execute("TRUNCATE liquidations_raw")
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy(f"COPY liquidations_raw ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.write(rows)
        connection.commit()
        return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, events=200_000)
    with (
        servers(options.database_url, options.redis_url) as (database_url, redis_url),
        redis.Redis.from_url(redis_url) as client,
    ):
        click.echo(f"{options.events:,} events")
        click.echo(f"{'':32}{'bare COPY/s':>14}{'loader/s':>14}{'ratio':>8}{'target':>8}")
        for flavour, url in flavours(database_url):
            ratios = []
            for _ in range(ROUNDS):
                fill(client, options.events)
                # Without the day's state, in which emptied means dropped by retention.
                with psycopg.connect(url) as connection:
                    connection.execute("TRUNCATE liquidations_raw, day_state")
                report = loader.drain(url, redis_url, Settings())
                assert report.new == options.events
                limit, result = (options.events / seconds for seconds in (bare_copy(url), report.seconds))
                ratios.append(result / limit)
                click.echo(f"{flavour:32}{limit:>14,.0f}{result:>14,.0f}{result / limit:>8.0%}")
            ratio = statistics.median(ratios)
            verdict = "met" if ratio >= TARGET else "MISSED"
            click.echo(f"{'median':60}{ratio:>8.0%}{TARGET:>8.0%}  {verdict}")
        client.flushdb()


if __name__ == "__main__":
    main()
