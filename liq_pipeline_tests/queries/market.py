"""A market of two days with cascades, one of them over midnight, and a symbol that nobody would choose."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

from liq_pipeline.liquidation import Side
from liq_pipeline.queries import Span
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import days, rollups
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline_tests.warehouse.making import DAY, KEEP, entry

NEXT = DAY + timedelta(1)
BOTH = Span.days(DAY, NEXT)
STRANGE = "<B>:*[Ж]?USDT"
HOUR_MS = 3_600_000


def market() -> list[Entry]:
    """The events, as they land."""
    draw = random.Random(7)
    start = day_span(DAY).start
    edges = [hour * HOUR_MS - 1 for hour in (1, 4, 24, 25)] + [hour * HOUR_MS for hour in (0, 1, 4, 24)]
    quiet = [*edges, *(draw.randrange(0, 48 * HOUR_MS) for _ in range(80))]
    bursts = [hour * HOUR_MS + number * 4000 for hour in (13, 31) for number in range(12)]
    over_midnight = [24 * HOUR_MS + number * 5000 - 30_000 for number in range(12)]
    return [
        entry(
            number,
            start + time,
            exchange=draw.choice(["binance", "okx"]),
            contract=symbol,
            symbol=symbol,
            side=draw.choice([Side.LONG, Side.SHORT]),
            price=str(draw.randrange(1000, 9000) / Decimal(8)),
            value_usd=str(Decimal(draw.randrange(1, most)) / 10**6),
        )
        for number, (time, symbol, most) in enumerate(
            [(time, draw.choice(["BTCUSDT", "SOLUSDT", STRANGE]), 2 * 10**11) for time in quiet]
            + [(time, "BTCUSDT", 10**11) for time in bursts]
            + [(time, STRANGE, 10**11) for time in over_midnight]
        )
    ]


def materialize(database_url: str) -> None:
    """Make both days."""
    for day in (DAY, NEXT):
        days.materialize_events(database_url, day, KEEP)
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, day, KEEP)
