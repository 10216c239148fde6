"""A line moved in time is what the venue would have sent then: the same but for its times."""

import json
import re

import pytest

from liq_pipeline import exchanges
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.record import Origin, Record
from liq_pipeline.liquidation import Market
from liq_pipeline.replay.shift import BY_FORMAT
from liq_pipeline_tests.fakes import frames

DELTA = 12_345_678
FRAMES = {"binance": frames.binance(1), "bybit": frames.bybit(1), "okx": frames.okx(1)}
BYBIT_PAIR = (
    '{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":['
    '{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"},'
    '{"T":1791565601058,"s":"BTCUSDT","S":"Buy","v":"1791565601058","p":"82394.30"}]}'
)
ROWS = {
    "forceorder_csv": b"BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565601058,101.5",
    "binance_vision": b"1791565601058,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7",
    "tardis": b"binance-futures,BTCUSDT,1791565601058000,1791565601158123,,sell,94210.3,0.012",
}


def _read(name: str, line: bytes, exchange: str = "binance") -> Record:
    return FORMATS[name].reader(Origin(exchange, Market.LINEAR, snapshot(exchange), "BTCUSDT"))(line)


@pytest.mark.parametrize("exchange", exchanges.FEEDS[:3])
@pytest.mark.parametrize("wrapped", ["alone", "object", "text"])
def test_a_frame_is_moved_with_all_its_times(exchange: str, wrapped: str) -> None:
    line = FRAMES[exchange]
    if wrapped != "alone":
        received = {"received_at": 1_791_565_604_000, "frame": json.loads(line) if wrapped == "object" else line}
        line = json.dumps(received)
    moved = BY_FORMAT["frames"](line.encode(), DELTA)
    (before,), (after,) = _read("frames", line.encode(), exchange).entries, _read("frames", moved, exchange).entries
    assert after.liquidation.time == before.liquidation.time + DELTA
    assert after.received_at == before.received_at + DELTA
    assert after.liquidation.event_id != before.liquidation.event_id
    for name in ("contract", "side", "price", "quantity", "value_usd", "limit_price"):
        assert getattr(after.liquidation, name) == getattr(before.liquidation, name)
    # Every number as large as a time in the frame has moved, and nothing else has.
    times = re.findall(rb"1791\d{9}", before.raw)
    assert re.findall(rb"1791\d{9}", after.raw) == [b"%d" % (int(time) + DELTA) for time in times]
    assert BY_FORMAT["frames"](moved, -DELTA) == BY_FORMAT["frames"](line.encode(), 0)


def test_what_only_looks_like_a_time_stays() -> None:
    moved = json.loads(BY_FORMAT["frames"](BYBIT_PAIR.encode(), DELTA))
    assert [row["T"] for row in moved["data"]] == [1791565600992 + DELTA, 1791565601058 + DELTA]
    assert moved["data"][1]["v"] == "1791565601058"


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_a_table_is_moved_in_its_columns_of_time(name: str) -> None:
    before, after = _read(name, ROWS[name]), _read(name, BY_FORMAT[name](ROWS[name], DELTA))
    assert after.entries[0].liquidation.time == before.entries[0].liquidation.time + DELTA == 1791565601058 + DELTA
    assert after.entries[0].received_at == before.entries[0].received_at + DELTA
    assert BY_FORMAT[name](BY_FORMAT[name](ROWS[name], DELTA), -DELTA) == ROWS[name]


@pytest.mark.parametrize("line", [b"pong", b"", b'{"half', b"[1,", b"\xff\xfe", b"time,side", b"a,b,c"])
@pytest.mark.parametrize("name", BY_FORMAT)
def test_what_holds_no_time_comes_back_as_it_is(name: str, line: bytes) -> None:
    assert BY_FORMAT[name](line, DELTA) == line


def test_every_format_can_be_moved() -> None:
    assert set(BY_FORMAT) == set(FORMATS)
