from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.liquidation import Side
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import days, reads, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry, query, utc
from liq_pipeline_tests.warehouse.test_days import land

HOUR = 3_600_000
NEXT = DAY + timedelta(1)


def market(seed: int) -> list[Entry]:
    """Events over two days, several of them at the edges of hours, periods and days."""
    draw = random.Random(seed)
    start = day_span(DAY).start
    edges = [hour * HOUR - 1 for hour in (1, 4, 24, 25)] + [hour * HOUR for hour in (0, 1, 4, 24)]
    times = edges + [draw.randrange(0, 48 * HOUR) for _ in range(60)] + [13 * HOUR + n * 4000 for n in range(40)]
    return [
        entry(
            number,
            start + time,
            exchange=draw.choice(["binance", "okx"]),
            symbol=draw.choice(["BTCUSDT", "SOLUSDT"]),
            side=draw.choice([Side.LONG, Side.SHORT]),
            price=str(draw.randrange(1000, 9000) / Decimal(8)),
            value_usd=str(Decimal(draw.randrange(1, 10**12)) / 10**6),
        )
        for number, time in enumerate(times)
    ]


def materialize(database_url: str) -> None:
    for day in (DAY, NEXT):
        days.materialize_events(database_url, day, KEEP)
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, day, KEEP)


Row = dict[str, Any]


def grouped(events: list[Row], key: Callable[[Row], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Row]]:
    groups = defaultdict(list)
    for event in events:
        groups[key(event)].append(event)
    return groups


def events_of(database_url: str) -> list[Row]:
    names = ("time", "exchange", "symbol", "side", "quantity", "value_usd", "is_cascade", "risk_score")
    names += ("is_significant", "price_level")
    found = query(database_url, f"SELECT {', '.join(names)} FROM liquidations")
    return [dict(zip(names, row, strict=True)) for row in found]


def usd(events: list[Row]) -> Decimal:
    return sum((event["value_usd"] for event in events), Decimal(0))


def close(number: Decimal | None, expected: Decimal | None) -> bool:
    """Averages: PostgreSQL keeps at least 16 significant digits."""
    if number is None or expected is None:
        return number is expected
    return abs(number - expected) <= abs(expected) * Decimal("1e-12") + Decimal("1e-12")


def hour_of(event: Row) -> datetime:
    return event["time"].replace(minute=0, second=0, microsecond=0)


def test_hourly_sums_equal_an_independent_computation(warehouse_url: str) -> None:
    land(warehouse_url, market(1))
    materialize(warehouse_url)
    groups = grouped(events_of(warehouse_url), lambda e: (hour_of(e), e["exchange"], e["symbol"], e["side"]))
    stored = query(warehouse_url, "SELECT * FROM liquidations_hourly")
    assert {row[:4] for row in stored} == set(groups) and len(stored) == len(groups)
    for *key, count, total, mean, most, least, deviation, quantity, in_cascades, risk in stored:
        events = groups[tuple(key)]
        values = [event["value_usd"] for event in events]
        scores = [event["risk_score"] for event in events if event["is_cascade"]]
        assert (count, total, most, least) == (len(events), sum(values), max(values), min(values))
        assert (quantity, in_cascades) == (sum(event["quantity"] for event in events), len(scores))
        with localcontext() as context:
            context.prec = 60
            average = total / count
            squares = sum((value - average) ** 2 for value in values)
            assert close(mean, average)
            assert close(deviation, (squares / (count - 1)).sqrt() if count > 1 else None)
            assert close(risk, sum(scores) / len(scores) if scores else None)
    assert any(row[11] for row in stored)


