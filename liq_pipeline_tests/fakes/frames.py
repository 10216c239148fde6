"""Well-formed liquidation frames, distinct by their number."""

from __future__ import annotations

import json


def binance(number: int, symbol: str = "BTCUSDT") -> str:
    time = 1_791_565_602_120 + number
    order = {
        "s": symbol, "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.190", "p": "82338.30", "ap": "82651.90",
        "X": "FILLED", "l": "0.155", "z": "0.190", "T": time,
    }  # fmt: skip
    return json.dumps({"stream": "!forceOrder@arr", "data": {"e": "forceOrder", "E": time + 900, "o": order}})


def bybit(number: int, symbol: str = "BTCUSDT") -> str:
    time = 1_791_565_600_992 + number
    row = {"T": time, "s": symbol, "S": "Buy", "v": "0.006", "p": "82396.90"}
    return json.dumps({"topic": f"allLiquidation.{symbol}", "type": "snapshot", "ts": time + 300, "data": [row]})


def okx(number: int, contract: str = "BTC-USDT-SWAP") -> str:
    detail = {
        "bkLoss": "0", "bkPx": "82655.7", "ccy": "", "posSide": "long", "side": "sell", "sz": "8.55",
        "ts": str(1_791_565_600_771 + number),
    }  # fmt: skip
    family = "-".join(contract.split("-")[:2])
    data = {"details": [detail], "instFamily": family, "instId": contract, "instType": "SWAP", "uly": family}
    return json.dumps({"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [data]})
