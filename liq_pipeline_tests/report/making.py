"""Days of events in a database, made as a run makes them, and their reports."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from decimal import Decimal

import redis

from liq_pipeline import queries, report, streams
from liq_pipeline.liquidation import Side
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import coverage, days, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline_tests.warehouse.making import DAY, KEEP, entry

MIDNIGHT = 1_765_324_800_000
"""2025-12-10 00:00 UTC."""
HOUR = 3_600_000
SEMANTICS = {"binance": "throttled-1s-largest", "bybit": "complete", "okx": "throttled-1s"}
STRANGE = (
    "<script>alert(1)</script>USDT",
    '"><img src=x onerror=alert(1)>USDT',
    "币安人生USDT",
    "A$$:*?[]{{7*7}}USDT",
    "A" * 36 + "USDT",
)
"""What venues might name a contract, of 40 characters at most."""


def made(database_url: str, entries: Sequence[Entry], settings: Settings = KEEP) -> None:
    """Land the events and make the day's tables and rollups."""
    with connect(database_url) as connection:
        insert_rows(connection, entries)
    days.materialize_events(database_url, DAY, settings, force=True)
    for table in rollups.TABLES:
        rollups.materialize(database_url, table, DAY, settings, force=True)


def seen(database_url: str, redis_url: str, spans: Iterable[tuple[str, int, int]], now: float = 48) -> None:
    """Claim that feeds were covered, each from and to an hour of the day, and make its coverage ``now`` hours after."""
    with redis.Redis.from_url(redis_url) as client:
        for feed, start, end in spans:
            at = {"from": MIDNIGHT + start * HOUR, "to": MIDNIGHT + end * HOUR}
            client.xadd(streams.coverage_key(feed), {"connection": "c", "part": 0, "parts": 1, **at})  # type: ignore[arg-type]
    coverage.materialize(database_url, redis_url, DAY, KEEP, MIDNIGHT + int(now * HOUR))


def rendered(database_url: str, settings: Settings = KEEP) -> str:
    """The day's report."""
    with queries.connect(settings, database_url=database_url) as store:
        return report.render(report.gather(store, DAY))


def market(events: int, seed: int = 1, symbols: Iterable[str] = ("BTCUSDT", "ETHUSDT", "PEPEUSDT")) -> list[Entry]:
    """Events of a day: quiet most of the time, and bursts that are cascades of several venues."""
    chance = random.Random(seed)
    names, found = tuple(symbols), []
    bursts = [(MIDNIGHT + chance.randrange(24 * HOUR), chance.choice(names)) for _ in range(12)]
    for number in range(events):
        burst = chance.random() < 0.4
        at, symbol = chance.choice(bursts) if burst else (MIDNIGHT + chance.randrange(24 * HOUR), chance.choice(names))
        exchange = chance.choice(tuple(SEMANTICS))
        found.append(
            entry(
                number,
                min(at + chance.randrange(40_000), MIDNIGHT + 24 * HOUR - 1),
                exchange=exchange,
                contract=symbol,
                symbol=symbol,
                side=Side.LONG if chance.random() < 0.6 else Side.SHORT,
                price=f"{Decimal(chance.randrange(90_000_00, 91_000_00)).scaleb(-2)}",
                value_usd=f"{Decimal(int(chance.lognormvariate(9, 2) * 1e6)).scaleb(-6)}",
                feed_semantics=SEMANTICS[exchange],
            )
        )
    return found
