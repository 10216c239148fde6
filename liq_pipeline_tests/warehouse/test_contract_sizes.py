"""Contract sizes are kept by the date they were first seen."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import redis

from liq_pipeline.exchanges.base import Contract
from liq_pipeline.exchanges.instruments import Listed, snapshot
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import instruments_key
from liq_pipeline.warehouse import contract_sizes, loader
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.warehouse.making import KEEP, query

SEEN = 1_790_000_000_000  # 2026-09-21
DAY_MS = 86_400_000
BITCOIN = "BTC-USDT-SWAP"


def listed(size: str, name: str = BITCOIN, since: int = 0) -> Contract:
    return Contract(name, Market.LINEAR, Decimal(size), since)


def size_at(url: str, time: int, name: str = BITCOIN) -> str | None:
    with connect(url) as connection:
        found = contract_sizes.known(connection, "okx").get(name, time)
    return str(found.size) if found else None


def test_a_size_holds_from_when_it_was_first_listed_until_the_next(warehouse_url: str) -> None:
    for day, size in enumerate(["0.01", "0.01", "0.1", "0.1", "0.02"]):
        with connect(warehouse_url) as connection:
            contract_sizes.record(connection, "okx", [listed(size)], SEEN + day * DAY_MS)
    kept = query(warehouse_url, "SELECT size::text FROM contract_sizes ORDER BY since")
    assert kept == [("0.1",), ("0.02",)]
    at = [size_at(warehouse_url, SEEN + hours * 3_600_000) for hours in (-100, 0, 47, 48, 95, 96, 10_000)]
    assert at == ["0.01", "0.01", "0.01", "0.1", "0.1", "0.02", "0.02"]


def test_a_contract_no_list_named_before_has_its_first_size_before_that_too(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        assert contract_sizes.record(connection, "okx", [listed("5", "NEW-USDT-SWAP")], SEEN) == 1
        assert contract_sizes.record(connection, "okx", [listed("5", "NEW-USDT-SWAP")], SEEN + 1) == 0
    assert size_at(warehouse_url, SEEN - 1000 * DAY_MS, "NEW-USDT-SWAP") == "5"
    assert size_at(warehouse_url, SEEN, "NEVER-USDT-SWAP") is None


def test_the_loader_takes_what_the_collector_keeps_in_redis(warehouse_url: str, redis_url: str) -> None:
    kept = [listed("0.01", since=snapshot("okx").get(BITCOIN, SEEN).since), listed("3", "NEW-USDT-SWAP", SEEN - 7)]  # type: ignore[union-attr]
    with redis.Redis.from_url(redis_url) as client:
        client.set(instruments_key("okx"), msgspec.json.encode(Listed(SEEN, kept)))
        client.set(instruments_key("okx:inverse"), b"not a list")
        client.set(instruments_key("bybit"), msgspec.json.encode(Listed(SEEN, [listed("1", "BTCUSDT")])))
    for _ in range(2):
        loader.drain(warehouse_url, redis_url, KEEP)
        rows = query(
            warehouse_url,
            "SELECT exchange, contract, market, size, (extract(epoch FROM since) * 1000)::bigint FROM contract_sizes",
        )
        assert rows == [("okx", "NEW-USDT-SWAP", "linear", Decimal(3), SEEN - 7)]
