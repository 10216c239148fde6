from __future__ import annotations

import json
from decimal import Decimal

import pytest

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import okx
from liq_pipeline.exchanges.base import Contract, FrameKind
from liq_pipeline.exchanges.instruments import StaticInstruments
from liq_pipeline.liquidation import Market, PriceKind, Side
from liq_pipeline_tests.exchanges import wire


def frame(contract: str = "BTC-USDT-SWAP", **changed: object) -> bytes:
    return wire.okx(wire.okx_listed(contract, wire.okx_detail(**changed)))


def v3(**changed: object) -> bytes:
    row = {"loss": "0", "size": "30", "price": "22376.9", "created_at": "2020-12-18T00:31:08.794Z", "type": "3"}
    return wire.encode({"table": "swap/liquidation", "data": [{**row, "instrument_id": "BTC-USDT-SWAP", **changed}]})


def test_sizes_are_contracts_times_their_value() -> None:
    liquidation = wire.one("okx", frame())
    assert (liquidation.quantity, liquidation.value_usd) == ("0.0855", "7067.06235")
    assert (liquidation.price, liquidation.price_kind) == ("82655.7", PriceKind.BANKRUPTCY)
    assert (liquidation.symbol, liquidation.market, liquidation.feed_semantics) == (
        "BTCUSDT", Market.LINEAR, "throttled-1s",
    )  # fmt: skip


def test_inverse_contracts_are_dollars_and_never_times_price() -> None:
    liquidation = wire.one("okx:inverse", frame("BTC-USD-SWAP", sz="5", bkPx="80000"))
    assert (liquidation.value_usd, liquidation.quantity) == ("500", "0.00625")
    assert (liquidation.symbol, liquidation.market) == ("BTCUSD", Market.INVERSE)


@pytest.mark.parametrize(
    ("position", "side", "liquidated"),
    [("long", "sell", Side.LONG), ("short", "buy", Side.SHORT), ("net", "sell", Side.LONG), ("net", "buy", Side.SHORT)],
)
def test_the_position_side_decides_and_net_positions_ask_the_order(position: str, side: str, liquidated: Side) -> None:
    assert wire.one("okx", frame(posSide=position, side=side)).side is liquidated


def test_sides_that_contradict_are_rejected() -> None:
    assert "posSide 'long' with side 'buy'" in wire.reason("okx", frame(side="buy"))


def test_both_feeds_parse_both_markets_and_each_wants_its_own() -> None:
    linear, inverse = frame(), frame("BTC-USD-SWAP")
    for feed in ("okx", "okx:inverse"):
        assert okx.LINEAR.wants(wire.one(feed, linear), [])
        assert not okx.LINEAR.wants(wire.one(feed, inverse), [])
        assert okx.INVERSE.wants(wire.one(feed, inverse), ["BTCUSD"])
    assert not okx.LINEAR.wants(wire.one("okx", linear), ["ETHUSDT"])
    assert okx.LINEAR.wants(wire.one("okx", linear), ["BTC-USDT-SWAP"])


def test_an_unknown_contract_value_is_the_reason_and_knowing_it_mends_the_row() -> None:
    unknown = frame("NEWCOIN-USDT-SWAP")
    assert "contract value of 'NEWCOIN-USDT-SWAP' is unknown" in wire.reason("okx", unknown)
    known = StaticInstruments().merged([Contract("NEWCOIN-USDT-SWAP", Market.LINEAR, Decimal(10))])
    (landed,) = okx.LINEAR.parse(unknown, known).landed
    assert landed.liquidation.quantity == "85.5"


def test_futures_have_the_size_of_their_familys_swap() -> None:
    future = wire.one("okx", frame("BTC-USDT-251226"))
    assert (future.symbol, future.quantity) == ("BTCUSDT-251226", "0.0855")
    assert wire.one("okx", frame("ETH-USD-251226", sz="3")).value_usd == "30"


def test_every_detail_of_every_instrument_lands_with_the_frame_narrowed_to_it() -> None:
    details = [wire.okx_detail(), wire.okx_detail(), wire.okx_detail(sz="0")]
    bitcoin, ether = wire.okx_listed("BTC-USDT-SWAP", *details), wire.okx_listed("ETH-USDT-SWAP", wire.okx_detail())
    parsed = wire.parse("okx", wire.okx(bitcoin, ether, {"instId": "X-USDT-SWAP"}, 5))
    assert [landed.liquidation.ordinal for landed in parsed.landed] == [0, 1, 0]
    assert json.loads(parsed.landed[0].raw) == json.loads(wire.okx({**bitcoin, "details": [wire.okx_detail()]}))
    assert json.loads(parsed.landed[2].raw) == json.loads(wire.okx(ether))
    assert len(parsed.rejections) == 3
    assert parsed.rejections[0].reason.startswith("size sz '0'")


