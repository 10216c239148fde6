"""The rolling hour and the feeds, as a live view and collectors show them in a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
import redis

from liq_pipeline import queries
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.queries import Store
from liq_pipeline.streams import LIVE, feed_key, lease_key
from liq_pipeline_tests.queries.market import STRANGE
from liq_pipeline_tests.warehouse.making import KEEP, NOON, utc


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    with queries.connect(KEEP, redis_url=redis_url) as store:
        yield store


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def show_level(client: redis.Redis, symbol: str, level: str, side: str, count: int) -> None:
    values = {"count": count, "total_value": f"{count}.000001", "total_quantity": "0.1"}
    client.hset(f"liq:levels:{symbol}:{level}:{side}", mapping={**values, "first_seen": NOON, "last_seen": NOON + 5})


def test_price_levels_of_a_symbol_with_any_name_are_its_own(store: Store, client: redis.Redis) -> None:
    for symbol, count in ((STRANGE, 3), ("<B>:x[Ж]yUSDT", 9), ("<B>", 8), (f"{STRANGE}:1", 7)):
        show_level(client, symbol, "0.0001", "LONG", count)
    show_level(client, STRANGE, "90000", "SHORT", 5)
    found = queries.price_levels(store, symbol=STRANGE)
    assert found.select("symbol", "price_level", "side", "event_count", "total_value_usd").rows() == [
        (STRANGE, 90000.0, "SHORT", 5, Decimal("5.000001")),
        (STRANGE, 0.0001, "LONG", 3, Decimal("3.000001")),
    ]
    assert found["last_seen"].to_list() == [utc(NOON + 5)] * 2
    assert queries.price_levels(store)["event_count"].to_list() == [9, 8, 7, 5, 3]
    assert queries.price_levels(store, limit=1)["symbol"].to_list() == ["<B>:x[Ж]yUSDT"]


def test_active_cascades_largest_first(store: Store, client: redis.Redis) -> None:
    for symbol, usd in (("BTCUSDT", "150000.5"), (STRANGE, "900000")):
        fields = {"cascade_id": f"id of {symbol}", "start_time": NOON, "event_count": 7, "total_value": usd}
        fields |= {"risk_score": "0.512345", "exchanges": "binance,okx", "supersedes": ""}
        client.hset(f"liq:cascade:status:{symbol}", mapping=fields)
    found = queries.active_cascades(store)
    assert found["symbol"].to_list() == [STRANGE, "BTCUSDT"]
    assert found["exchanges_involved"].to_list() == [["binance", "okx"]] * 2
    assert found["supersedes"].to_list() == [[], []]
    only = queries.active_cascades(store, symbol="BTCUSDT")
    assert only.select("cascade_start", "total_value_usd").rows() == [(utc(NOON), Decimal("150000.500000"))]
    assert queries.active_cascades(store, symbol="*").is_empty()


def test_the_minutes_of_the_hour(store: Store, client: redis.Redis) -> None:
    fields = {"count": 3, "total_value": "12.5", "long_count": 1, "short_count": 2, "institutional_count": 0}
    client.hset(f"liq:agg:{STRANGE}:60s:{NOON}", mapping={**fields, "okx_count": 3})
    client.hset(f"liq:agg:BTCUSDT:60s:{NOON - 60_000}", mapping={**fields, "binance_count": 3})
    found = queries.last_hour(store)
    assert found["minute"].to_list() == [utc(NOON - 60_000), utc(NOON)]
    assert found.select("binance_count", "bybit_count", "okx_count").rows() == [(3, 0, 0), (0, 0, 3)]
    assert queries.last_hour(store, symbol=STRANGE)["event_count"].to_list() == [3]


def test_the_hour_by_venue_and_side_and_its_largest(store: Store, client: redis.Redis) -> None:
    assert queries.last_hour_venues(store).is_empty()
    assert queries.last_hour_largest(store).is_empty()
    totals = {"count": 3, "total_value": "12.5", "first_seen": NOON, "last_seen": NOON + 5}
    client.hset("liq:hour:okx:SHORT", mapping=totals)
    client.hset("liq:hour:bybit:LONG", mapping=totals)
    large = {"time": NOON, "exchange": "okx", "symbol": STRANGE, "side": "SHORT", "price": "0.5", "quantity": "25"}
    shown = [{**large, "value_usd": value, "event_id": value} for value in ("12.5", "3")]
    client.hset("liq:hour:largest", "events", json.dumps(shown))
    found = queries.last_hour_venues(store)
    assert found.select("exchange", "side", "event_count", "total_value_usd").rows() == [
        ("bybit", "LONG", 3, Decimal("12.5")),
        ("okx", "SHORT", 3, Decimal("12.5")),
    ]
    assert queries.last_hour_largest(store, limit=1).rows() == [
        (utc(NOON), "okx", STRANGE, "SHORT", 0.5, 25.0, Decimal("12.5"), "12.5")
    ]
    assert queries.last_hour_largest(store)["event_id"].to_list() == ["12.5", "3"]


def test_feeds_say_how_they_are_and_what_their_numbers_mean(store: Store, client: redis.Redis) -> None:
    client.hset(
        feed_key("bybit"), mapping={"state": "live", "last_frame_at": NOON, "events": 12, "connected_since": ""}
    )
    client.set(lease_key("bybit"), "me")
    found = queries.feeds(store)
    assert found.select("feed", "state", "collected", "complete", "events").rows() == [
        ("binance", "never collected", False, False, 0),
        ("bybit", "live", True, True, 12),
        ("okx", "never collected", False, False, 0),
    ]
    assert found.select("connected_since", "last_frame_at").rows()[1] == (None, utc(NOON))


def test_a_live_view_that_does_not_run_says_so(store: Store) -> None:
    assert queries.live_view(store).select("state", "watermark", "lag_ms").rows() == [("not running", None, 0.0)]


def test_an_hour_without_cascades_is_not_called_empty(store: Store, client: redis.Redis) -> None:
    client.set(lease_key(LIVE), "me")
    client.hset(LIVE_KEY, mapping={"state": "live", "watermark": NOON})
    assert "holds no liquidations." in queries.why_quiet(store)
    minute = {"count": 3, "total_value": "12.5", "long_count": 1, "short_count": 2, "institutional_count": 0}
    client.hset(f"liq:agg:{STRANGE}:60s:{NOON - 60_000}", mapping=minute)
    why = "shows nothing of this kind now: its hour, which ends at 12:00:00 UTC, holds 3 liquidations."
    assert why in queries.why_quiet(store)
    assert "holds no liquidations of BTCUSDT" in queries.why_quiet(store, "BTCUSDT")
