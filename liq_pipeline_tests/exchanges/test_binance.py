from __future__ import annotations

import json

import pytest

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import binance
from liq_pipeline.exchanges.base import FrameKind
from liq_pipeline.liquidation import Market, PriceKind, Side
from liq_pipeline_tests.exchanges import wire


def test_size_is_what_was_filled_and_price_is_the_average_fill() -> None:
    liquidation = wire.one("binance", wire.binance(q="0.500", l="0.155", z="0.190", X="PARTIALLY_FILLED"))
    assert (liquidation.price, liquidation.price_kind, liquidation.quantity) == ("82651.9", PriceKind.FILL, "0.19")
    assert liquidation.value_usd == "15703.861"
    assert liquidation.limit_price == "82338.3"
    assert (liquidation.symbol, liquidation.contract, liquidation.market) == ("BTCUSDT", "BTCUSDT", Market.LINEAR)
    assert liquidation.time == 1791565602120


def test_a_sell_order_liquidates_a_long_and_a_buy_order_a_short() -> None:
    assert wire.one("binance", wire.binance(S="SELL")).side is Side.LONG
    assert wire.one("binance", wire.binance(S="BUY")).side is Side.SHORT


def test_a_bare_frame_means_the_same_as_a_wrapped_one() -> None:
    assert wire.one("binance", wire.binance(bare=True)) == wire.one("binance", wire.binance())


@pytest.mark.parametrize("average", [wire.MISSING, None, "", "0", "0.0000", 0])
def test_without_an_average_price_the_limit_stands_in(average: object) -> None:
    liquidation = wire.one("binance", wire.binance(ap=average))
    assert (liquidation.price, liquidation.price_kind) == ("82338.3", PriceKind.ORDER)
    assert liquidation.limit_price == "82338.3"


def test_numbers_may_come_as_json_numbers_and_keep_every_digit() -> None:
    frame = wire.binance().replace(b'"82651.90"', b"82651.90").replace(b'"0.190"', b"0.1234567890123456789")
    assert wire.one("binance", frame).price == "82651.9"
    text = wire.binance(z="0.123456789012345678", T="1791565602120")
    assert wire.one("binance", text).quantity == "0.123456789012345678"
    assert wire.one("binance", text).time == 1791565602120


def test_the_meaning_of_the_sample_changes_on_2026_04_14() -> None:
    before, after = 1776124799999, 1776124800000
    assert wire.one("binance", wire.binance(T=before)).feed_semantics == "throttled-1s-latest"
    assert wire.one("binance", wire.binance(T=after)).feed_semantics == "throttled-1s-largest"
    inverse = wire.binance(s="BTCUSD_PERP", z="3", T=after)
    assert wire.one("binance:inverse", inverse).feed_semantics == "throttled-1s-latest"


def test_coin_margined_value_is_contracts_times_their_size_and_never_times_price() -> None:
    bitcoin = wire.one("binance:inverse", wire.binance(s="BTCUSD_200925", z="3", ap="9352.7", p="9314.5"))
    assert (bitcoin.value_usd, bitcoin.quantity, bitcoin.symbol) == ("300", "0.032076298823", "BTCUSD-200925")
    assert (bitcoin.market, bitcoin.limit_price) == (Market.INVERSE, "9314.5")
    ether = wire.one("binance:inverse", wire.binance(s="ETHUSD_PERP", z="7", ap="3000", p="2990"))
    assert (ether.value_usd, ether.quantity, ether.symbol) == ("70", "0.023333333333", "ETHUSD")


def test_each_market_rejects_the_other_ones_contracts() -> None:
    assert "belongs to feed binance" in wire.reason("binance:inverse", wire.binance())
    for contract in ("BTCUSD_PERP", "ETHUSD_251226"):
        assert "belongs to feed binance:inverse" in wire.reason("binance", wire.binance(s=contract))
    assert "neither USDT nor USDC" in wire.reason("binance", wire.binance(s="BTCBUSD"))


@pytest.mark.parametrize(
    ("contract", "symbol", "price", "quantity"),
    [
        ("1000PEPEUSDT", "PEPEUSDT", "0.002", "3000"),
        ("1MBABYDOGEUSDT", "BABYDOGEUSDT", "0.000002", "3000000"),
        ("1000000MOGUSDT", "MOGUSDT", "0.000002", "3000000"),
        ("1000SHIBUSDC", "SHIBUSDC", "0.002", "3000"),
        ("1INCHUSDT", "1INCHUSDT", "2", "3"),
        ("BTCUSDT_251226", "BTCUSDT-251226", "2", "3"),
        ("币安人生USDT", "币安人生USDT", "2", "3"),
    ],
)
def test_contracts_get_canonical_names_and_the_same_value(
    contract: str, symbol: str, price: str, quantity: str
) -> None:
    liquidation = wire.one("binance", wire.binance(s=contract, ap="2", p="2", z="3"))
    assert (liquidation.symbol, liquidation.contract) == (symbol, contract)
    assert (liquidation.price, liquidation.limit_price, liquidation.quantity) == (price, price, quantity)
    assert liquidation.value_usd == "6"


