"""Every query of the read API over 90 days of 50,000 events, beside the limit of 200 ms.

Run by hand: ``python -m benchmarks.queries [--events N] [--database-url U]``, events being those of a day; ``--plain``
measures plain PostgreSQL as well. The events are made in the database, straight into the tables: 300 symbols, a few of
which have most of the events, a fifth of the events in 60 cascades a day. Chunks older than a week are compressed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

import click
import polars as pl
from psycopg import sql

from benchmarks.databases import arguments, flavours, servers
from liq_pipeline import queries
from liq_pipeline.queries import Span, Store
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.policies import COMPRESS_AFTER_DAYS, COMPRESSED

DAYS: Final = 90
LAST: Final = date(2025, 12, 10)
FIRST: Final = LAST - timedelta(days=DAYS - 1)
LIMIT_MS: Final = 200
ROUNDS: Final = 15
SYMBOLS: Final = (None, "BTCUSDT", "COIN250USDT")
"""No symbol, the one with the most events, one with few."""

_EVENTS: Final = """
INSERT INTO liquidations
SELECT time, md5({day} || '-' || n)::uuid, exchange, 'linear', symbol, symbol, side, price, 'fill',
       round(value_usd / price, 8), value_usd, NULL, time + interval '1 second', 'stream', 'throttled-1s-latest',
       burst IS NOT NULL, CASE WHEN burst IS NOT NULL THEN md5({day} || '/' || burst)::uuid END,
       CASE WHEN burst IS NOT NULL THEN round(random()::numeric, 6) END, value_usd >= 100000,
       floor(price / width) * width
FROM (
    SELECT *, CASE rank WHEN 1 THEN 'BTCUSDT' WHEN 2 THEN 'ETHUSDT' ELSE 'COIN' || rank || 'USDT' END AS symbol,
           CASE WHEN rank < 3 THEN 100 ELSE 10 ^ floor(log(90.0 / rank ^ 2))::numeric END AS width,
           round((90000.0 / rank ^ 2 * (0.99 + 0.02 * random()))::numeric, 6) AS price,
           round((2000 / (1 - random()) ^ 0.8)::numeric, 6) AS value_usd,
           (ARRAY['binance', 'bybit', 'okx'])[1 + floor(3 * random())::integer] AS exchange,
           CASE WHEN random() < 0.5 THEN 'LONG' ELSE 'SHORT' END AS side
    FROM (
        SELECT n, CASE WHEN n % 5 = 0 THEN n / 5 % 60 END AS burst,
               CASE WHEN n % 5 = 0 THEN 1 + n / 5 % 60 % 20 ELSE floor(exp(random() * ln(301)))::integer END AS rank,
               {start} + CASE WHEN n % 5 = 0 THEN n / 5 % 60 * interval '24 minutes' + n / 300 * interval '300 ms'
                         ELSE date_trunc('milliseconds', n * interval '1 day' / {events}) END AS time
        FROM generate_series(0, {events} - 1) AS n
    ) AS placed
) AS drawn"""
_SIGNIFICANT: Final = """
INSERT INTO liquidations_significant
SELECT time, event_id, exchange, symbol, side, price, quantity, value_usd, is_cascade, cascade_id,
       CASE WHEN is_cascade THEN 166 END, risk_score, 'european'
FROM liquidations WHERE time >= {start} AND time < {end} AND (is_cascade OR is_significant)"""
_CASCADES: Final = """
INSERT INTO liquidation_cascades
SELECT cascade_id, min(symbol), date_trunc('hour', min(time)), min(time), max(time),
       extract(epoch FROM max(time) - min(time)), count(*), sum(value_usd), avg(risk_score), max(risk_score),
       array_agg(DISTINCT exchange), count(DISTINCT exchange), count(*) FILTER (WHERE side = 'LONG'),
       count(*) FILTER (WHERE side = 'SHORT'), count(*), max(value_usd), min(price), max(price)
FROM liquidations_significant WHERE time >= {start} AND time < {end} AND is_cascade GROUP BY cascade_id"""
_STATE: Final = """
INSERT INTO day_state (day, raw_version, materialized_version, materialization, materialized_at, settings_hash)
VALUES ({day}, 0, 0, 1, {end}, {settings})"""
_COVERAGE: Final = """
INSERT INTO feed_coverage (exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds, event_count,
                           complete, feed_semantics)
