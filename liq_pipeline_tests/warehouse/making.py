"""Entries to land, and what the tests ask of the database afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import redis

from liq_pipeline.liquidation import EXACT, Liquidation, Market, PriceKind, Side, canonical, event_id, usd
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry, encode_event, events_key
from liq_pipeline_tests.detection.reference import Event

NOON = 1_765_368_000_000
"""2025-12-10 12:00 UTC."""
DAY = date(2025, 12, 10)
KEEP = Settings(retention_days=0)


def entry(number: int, time: int = NOON, raw: bytes | None = None, **changes: Any) -> Entry:
    """The liquidation called ``number``: the same number and time is the same event.

    As Binance would have sent it, unless ``raw`` or ``changes`` say otherwise.
    """
    price, quantity = Decimal(100 + number) / 8, Decimal("0.5")
    if "value_usd" in changes and "price" not in changes:
        quantity = EXACT.quantize(EXACT.divide(Decimal(changes["value_usd"]), price), Decimal("1e-18"))
    away = -1 if changes.get("side", Side.LONG) is Side.LONG else 1
    fields: dict[str, Any] = {
        "time": time,
        "exchange": "binance",
        "market": Market.LINEAR,
        "contract": "BTCUSDT",
        "symbol": "BTCUSDT",
        "side": Side.LONG,
        "price": canonical(price),
        "price_kind": PriceKind.FILL,
        "quantity": canonical(quantity),
        "value_usd": usd(price * quantity),
        "limit_price": canonical(price + away) if number % 2 else None,
        "feed_semantics": "largest_1s",
        **changes,
    }
    order = {
        "s": fields["contract"],
        "S": "SELL" if fields["side"] is Side.LONG else "BUY",
        "p": fields["limit_price"] or fields["price"],
        "ap": fields["price"],
        "z": fields["quantity"],
        "T": time,
    }
    own_id = event_id("binance", order["s"], str(time), order["S"], order["p"], order["z"])
    frame = json.dumps({"e": "forceOrder", "o": order}).encode()
    return Entry(Liquidation(**{"event_id": own_id, **fields}), time + 1000, "stream", frame if raw is None else raw)


def as_entry(event: Event) -> Entry:
    """A landed occurrence of the reference's event."""
    return entry(
        0,
        event.time,
        event_id=event.event_id,
        exchange=event.exchange,
        contract=event.symbol,
        symbol=event.symbol,
        side=Side.LONG if event.is_long else Side.SHORT,
        price=canonical(event.price),
        value_usd=canonical(event.value_usd),
        limit_price=None,
    )


def add(redis_url: str, entries: Iterable[Entry]) -> list[bytes]:
    """Append to the streams as the collector does; the stream ids."""
    with redis.Redis.from_url(redis_url) as client:
        pipeline = client.pipeline(transaction=False)
        for liquidation, received_at, source, raw in entries:
            fields = {
                "event_id": liquidation.event_id,
                "event": encode_event(liquidation),
                "received_at": received_at,
                "source": source,
                "raw": raw,
            }
            pipeline.xadd(events_key(liquidation.exchange), fields)
        return pipeline.execute()


def query(database_url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of one statement, times in UTC."""
    with psycopg.connect(database_url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def landed_ids(database_url: str) -> set[str]:
    return {str(row[0]) for row in query(database_url, "SELECT event_id FROM liquidations_raw")}


def ids(entries: Iterable[Entry]) -> set[str]:
    return {entry.liquidation.event_id for entry in entries}


def raw_versions(database_url: str) -> dict[date, int]:
    return dict(query(database_url, "SELECT day, raw_version FROM day_state WHERE raw_version > 0"))  # type: ignore[arg-type]


def utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
