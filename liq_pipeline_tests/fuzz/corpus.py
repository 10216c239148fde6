"""What the fuzzing starts from: frames that venues sent and that the simulator sends, and lines of archives."""

from __future__ import annotations

import itertools
from collections import defaultdict
from functools import cache
from typing import Final

from liq_pipeline import exchanges
from liq_pipeline.simulate.simulation import simulate
from liq_pipeline_tests.exchanges import wire

RECORDED: Final = {
    "binance": ("tardis/binance-futures", "captured_2026/binance_usdm", "captured_2026/misc_binance_usdm"),
    "bybit": ("tardis/bybit", "captured_2026/bybit", "captured_2026/misc_bybit"),
    "okx": ("tardis/okex-swap", "tardis/okex-futures", "captured_2026/misc_okx", "captured_2026/misc_okx_TESTNET"),
    "binance:inverse": ("tardis/binance-delivery",),
    "bybit:inverse": ("tardis/bybit",),
    "okx:inverse": ("tardis/okex-swap", "tardis/okex-futures"),
}
"""By feed, the files of ``../shared/data/frames``."""

_BUNDLE = {"s": "1000PEPEUSDT", "ap": "0.0119", "p": "0.0118", "z": "90000"}
_INVERSE = {"s": "BTCUSD_PERP", "z": "17", "q": "17"}
_V5 = {"symbol": "BTCUSDT", "side": "Sell", "price": "28000.5", "size": "0.5", "updatedTime": 1700000000123}
_V2 = {"symbol": "ETHUSDT", "side": "Buy", "price": "1800.05", "qty": "3", "time": 1670000000123}
_OKX_V3 = {
    "instrument_id": "BTC-USDT-SWAP", "size": "30", "price": "22376.9", "created_at": "2020-12-18T00:31:08.794Z",
    "type": "3", "loss": "0",
}  # fmt: skip

MADE: Final = {
    "binance": [
        wire.binance(bare=True, **_BUNDLE),
        wire.binance(ap="0"),
        wire.binance(s="BTCUSDT_251226", S="BUY"),
        wire.encode({"stream": "x", "data": [{"e": "forceOrder", "o": wire.BINANCE_ORDER}] * 2}),
        wire.encode({"stream": "btcusdt@markPrice@1s", "data": {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "1"}}),
        b'{"result":null,"id":1}',
        b'{"error":{"code":2,"msg":"Invalid request"},"id":1}',
    ],
    "binance:inverse": [
        wire.binance(**_INVERSE),
        wire.binance(bare=True, s="ETHUSD_251226", z="3", S="BUY"),
        wire.encode({"stream": "x", "data": [{"e": "forceOrder", "o": {**wire.BINANCE_ORDER, **_INVERSE}}] * 2}),
        b'{"result":null,"id":1}',
    ],
    "bybit": [
        wire.bybit(wire.bybit_row(), wire.bybit_row(), wire.bybit_row(S="Sell", v="1.5")),
        wire.bybit(wire.bybit_row(s="SHIB1000USDT", p="0.0123", v="17000"), wire.bybit_row(s="BTCPERP")),
        wire.bybit(wire.bybit_row(s="BTC-26DEC25"), wire.bybit_row(s="1000000MOGUSDT", p="0.9")),
        wire.encode({"topic": "liquidation.BTCUSDT", "type": "snapshot", "ts": 1, "data": _V5}),
        wire.encode({"topic": "liquidation.ETHUSDT", "data": [_V2, {**_V2, "id": 5}]}),
        b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}',
        b'{"success":true,"ret_msg":"","conn_id":"c","req_id":"1","op":"subscribe"}',
        b'{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}',
    ],
    "bybit:inverse": [
        wire.bybit(wire.bybit_row(s="BTCUSD", v="500"), wire.bybit_row(s="BTCUSDZ25", v="100")),
        wire.bybit(wire.bybit_row(s="ETHUSD", v="33", p="2000.05")),
        b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}',
    ],
    "okx": [
        wire.okx(wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail(), wire.okx_detail(), wire.okx_detail(sz="1"))),
        wire.okx(
            wire.okx_listed("ETH-USDT-SWAP", wire.okx_detail(bkPx="2000.5")),
            wire.okx_listed("BTC-USDT-251226", wire.okx_detail(posSide="net", side="buy"), wire.okx_detail(sz="3")),
        ),
        wire.encode(
            {"arg": {"channel": "liquidations", "instId": "BTC-USDT-SWAP"}, "data": [
                wire.okx_detail(ts="1660000000123"), wire.okx_detail(ts="1660000000124")]}
        ),
        wire.encode({"table": "swap/liquidation", "data": [_OKX_V3, {**_OKX_V3, "type": "4"}]}),
        wire.encode({"event": "subscribe", "arg": {"channel": "liquidation-orders"}, "connId": "c"}),
        wire.encode({"event": "error", "code": "60012", "msg": "Illegal request", "connId": "c"}),
        wire.encode({"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "c"}),
        b"pong",
    ],
    "okx:inverse": [
        wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="12"))),
        wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="7", posSide="short", side="buy"))),
        wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="12"), wire.okx_detail(sz="12", posSide="short"))),
        wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(posSide="net")), wire.okx_listed("X-USD-SWAP")),
        b"pong",
    ],
}  # fmt: skip
"""By feed, what no recording holds: batches, old dialects, bundles, dated contracts, answers."""

