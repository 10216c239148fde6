"""What holds for every feed: the registry, connection URLs, contract sizes and canonical names."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from liq_pipeline import exchanges
from liq_pipeline.errors import InvalidLiquidationError, SettingsError
from liq_pipeline.exchanges import instruments, symbols
from liq_pipeline.exchanges.base import Contract
from liq_pipeline.exchanges.urls import connect_url
from liq_pipeline.liquidation import Market

NOW = 1_800_000_000_000
AS_OF = 1_774_915_200_000  # the snapshot's day, 2026-03-31
QUERY = "streams=!forceOrder@arr/btcusdt@markPrice@1s"


def test_every_feed_has_an_adapter_of_its_exchange_and_market() -> None:
    assert len(exchanges.FEEDS) == 6
    for feed in exchanges.FEEDS:
        adapter = exchanges.adapter(feed)
        exchange, _, market = feed.partition(":")
        assert adapter.exchange == exchange
        assert adapter.market is (Market.INVERSE if market else Market.LINEAR)
        assert adapter.renew_seconds <= 24 * 3600
        assert adapter.keepalive_message is None or adapter.keepalive_seconds < adapter.silence_seconds
        assert len(adapter.subscribe(["A", "B"])) == adapter.expected_acks(["A", "B"])
        if adapter.instruments_endpoint is None:
            with pytest.raises(InvalidLiquidationError):
                adapter.parse_instruments(b"{}")
        else:
            for body in (b"", b"[]", b"{}", b"\xff", b'{"retCode":0,"code":"0","result":5,"data":5}'):
                with pytest.raises(InvalidLiquidationError):
                    adapter.parse_instruments(body)


def test_an_unknown_feed_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="binance, bybit, okx"):
        exchanges.adapter("mtgox")


@pytest.mark.parametrize(
    ("feed", "override", "url"),
    [
        ("binance", None, f"wss://fstream.binance.com/market/stream?{QUERY}"),
        ("binance", "ws://127.0.0.1:8001", f"ws://127.0.0.1:8001/market/stream?{QUERY}"),
        ("binance", "ws://127.0.0.1:8001/", f"ws://127.0.0.1:8001/market/stream?{QUERY}"),
        ("binance", "wss://proxy/route/stream", f"wss://proxy/route/stream?{QUERY}"),
        ("binance", "wss://proxy/market/ws", "wss://proxy/market/ws"),
        ("binance", "wss://proxy/stream?streams=mine", "wss://proxy/stream?streams=mine"),
        ("bybit", None, "wss://stream.bybit.com/v5/public/linear"),
        ("bybit:inverse", "ws://[::1]:9", "ws://[::1]:9/v5/public/inverse"),
        ("okx", None, "wss://ws.okx.com:8443/ws/v5/public"),
        ("okx", "wss://user@proxy/ws/v5/public", "wss://user@proxy/ws/v5/public"),
    ],
)
def test_an_override_replaces_the_host_and_keeps_a_path_it_brings(feed: str, override: str | None, url: str) -> None:
    assert connect_url(exchanges.adapter(feed), override, []) == url


def test_the_snapshot_knows_the_contracts_that_matter() -> None:
    sizes = instruments.snapshot("okx")
    known = {
        "BTC-USDT-SWAP": "0.01", "ETH-USDT-SWAP": "0.1", "XRP-USDT-SWAP": "100", "MINA-USDT-SWAP": "1",
        "MUBARAK-USDT-SWAP": "100", "PEPE-USDT-SWAP": "10000000",
    }  # fmt: skip
    for name, size in known.items():
        assert sizes.get(name, NOW) == Contract(name, Market.LINEAR, Decimal(size), AS_OF)
    assert sizes.get("UNI-USD-SWAP", NOW) == Contract("UNI-USD-SWAP", Market.INVERSE, Decimal(10), AS_OF)
    assert sizes.get("NOPE-USDT-SWAP", NOW) is None
    assert len(sizes) > 300
    assert len(instruments.snapshot("bybit")) == 0


def test_a_fetched_list_holds_from_when_it_was_seen_and_leaves_the_snapshot_unchanged() -> None:
    before = instruments.snapshot("okx")
    listed = [
        Contract("BTC-USDT-SWAP", Market.LINEAR, Decimal(1)),
        Contract("NEW-USDT-SWAP", Market.LINEAR, Decimal(5)),
    ]
    after = before.merged(before.news(listed, NOW))
    assert _sizes(before, "BTC-USDT-SWAP", NOW) == ["0.01"]
    assert _sizes(after, "BTC-USDT-SWAP", 0, AS_OF, NOW - 1, NOW, NOW + 1) == ["0.01", "0.01", "0.01", "1", "1"]
    assert _sizes(after, "ETH-USDT-SWAP", 0, NOW) == ["0.1", "0.1"]
    # Nothing earlier is known of it.
    assert _sizes(after, "NEW-USDT-SWAP", 0, NOW) == ["5", "5"]
    assert after.news(listed, NOW + 1) == []
    assert pickle.loads(pickle.dumps(after)).get("BTC-USDT-SWAP", NOW) == after.get("BTC-USDT-SWAP", NOW)


def test_a_size_that_returns_to_what_it_was_is_news_and_a_kept_list_keeps_its_dates() -> None:
    known = instruments.StaticInstruments([Contract("A", Market.LINEAR, Decimal(1), 100)])
    for size, seen in ((Decimal(2), 200), (Decimal(1), 300)):
        known = known.merged(known.news([Contract("A", Market.LINEAR, size)], seen))
    assert _sizes(known, "A", 50, 100, 199, 200, 299, 300) == ["1", "1", "1", "2", "2", "1"]
    kept = [Contract("A", Market.LINEAR, Decimal(1), 300), Contract("B", Market.LINEAR, Decimal(7), 250)]
    assert known.news(kept, 400) == [kept[1]]


def _sizes(known: instruments.StaticInstruments, name: str, *times: int) -> list[str]:
    found = [known.get(name, time) for time in times]
    return [str(contract.size) if contract else "unknown" for contract in found]


@pytest.mark.parametrize(
    ("coin", "unbundled"),
    [
        ("BTC", ("BTC", 1)), ("1000PEPE", ("PEPE", 1000)), ("10000SATS", ("SATS", 10000)),
        ("1000000MOG", ("MOG", 1000000)), ("1MBABYDOGE", ("BABYDOGE", 1000000)), ("SHIB1000", ("SHIB", 1000)),
        ("1INCH", ("1INCH", 1)), ("1000X", ("X", 1000)), ("C98", ("C98", 1)), ("SPX6900", ("SPX6900", 1)),
        ("1000", ("1000", 1)), ("币安人生", ("币安人生", 1)), ("API3", ("API3", 1)), ("0G", ("0G", 1)),
    ],
)  # fmt: skip
def test_bundles_are_told_from_coins(coin: str, unbundled: tuple[str, int]) -> None:
    assert symbols.unbundle(coin) == unbundled
