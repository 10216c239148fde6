from __future__ import annotations

import json

import pytest

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import bybit
from liq_pipeline.exchanges.base import FrameKind
from liq_pipeline.liquidation import Market, PriceKind, Side
from liq_pipeline_tests.exchanges import wire


def old(data: object, topic: str = "liquidation.BTCUSDT") -> bytes:
    return wire.encode({"topic": topic, "type": "snapshot", "ts": 1, "data": data})


def test_the_side_is_the_positions_and_the_price_the_bankruptcy_price() -> None:
    bought = wire.one("bybit", wire.bybit(wire.bybit_row(S="Buy")))
    assert (bought.side, bought.price_kind, bought.price, bought.quantity) == (
        Side.LONG, PriceKind.BANKRUPTCY, "82396.9", "0.006",
    )  # fmt: skip
    assert (bought.value_usd, bought.feed_semantics, bought.limit_price) == ("494.3814", "complete", None)
    assert wire.one("bybit", wire.bybit(wire.bybit_row(S="Sell"))).side is Side.SHORT


def test_inverse_sizes_are_dollars_already() -> None:
    frame = wire.bybit(wire.bybit_row(s="BTCUSD", v="1000", p="80000"))
    liquidation = wire.one("bybit:inverse", frame)
    assert (liquidation.value_usd, liquidation.quantity) == ("1000", "0.0125")
    assert (liquidation.symbol, liquidation.market) == ("BTCUSD", Market.INVERSE)
    assert "belongs to feed bybit:inverse" in wire.reason("bybit", frame)


def test_every_row_of_a_frame_lands_with_the_frame_narrowed_to_it() -> None:
    rows = [wire.bybit_row(), wire.bybit_row(), wire.bybit_row(T=1791565601058, extra={"new": [1]})]
    parsed = wire.parse("bybit", wire.bybit(*rows))
    assert parsed.kind is FrameKind.LIQUIDATIONS
    assert [landed.liquidation.ordinal for landed in parsed.landed] == [0, 1, 0]
    assert len({landed.liquidation.event_id for landed in parsed.landed}) == 3
    for landed, row in zip(parsed.landed, rows, strict=True):
        assert json.loads(landed.raw) == json.loads(wire.bybit(row))


def test_a_bad_row_is_rejected_alone_and_the_good_ones_land() -> None:
    bad = wire.bybit_row(S="Hold")
    parsed = wire.parse("bybit", wire.bybit(wire.bybit_row(), bad, wire.bybit_row(T=1791565601058), 7))
    assert len(parsed.landed) == 2
    assert [rejection.frame for rejection in parsed.rejections] == [wire.bybit(bad), wire.bybit(7)]
    assert "side S 'Hold'" in parsed.rejections[0].reason


@pytest.mark.parametrize(
    ("contract", "symbol", "quantity"),
    [
        ("SHIB1000USDT", "SHIBUSDT", "3000"),
        ("1000PEPEUSDT", "PEPEUSDT", "3000"),
        ("10000SATSUSDT", "SATSUSDT", "30000"),
        ("BTCPERP", "BTCUSDC", "3"),
        ("1000PEPEPERP", "PEPEUSDC", "3000"),
        ("PERPUSDT", "PERPUSDT", "3"),
        ("BTCUSDT-26DEC25", "BTCUSDT-251226", "3"),
        ("BTC-26DEC25", "BTCUSDC-251226", "3"),
        ("ETH-2JAN26", "ETHUSDC-260102", "3"),
    ],
)
def test_contracts_get_canonical_names(contract: str, symbol: str, quantity: str) -> None:
    liquidation = wire.one("bybit", wire.bybit(wire.bybit_row(s=contract, v="3", p="2")))
    assert (liquidation.symbol, liquidation.quantity, liquidation.value_usd) == (symbol, quantity, "6")


def test_quarterly_inverse_futures_expire_on_the_last_friday() -> None:
    named = {contract: bybit.inverse_name(contract).symbol for contract in ("BTCUSDZ25", "ETHUSDH26", "BTCUSDM21")}
    assert named == {"BTCUSDZ25": "BTCUSD-251226", "ETHUSDH26": "ETHUSD-260327", "BTCUSDM21": "BTCUSD-210625"}


def test_other_quote_currencies_are_rejected() -> None:
    for contract in ("BTCEUR", "BTCUSDE", "BTCUSD1"):
        assert contract in wire.reason("bybit", wire.bybit(wire.bybit_row(s=contract)))


