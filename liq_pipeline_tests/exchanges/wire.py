"""Frames as the venues send them, for tests to bend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from liq_pipeline.exchanges import adapter, instruments
from liq_pipeline.exchanges.base import Parsed
from liq_pipeline.liquidation import Liquidation

SHARED = Path(__file__).parents[3] / "shared" / "data"

BINANCE_ORDER = {
    "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.190", "p": "82338.30", "ap": "82651.90",
    "X": "FILLED", "l": "0.155", "z": "0.190", "T": 1791565602120, "ps": "BTCUSDT", "st": 1,
}  # fmt: skip
BYBIT_ROW = {"T": 1791565600992, "s": "BTCUSDT", "S": "Buy", "v": "0.006", "p": "82396.90"}
OKX_DETAIL = {
    "bkLoss": "0", "bkPx": "82655.7", "ccy": "", "posSide": "long", "side": "sell", "sz": "8.55",
    "ts": "1791565600771",
}  # fmt: skip


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def binance(*, bare: bool = False, **changed: Any) -> bytes:
    event = {"e": "forceOrder", "E": 1791565603055, "o": without_missing({**BINANCE_ORDER, **changed})}
    return encode(event if bare else {"stream": "!forceOrder@arr", "data": event})


def bybit(*rows: Any) -> bytes:
    return encode({"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1791565601482, "data": list(rows)})


def bybit_row(**changed: Any) -> dict[str, Any]:
    return without_missing({**BYBIT_ROW, **changed})


def okx(*listed: Any) -> bytes:
    return encode({"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": list(listed)})


def okx_listed(contract: Any, *details: Any) -> dict[str, Any]:
    return without_missing({"details": list(details), "instFamily": "BTC-USDT", "instId": contract, "instType": "SWAP"})


def okx_detail(**changed: Any) -> dict[str, Any]:
    return without_missing({**OKX_DETAIL, **changed})


MISSING = object()
"""As a changed field's value: the field is left out."""


def without_missing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not MISSING}


def parse(feed: str, frame: bytes, *, ordinal: int = 0) -> Parsed:
    return adapter(feed).parse(frame, instruments.snapshot(feed.partition(":")[0]), ordinal=ordinal)


def one(feed: str, frame: bytes) -> Liquidation:
    """The frame's only liquidation."""
    parsed = parse(feed, frame)
    assert not parsed.rejections, parsed.rejections
    (landed,) = parsed.landed
    assert landed.raw == frame
    return landed.liquidation


def reason(feed: str, frame: bytes) -> str:
    """Why the frame was rejected whole."""
    parsed = parse(feed, frame)
    assert not parsed.landed
    (rejection,) = parsed.rejections
    assert rejection.frame == frame
    return rejection.reason