def test_price_level_sums_equal_an_independent_computation(warehouse_url: str) -> None:
    land(warehouse_url, market(2))
    materialize(warehouse_url)
    groups = grouped(
        events_of(warehouse_url), lambda e: (hour_of(e), e["symbol"], e["price_level"], e["side"], e["exchange"])
    )
    stored = query(warehouse_url, "SELECT * FROM liquidation_price_levels")
    assert {row[:5] for row in stored} == set(groups) and len(stored) == len(groups)
    for *key, count, total, quantity, mean in stored:
        events = groups[tuple(key)]
        assert (count, total, quantity) == (len(events), usd(events), sum(event["quantity"] for event in events))
        assert close(mean, total / count)


def test_comparison_sums_equal_an_independent_computation(warehouse_url: str) -> None:
    land(warehouse_url, market(3))
    materialize(warehouse_url)
    groups = grouped(
        events_of(warehouse_url),
        lambda e: (hour_of(e).replace(hour=e["time"].hour // 4 * 4), e["symbol"], e["exchange"]),
    )
    stored = query(warehouse_url, "SELECT * FROM liquidation_exchange_comparison")
    assert {row[:3] for row in stored} == set(groups) and len(stored) == len(groups)
    for *key, count, total, mean, in_cascades, longs, shorts, significant in stored:
        events = groups[tuple(key)]
        assert (count, total) == (len(events), usd(events)) and close(mean, total / count)
        assert in_cascades == sum(event["is_cascade"] for event in events)
        assert (longs, shorts) == tuple(sum(e["side"] == side for e in events) for side in ("LONG", "SHORT"))
        assert significant == sum(event["is_significant"] for event in events)


def stored_in(database_url: str, table: str) -> str:
    """The table itself, or what a continuous aggregate is a view of."""
    if not query(database_url, "SELECT 1 FROM pg_class WHERE oid = %s::regclass AND relkind = 'v'", table):
        return table
    found = query(
        database_url,
        "SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)"
        " FROM timescaledb_information.continuous_aggregates WHERE view_name = %s",
        table,
    )
    return str(found[0][0])


@pytest.mark.parametrize("table", rollups.TABLES)
def test_a_rollup_is_rewritten_exactly_when_its_day_was(table: str, warehouse_url: str) -> None:
    land(warehouse_url, market(4))
    materialize(warehouse_url)
    assert not rollups.materialize(warehouse_url, table, DAY, KEEP).rewritten
    of_other_day = f"SELECT xmin::text FROM {stored_in(warehouse_url, table)} WHERE {rollups.TABLES[table]} >= %s"
    other_day = query(warehouse_url, of_other_day, NEXT)
    land(warehouse_url, [entry(999, NOON)])
    days.materialize_events(warehouse_url, DAY, KEEP)
    with connect(warehouse_url) as connection:
        assert (table, DAY) in reads.behind_rollups(connection, KEEP)
        assert reads.behind_rollups(connection, Settings(retention_days=0, start_date=NEXT)) == []
    assert rollups.materialize(warehouse_url, table, DAY, KEEP).rewritten
    with connect(warehouse_url) as connection:
        assert (table, DAY) not in reads.behind_rollups(connection, KEEP)
    assert query(warehouse_url, of_other_day, NEXT) == other_day


def test_rollups_outside_partitions_are_refused(warehouse_url: str) -> None:
    with pytest.raises(DayRefusedError, match="LIQ_START_DATE"):
        rollups.materialize(warehouse_url, "liquidations_hourly", DAY.replace(year=2020), KEEP)


def test_the_warehouse_tells_what_was_rejected(warehouse_url: str) -> None:
    query(
        warehouse_url,
        "INSERT INTO frames_rejected (received_at, exchange, reason, frame)"
        " SELECT %s, 'okx', reason, '' FROM unnest(ARRAY['no JSON', 'no JSON', 'too long']) AS reason",
        utc(NOON),
    )
    with connect(warehouse_url) as connection:
        rejected = reads.rejections(connection, datetime(2025, 1, 1, tzinfo=UTC))
        assert reads.rejections(connection, datetime(2026, 1, 1, tzinfo=UTC)) == []
    assert [(row.reason, row.frames) for row in rejected] == [("no JSON", 2), ("too long", 1)]
