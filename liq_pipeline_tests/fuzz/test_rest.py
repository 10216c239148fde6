"""Broken answers of the venues' REST endpoints: read, or refused in words; never anything else."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import adapter, history, instruments
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.fuzz import mutation

_LISTED = {**wire.okx_listed("BTC-USDT-SWAP", wire.OKX_DETAIL, wire.OKX_DETAIL), "totalLoss": "0"}
_SWAPS = [
    {"instId": "BTC-USDT-SWAP", "ctType": "linear", "ctVal": "0.01", "ctMult": "1", "state": "live"},
    {"instId": "BTC-USD-SWAP", "ctType": "inverse", "ctVal": "100", "ctMult": "1"},
]
ANSWERS: Final = {
    "history": [
        wire.encode({"code": "0", "msg": "", "data": [_LISTED, {"$ref": "$.data[0]"}]}),
        wire.encode({"code": "50011", "msg": "Too Many Requests", "data": []}),
    ],
    "okx": [wire.encode({"code": "0", "data": _SWAPS})],
    "bybit": [
        wire.encode({"retCode": 0, "result": {"list": [{"symbol": "BTCUSDT"}], "nextPageCursor": "abc"}}),
        wire.encode({"retCode": 10001, "retMsg": "params error", "result": {}}),
    ],
}


def _read_history(body: bytes) -> object:
    source = history("okx")
    assert source is not None
    return source.read(body, instruments.snapshot("okx"))


@pytest.mark.parametrize("what", ANSWERS)
def test_a_broken_answer_is_read_or_refused_in_words(what: str) -> None:
    read: Callable[[bytes], object] = _read_history if what == "history" else adapter(what).parse_instruments
    outcomes = set()
    for number in range(1_000):
        body = mutation.frame(Random(f"{what}:{number}"), ANSWERS[what])
        try:
            read(body)
            outcomes.add("read")
        except InvalidLiquidationError as error:
            assert str(error).isascii() and len(str(error)) < 1_000, body
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
