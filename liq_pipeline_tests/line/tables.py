"""What the database holds, compared row by row with what must be in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from liq_pipeline_tests.detection import reference
from liq_pipeline_tests.line import expected
from liq_pipeline_tests.line.expected import HOUR, Event, Membership, Row, at

WINDOW_MS, MIN_EVENTS, MIN_USD = 60_000, 5, Decimal(100_000)
KEYS = {
    "liquidations": ("time", "event_id"),
    "liquidations_significant": ("time", "event_id"),
    "liquidation_cascades": ("cascade_start", "symbol"),
    "liquidations_hourly": ("hour", "exchange", "symbol", "side"),
    "liquidation_price_levels": ("hour", "symbol", "price_level", "side", "exchange"),
    "liquidation_exchange_comparison": ("period", "symbol", "exchange"),
}
# Quotients and roots have no last digit. PostgreSQL keeps 16 of a quotient, and fewer of the root of one.
INEXACT = {
    "avg_value_usd": Decimal("1e-14"),
    "avg_liquidation_size": Decimal("1e-14"),
    "stddev_value_usd": Decimal("1e-11"),
}
SAME_AS_RAW = (
    "SELECT count(*) FROM liquidations JOIN liquidations_raw AS raw USING (time, event_id)"
    " WHERE (liquidations.received_at, liquidations.source, liquidations.feed_semantics)"
    " IS NOT DISTINCT FROM (raw.received_at, raw.source, raw.feed_semantics)"
)


def rows(url: str, query: str) -> list[Row]:
    with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as connection:
        return connection.execute(query.encode()).fetchall()


def assert_raw_holds(url: str, events: Iterable[Event]) -> list[Event]:
    """The table holds these events and nothing else; returns them as landed, in order, with their event_id."""
    wanted = Counter(events)
    names = [name for name in Event.__dataclass_fields__ if name not in ("time", "event_id")]
    landed = [
        Event(time=row["ms"], event_id=str(row["event_id"]), **{name: row[name] for name in names})
        for row in rows(url, "SELECT *, floor(extract(epoch FROM time) * 1000)::bigint AS ms FROM liquidations_raw")
    ]
    held = Counter(replace(event, event_id="") for event in landed)
    assert held == wanted, f"missing: {list(wanted - held)[:3]}, not expected: {list(held - wanted)[:3]}"
    assert len({event.event_id for event in landed}) == len(landed)
    return sorted(landed, key=lambda event: (event.time, event.event_id))


def assert_tables_follow_from(
    url: str,
    events: Sequence[Event],
    *,
    window_ms: int = WINDOW_MS,
    min_events: int = MIN_EVENTS,
    min_usd: Decimal = MIN_USD,
) -> dict[str, list[Row]]:
    """Every table made of ``events`` holds what the definitions say; returns what they hold."""
    truth = {
        reference.Event(e.symbol, e.time, e.event_id, e.exchange, e.side == "LONG", e.price, e.value_usd)
        for e in events
    }
    found = reference.expected(list(truth), window_ms, min_events, min_usd)
    sizes = {cascade.cascade_id: cascade.event_count for cascade in found.cascades}
    members = {
        event.event_id: Membership(member.cascade_id, member.risk_score, sizes[member.cascade_id])
        for event, member in found.members.items()
    }
    wanted = {
        "liquidations": expected.liquidations(events, members),
        "liquidations_significant": expected.significant(events, members),
        "liquidation_cascades": [_cascade_row(cascade) for cascade in found.cascades],
        "liquidations_hourly": expected.hourly(events, members),
        "liquidation_price_levels": expected.price_levels(events, members),
        "liquidation_exchange_comparison": expected.comparison(events, members),
    }
    for table, want in wanted.items():
        _assert_equal(table, rows(url, f"SELECT * FROM {table}"), want)
    assert rows(url, SAME_AS_RAW) == [{"count": len(events)}]
    return wanted


def contents(url: str) -> dict[str, list[Row]]:
    """All rows of all tables in the order of their keys."""
    return {table: rows(url, f"SELECT * FROM {table} ORDER BY {', '.join(keys)}") for table, keys in KEYS.items()}


def _cascade_row(cascade: reference.Cascade) -> Row:
    return {
        "cascade_id": cascade.cascade_id,
        "symbol": cascade.symbol,
        "hour": at(cascade.cascade_start // HOUR * HOUR),
        "cascade_start": at(cascade.cascade_start),
        "cascade_end": at(cascade.cascade_end),
        "duration_seconds": Decimal(cascade.cascade_end - cascade.cascade_start) / 1000,
        "event_count": cascade.event_count,
        "total_value_usd": cascade.total_value_usd,
        "avg_risk_score": cascade.avg_risk_score,
        "max_risk_score": cascade.max_risk_score,
        "exchanges_involved": list(cascade.exchanges_involved),
        "exchange_count": len(cascade.exchanges_involved),
        "long_count": cascade.long_count,
        "short_count": cascade.short_count,
        "hot_event_count": cascade.hot_event_count,
        "max_event_usd": cascade.max_event_usd,
        "price_start": cascade.price_start,
        "price_end": cascade.price_end,
    }


def _assert_equal(table: str, held: list[Row], wanted: list[Row]) -> None:
    by_key = {_key(table, row): row for row in held}
    assert len(by_key) == len(held)
    for want in wanted:
        row = by_key.pop(_key(table, want), None)
        assert row is not None, f"{table} lacks {want}"
        for column, value in want.items():
            assert _same(table, column, row[column], value), f"{table}.{column} is {row[column]}, not {value}: {want}"
    assert not by_key, f"{table} has {len(by_key)} rows too many, such as {next(iter(by_key.values()))}"


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(str(row[key]) if key == "event_id" else row[key] for key in KEYS[table])


def _same(table: str, column: str, held: Any, wanted: Any) -> bool:
    mean_risk = (table, column) == ("liquidations_hourly", "avg_risk_score")
    tolerance = Decimal("1e-14") if mean_risk else INEXACT.get(column)
    if tolerance is not None and held is not None and wanted is not None:
        return bool(abs(held - wanted) <= max(abs(wanted), Decimal(1)) * tolerance)
    return bool((str(held) if column in ("event_id", "cascade_id") and held is not None else held) == wanted)