CSV: Final = {
    "binance_vision": [
        b"time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
        b"last_fill_quantity,accumulated_fill_quantity",
        b"1687656471926,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7",
        b"1687656471999,SELL,LIMIT,IOC,70,30741.3,0,FILLED,6,70",
    ],
    "forceorder_csv": [
        b"BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565601058,101.5",
        b"ETHUSDT,BUY,LIMIT,IOC,1.250,3100.10,3099.95,FILLED,0.5,1.250,1735000000000",
        b"BTC_250627,BUY,LIMIT,IOC,2,100000,None,FILLED,2,2,1735000000000,7,8,9",
        b"1000SHIB,SELL,LIMIT,IOC,1,0.02,0.021,PARTIALLY_FILLED,1,1,1735000000123",
    ],
}
"""Lines of the formats of Binance that are comma-separated."""
_TARDIS_HEADER: Final = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
TARDIS: Final = {
    "binance": [
        b"binance-futures,BTCUSDT,1746057601234000,1746057602180123,,sell,94210.3,0.012",
        b"binance-futures,BTCUSDT,1660057601234000,1660057602180123,,buy,24210.3,1.5",
        b"binance-futures,1000PEPEUSDT,1690057601234000,1690057602180123,,buy,0.0012,15000",
        b"binance-delivery,BTCUSD_PERP,1690057601234000,1690057602180123,,buy,24210.3,15",
    ],
    "bybit": [
        b"bybit,BTCUSDT,1746057601234000,1746057602180123,,sell,94210.3,0.012",
        b"bybit,ETHUSDT,1690057601234000,1690057602180123,,buy,1800.5,3",
        b"bybit,ETHUSDT,1610057601234000,1610057602180123,123456,buy,1800.5,3",
        b"bybit,BTCUSD,1746057601234000,1746057602180123,,sell,94210.3,500",
    ],
    "okx": [
        b"okex-swap,BTC-USDT-SWAP,1746057601234000,1746057602180123,,sell,94210.3,12",
        b"okex-swap,BTC-USDT-SWAP,1660057601234000,1660057602180123,,buy,24210.3,12",
        b"okex-swap,BTC-USDT-SWAP,1610057601234000,1610057602180123,,buy,34210.3,1",
        b"okex-futures,BTC-USDT-250627,1746057601234000,1746057602180123,,sell,94210.3,1",
        b"okex-swap,BTC-USD-SWAP,1746057601234000,1746057602180123,,sell,94210.3,12",
    ],
}
"""By feed, lines of Tardis; the last is of the other market."""


@cache
def frames(feed: str) -> tuple[bytes, ...]:
    """Frames of a feed: recorded where recordings are beside the repository, simulated and made by hand always."""
    found = list(MADE[feed])
    for name in RECORDED[feed]:
        path = wire.SHARED / "frames" / f"{name}.jsonl"
        if path.is_file():
            found += filter(None, path.read_bytes().splitlines())
    return tuple(dict.fromkeys([*found, *_simulated()[feed]]))


@cache
def lines(format_name: str, feed: str) -> tuple[bytes, ...]:
    """Lines of an archive format that hold this feed."""
    if format_name == "tardis":
        return (_TARDIS_HEADER, *TARDIS[feed])
    if format_name != "frames":
        return tuple(CSV[format_name])
    received = [b'{"received_at":1791565603000,"frame":' + frame + b"}" for frame in frames(feed) if frame[:1] == b"{"]
    return (*received, *frames(feed), b'{"received_at":1791565603000,"frame":"pong"}')


@cache
def _simulated() -> dict[str, list[bytes]]:
    found = defaultdict[str, list[bytes]](list)
    for line in itertools.islice(simulate(400, seed=11), 300):
        if len(found[line.venue]) < 40:
            found[line.venue].append(line.text.encode())
    return defaultdict(list, {feed: found[feed] for feed in exchanges.FEEDS if feed in found})
