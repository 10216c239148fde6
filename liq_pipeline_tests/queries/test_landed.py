"""Single liquidations of the last hour, straight from the event streams of a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import redis

from liq_pipeline import queries
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.queries import Store
from liq_pipeline.streams import events_key
from liq_pipeline.warehouse.backlog import now_ms
from liq_pipeline_tests.queries.market import STRANGE
from liq_pipeline_tests.warehouse.making import KEEP, NOON, add, entry


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    with queries.connect(KEEP, redis_url=redis_url) as store:
        yield store


def test_the_newest_by_landing_each_once(store: Store, redis_url: str) -> None:
    old, other, new = entry(1), entry(2, exchange="okx", symbol=STRANGE), entry(3, NOON - 5000)
    add(redis_url, [old, other])
    add(redis_url, [old])
    with redis.Redis.from_url(redis_url) as client:
        landed = now_ms(client)
        while now_ms(client) == landed:
            pass
        add(redis_url, [new])
        client.xadd(events_key("binance"), {"event": "none of ours"})
    found = queries.newest_events(store)
    assert found["event_id"][0] == new.liquidation.event_id
    assert sorted(found["event_id"]) == sorted(each.liquidation.event_id for each in (old, other, new))
    assert queries.newest_events(store, limit=1)["event_id"].to_list() == [new.liquidation.event_id]
    assert queries.newest_events(store, symbol=STRANGE)["exchange"].to_list() == ["okx"]
    assert len(queries.newest_events(store, exchange="binance")) == 2
    assert queries.newest_events(store, exchange="none").is_empty()


def test_the_largest_of_the_hour_that_ends_at_the_watermark(store: Store, redis_url: str) -> None:
    values = {1: "5000", 2: "70000.5", 3: "600"}
    add(redis_url, [entry(number, NOON + number, value_usd=usd) for number, usd in values.items()])
    add(redis_url, [entry(4, NOON - 3_600_000, value_usd="900000")])
    with redis.Redis.from_url(redis_url) as client:
        client.hset(LIVE_KEY, mapping={"state": "live", "watermark": NOON})
    found = queries.largest_events(store, limit=2)
    assert found["value_usd"].to_list() == [Decimal("70000.5"), Decimal(5000)]
    assert queries.largest_events(store, symbol="BTCUSDT")["event_id"].len() == 3


def test_more_entries_than_are_read_at_a_time(store: Store, redis_url: str) -> None:
    add(redis_url, [entry(number, NOON + number) for number in range(1_500)])
    assert len(queries.newest_events(store, limit=1_200)) == 1_200
    assert len(queries.newest_events(store, limit=5_000)) == 1_500