SELECT exchange, {day}, 86000, 0.9954, 40, 100, {events} / 3, exchange = 'bybit', 'throttled-1s-latest'
FROM unnest(ARRAY['binance', 'bybit', 'okx']) AS exchange"""
_GAPS: Final = """
INSERT INTO feed_gaps
SELECT exchange, {start} + n * interval '30 minutes', {start} + n * interval '30 minutes' + interval '10 seconds',
       'down', NULL
FROM unnest(ARRAY['binance', 'bybit', 'okx']) AS exchange, generate_series(0, 39) AS n"""
_COMPRESS: Final = """
SELECT compress_chunk(chunk, if_not_compressed => true)
FROM show_chunks(%s::regclass, older_than => %s::timestamptz) AS chunk"""


def main() -> None:
    """Print a table for each flavour."""
    options = arguments(__doc__, events=50_000, plain="measure plain PostgreSQL as well")
    with servers(options.database_url, "redis://127.0.0.1:1/0") as (database_url, _):
        for flavour, url in flavours(database_url):
            if flavour == "plain PostgreSQL" and not options.plain:
                continue
            begun = time.perf_counter()
            fill(url, options.events)
            click.echo(
                f"{flavour}: {DAYS} days of {options.events:,} events made in {time.perf_counter() - begun:.0f} s"
            )
            measure(url)


def fill(database_url: str, events: int) -> None:
    """Make the days, without what landed: nothing here reads it."""
    settings = Settings(retention_days=0)
    with connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT setseed(0.5)")
        for day in (FIRST + timedelta(days=number) for number in range(DAYS)):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            values = {
                "day": day,
                "start": start,
                "end": start + timedelta(days=1),
                "events": events,
                "settings": settings.detection_hash,
            }
            literals = {name: sql.Literal(value) for name, value in values.items()}
            for statement in (_EVENTS, _SIGNIFICANT, _CASCADES, _STATE, _COVERAGE, _GAPS):
                connection.execute(sql.SQL(statement).format(**literals))
    for number in range(DAYS):
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, FIRST + timedelta(days=number), settings)
    with connect(database_url, autocommit=True) as connection:
        aggregates = connection.execute("SELECT relkind = 'v' FROM pg_class WHERE relname = 'liquidations_hourly'")
        if aggregates.fetchone() == (True,):
            for table in COMPRESSED:
                connection.execute(_COMPRESS, (table, LAST - timedelta(days=COMPRESS_AFTER_DAYS)))
        connection.execute("ANALYZE")


def asked() -> Iterator[tuple[str, str, Callable[[Store], pl.DataFrame]]]:
    """What is measured: the name of a query, the symbol it is asked about, and how to ask it of a store."""
    for query in queries.QUERIES.values():
        if query.server != "database":
            continue
        span = Span.day(LAST) if query.name == "minutes" else Span.days(FIRST, LAST)
        for symbol in SYMBOLS if "symbol" in query.accepts else (None,):
            if symbol is None and "symbol" in query.needs:
                continue
            said = {} if symbol is None else {"symbol": symbol}
            yield query.name, symbol or "", partial(query.function, span=span, **said)


def measure(database_url: str) -> None:
    """Ask each query several times on one connection."""
    click.echo(f"{'query':24}{'symbol':14}{'rows':>8}{'median':>11}{'p95':>11}{'limit':>9}")
    with queries.connect(Settings(retention_days=0), database_url=database_url) as store:
        for name, symbol, ask in asked():
            rows, spent = 0, []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                rows = len(ask(store))
                spent.append((time.perf_counter() - begun) * 1000)
            median, p95 = statistics.median(spent), sorted(spent)[int(0.95 * (ROUNDS - 1))]
            verdict = "met" if median <= LIMIT_MS else "MISSED"
            click.echo(f"{name:24}{symbol:14}{rows:>8,}{median:>8.1f} ms{p95:>8.1f} ms{LIMIT_MS:>6} ms  {verdict}")


if __name__ == "__main__":
    main()