def test_the_control_stream_is_control_and_answers_are_acknowledgements() -> None:
    mark = wire.encode({"stream": "btcusdt@markPrice@1s", "data": {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "1"}})
    assert wire.parse("binance", mark).kind is FrameKind.CONTROL
    assert wire.parse("binance", b'{"e":"markPriceUpdate","s":"BTCUSDT"}').kind is FrameKind.CONTROL
    assert wire.parse("binance", b'{"result":null,"id":1}').kind is FrameKind.ACK


@pytest.mark.parametrize(
    "frame", [b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', b'{"code":2,"msg":"Invalid request","id":1}']
)
def test_a_refusal_shows_in_the_venues_words(frame: bytes) -> None:
    parsed = wire.parse("binance", frame)
    assert parsed.kind is FrameKind.REFUSED
    assert "Invalid request" in parsed.rejections[0].reason


def test_events_in_a_list_all_land() -> None:
    events = [json.loads(wire.binance(bare=True, T=1791565602120 + step)) for step in (0, 0, 5)]
    frame = wire.encode({"stream": "!forceOrder@arr", "data": [*events, {"e": "forceOrder"}]})
    parsed = wire.parse("binance", frame)
    assert [landed.liquidation.ordinal for landed in parsed.landed] == [0, 1, 0]
    assert len({landed.liquidation.event_id for landed in parsed.landed}) == 3
    assert len(parsed.rejections) == 1


def test_connections_ask_for_the_wildcard_and_the_control_stream_on_the_market_path() -> None:
    assert binance.LINEAR.path([]) == "/market/stream?streams=!forceOrder@arr/btcusdt@markPrice@1s"
    assert binance.LINEAR.path(["ETHUSDT"]) == "/market/stream?streams=ethusdt@forceOrder/btcusdt@markPrice@1s"
    (message,) = binance.LINEAR.subscribe([])
    assert json.loads(message) == {
        "method": "SUBSCRIBE", "params": ["!forceOrder@arr", "btcusdt@markPrice@1s"], "id": 1,
    }  # fmt: skip
    assert binance.LINEAR.expected_acks([]) == 1
    assert "!forceOrder@arr" in binance.LINEAR.path([f"C{number}USDT" for number in range(101)])
    assert binance.INVERSE.path([]) == "/stream?streams=!forceOrder@arr/btcusd_perp@markPrice@1s"


def test_contracts_of_canonical_symbols() -> None:
    named = {symbol: binance.LINEAR.contract_of(symbol) for symbol in ("BTCUSDT", "PEPEUSDT", "BTCUSDT-251226")}
    assert named == {"BTCUSDT": "BTCUSDT", "PEPEUSDT": "1000PEPEUSDT", "BTCUSDT-251226": "BTCUSDT_251226"}
    assert binance.INVERSE.contract_of("BTCUSD") == "BTCUSD_PERP"
    for symbol, contract in named.items():
        assert binance.linear_name(contract).symbol == symbol


def test_wanted_are_the_configured_symbols_by_either_name() -> None:
    liquidation = wire.one("binance", wire.binance(s="1000PEPEUSDT"))
    assert binance.LINEAR.wants(liquidation, [])
    assert binance.LINEAR.wants(liquidation, ["PEPEUSDT"])
    assert binance.LINEAR.wants(liquidation, ["1000PEPEUSDT"])
    assert not binance.LINEAR.wants(liquidation, ["BTCUSDT"])


def test_a_recorded_row_and_the_frame_it_came_from_are_one_liquidation() -> None:
    row = binance.from_force_order_row("BTCUSDT", "SELL", "82338.3", "82651.90", "0.19", "1791565602120")
    assert row == wire.one("binance", wire.binance())
    without = binance.from_force_order_row("BTCUSDT", "SELL", "82338.3", None, "0.19", "1791565602120")
    assert without.event_id == row.event_id
    with pytest.raises(InvalidLiquidationError, match="quantity z"):
        binance.from_force_order_row("BTCUSDT", "SELL", "1", "1", "-1", 1791565602120)