def test_the_old_topics_frames_mean_what_they_meant() -> None:
    first = {"symbol": "BTCUSDT", "side": "Sell", "price": "45212.50", "qty": "0.009", "time": 1632123952732}
    liquidation = wire.one("bybit", old(first))
    assert (liquidation.side, liquidation.quantity, liquidation.feed_semantics) == (
        Side.SHORT, "0.009", "throttled-1s",
    )  # fmt: skip
    second = {"updatedTime": 1673251091822, "symbol": "GALAUSDT", "side": "Buy", "size": "1637", "price": "0.03803"}
    liquidation = wire.one("bybit", old(second, "liquidation.GALAUSDT"))
    assert (liquidation.side, liquidation.value_usd) == (Side.LONG, "62.25511")
    rest = [
        {"id": 3, "qty": 836, "side": "Sell", "time": 1608280339753, "symbol": "BTCUSD", "price": 23216},
        {"id": 4, "qty": 650, "side": "Buy", "time": 1608280339754, "symbol": "BTCUSD", "price": 44662.5},
    ]
    generated = wire.parse(
        "bybit:inverse", wire.encode({"topic": "liquidation.BTCUSD", "generated": True, "data": rest})
    )
    assert [landed.liquidation.value_usd for landed in generated.landed] == ["836", "650"]
    assert generated.landed[1].liquidation.price == "44662.5"


def test_a_row_has_one_identity_in_every_dialect() -> None:
    fields = ("BTCUSDT", "Buy", "100.50", "2")
    early = bybit.from_row(*fields, 1676000000000, dialect=bybit.V2)
    late = bybit.from_row(*fields, 1676000000000, dialect=bybit.V5)
    assert early.event_id == late.event_id


@pytest.mark.parametrize(
    ("frame", "dialect"),
    [
        (old({"symbol": "BTCUSDT", "side": "Sell", "price": "1", "qty": "1", "time": 1791565600992}), "liquidation v2"),
        (
            old({"symbol": "BTCUSDT", "side": "Sell", "price": "1", "size": "1", "updatedTime": 1791565600992}),
            "liquidation v5",
        ),
        (
            old({"symbol": "BTCUSDT", "side": "Sell", "price": "1", "size": "1", "updatedTime": 1632123952732}),
            "liquidation v5",
        ),
        (wire.bybit(wire.bybit_row(T=1632123952732)), "allLiquidation"),
    ],
)
def test_a_frame_out_of_its_dialects_time_is_rejected(frame: bytes, dialect: str) -> None:
    assert f"{dialect} row of" in wire.reason("bybit", frame)


def test_answers_are_told_apart() -> None:
    acknowledged = b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"1","op":"subscribe"}'
    assert wire.parse("bybit", acknowledged).kind is FrameKind.ACK
    assert wire.parse("bybit", b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}').kind is FrameKind.PONG
    assert wire.parse("bybit", b'{"op":"pong","args":["1"]}').kind is FrameKind.PONG


def test_a_refusal_names_the_bad_topic_of_its_batch() -> None:
    message = "error:handler not found,topic:allLiquidation.NOPEUSDT"
    frame = wire.encode({"success": False, "ret_msg": message, "conn_id": "x", "req_id": "2", "op": "subscribe"})
    parsed = wire.parse("bybit", frame)
    assert parsed.kind is FrameKind.REFUSED
    assert message in parsed.rejections[0].reason


def test_topics_are_asked_for_in_batches() -> None:
    contracts = [f"COIN{number:04}USDT" for number in range(1500)]
    messages = [json.loads(message) for message in bybit.LINEAR.subscribe(contracts)]
    assert [len(message["args"]) for message in messages] == [200] * 7 + [100]
    assert [message["req_id"] for message in messages] == [str(number) for number in range(1, 9)]
    assert bybit.LINEAR.expected_acks(contracts) == 8
    assert bybit.LINEAR.subscribe([]) == []


def test_the_symbol_list_is_paged_and_leaves_out_what_cannot_be_landed() -> None:
    entries = [{"symbol": name, "status": "Trading"} for name in ("BTCUSDT", "BTCPERP", "BTCEUR")]
    body = {"retCode": 0, "result": {"category": "linear", "list": entries, "nextPageCursor": "page2"}}
    listing = bybit.LINEAR.parse_instruments(wire.encode(body))
    assert [contract.name for contract in listing.contracts] == ["BTCUSDT", "BTCPERP"]
    assert listing.next_params == {"category": "linear", "limit": "1000", "cursor": "page2"}
    last = {"retCode": 0, "result": {"category": "linear", "list": entries, "nextPageCursor": ""}}
    assert bybit.LINEAR.parse_instruments(wire.encode(last)).next_params is None
    with pytest.raises(InvalidLiquidationError):
        bybit.LINEAR.parse_instruments(b'{"retCode":10001,"retMsg":"params error"}')


def test_contracts_of_canonical_symbols() -> None:
    for symbol, contract in {"BTCUSDT": "BTCUSDT", "SHIBUSDT": "SHIB1000USDT", "BTCUSDC": "BTCPERP"}.items():
        assert bybit.LINEAR.contract_of(symbol) == contract
        assert bybit.linear_name(contract).symbol == symbol
    assert bybit.INVERSE.contract_of("BTCUSD") == "BTCUSD"