def test_old_dialects_mean_what_they_meant() -> None:
    liquidation = wire.one("okx", v3())
    assert (liquidation.time, liquidation.side, liquidation.quantity) == (1608251468794, Side.LONG, "0.3")
    assert wire.one("okx", v3(type="4")).side is Side.SHORT
    channel = {"channel": "liquidations", "instId": "BTC-USDT-211231"}
    second = wire.encode({"arg": channel, "data": [wire.okx_detail(ts="1640140211925", sz="40", bkPx="49674.2")]})
    assert wire.one("okx", second).value_usd == "19869.68"


@pytest.mark.parametrize(
    ("late", "dialect"),
    [
        (v3(created_at="2022-01-01T00:00:00.000Z"), "v3"),
        (wire.encode({"arg": {"channel": "liquidations", "instId": "BTC-USDT-SWAP"}, "data": [wire.okx_detail()]}),
         "liquidations"),
        (frame(ts="1640140211925"), "liquidation-orders"),
    ],
)  # fmt: skip
def test_a_frame_out_of_its_dialects_time_is_rejected(late: bytes, dialect: str) -> None:
    assert f"{dialect} row of" in wire.reason("okx", late)


@pytest.mark.parametrize("changed", [{"type": "5"}, {"created_at": "2020-12-18T00:31:08"}, {"created_at": 5}])
def test_broken_v3_rows_are_rejected(changed: dict[str, object]) -> None:
    assert wire.reason("okx", v3(**changed))


def test_quotes_other_than_the_dollars_are_rejected() -> None:
    for contract in ("BTC-EUR-SWAP", "BTC-USD_UM-SWAP", "BTC-USDT", "BTC-USDT-250101-90000-C"):
        assert wire.reason("okx", frame(contract))


def test_answers_are_told_apart() -> None:
    argument = {"channel": "liquidation-orders", "instType": "SWAP"}
    assert wire.parse("okx", wire.encode({"event": "subscribe", "arg": argument, "connId": "x"})).kind is FrameKind.ACK
    assert wire.parse("okx", b"pong").kind is FrameKind.PONG
    assert wire.parse("okx", b'{"event":"notice","code":"64008","msg":"closing"}').kind is FrameKind.CONTROL
    refusal = wire.parse("okx", b'{"event":"error","code":"60018","msg":"Wrong channel"}')
    assert refusal.kind is FrameKind.REFUSED
    assert "Wrong channel" in refusal.rejections[0].reason


def test_one_topic_is_subscribed_and_pinged_before_thirty_seconds() -> None:
    (message,) = okx.LINEAR.subscribe(["BTC-USDT-SWAP"])
    assert json.loads(message)["args"] == [{"channel": "liquidation-orders", "instType": "SWAP"}]
    assert okx.LINEAR.keepalive_message == "ping"
    assert okx.LINEAR.keepalive_seconds < 30


def test_contract_sizes_come_from_the_venues_list() -> None:
    body = {
        "code": "0",
        "data": [
            {"instId": "BTC-USDT-SWAP", "ctVal": "0.01", "ctMult": "2", "ctType": "linear"},
            {"instId": "BTC-USD-SWAP", "ctVal": "100", "ctMult": "1", "ctType": "inverse"},
            {"instId": "SOON-USDT-SWAP", "ctVal": "", "ctMult": "", "ctType": "linear"},
            {"instId": "BTC-USDT", "ctVal": "", "ctMult": "", "ctType": ""},
            7,
        ],
    }
    listing = okx.LINEAR.parse_instruments(wire.encode(body))
    assert listing.next_params is None
    assert list(listing.contracts) == [
        Contract("BTC-USDT-SWAP", Market.LINEAR, Decimal("0.02")),
        Contract("BTC-USD-SWAP", Market.INVERSE, Decimal(100)),
    ]
    with pytest.raises(InvalidLiquidationError):
        okx.LINEAR.parse_instruments(b'{"code":"50011","msg":"Too Many Requests"}')


def test_contracts_of_canonical_symbols() -> None:
    assert okx.LINEAR.contract_of("BTCUSDT") == "BTC-USDT-SWAP"
    assert okx.LINEAR.contract_of("PEPEUSDC") == "PEPE-USDC-SWAP"
    assert okx.INVERSE.contract_of("BTCUSD") == "BTC-USD-SWAP"
