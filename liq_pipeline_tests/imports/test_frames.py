import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports.frames import FORMAT
from liq_pipeline.imports.record import Origin, Record
from liq_pipeline.liquidation import Market

BINANCE = (
    b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791565603055,"o":{"s":"BTCUSDT","S":"SELL",'
    b'"o":"LIMIT","f":"IOC","q":"0.190","p":"82338.30","ap":"82651.90","X":"FILLED","l":"0.155","z":"0.190",'
    b'"T":1791565602120,"ps":"BTCUSDT","st":1}}}'
)
BYBIT = (
    b'{"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":['
    b'{"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"},'
    b'{"T":1791565601058,"s":"BTCUSDT","S":"Buy","v":"0.038","p":"82394.30"}]}'
)
OKX = (
    b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7",'
    b'"ccy":"","posSide":"long","side":"sell","sz":"8.55","ts":"1791565600771"}],"instFamily":"BTC-USDT",'
    b'"instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT"}]}'
)
FRAMES = {"binance": BINANCE, "bybit": BYBIT, "okx": OKX}


def _read(line: bytes, exchange: str = "binance", market: Market = Market.LINEAR) -> Record:
    return FORMAT.reader(Origin(exchange, market, snapshot(exchange)))(line)


@pytest.mark.parametrize(("exchange", "count"), [("binance", 1), ("bybit", 2), ("okx", 1)])
def test_a_raw_frame_lands_all_it_holds_at_its_own_time(exchange: str, count: int) -> None:
    record = _read(FRAMES[exchange], exchange)
    assert len(record.entries) == count
    assert not record.rejections
    for entry in record.entries:
        assert entry.source == "import:frames"
        assert entry.received_at == entry.liquidation.time
        assert entry.liquidation.exchange == exchange


@pytest.mark.parametrize("exchange", FRAMES)
def test_an_envelope_says_when_the_frame_was_received_and_changes_nothing_else(exchange: str) -> None:
    frame = FRAMES[exchange]
    bare = _read(frame, exchange)
    as_object = b'{"received_at": 1791565603999, "frame": ' + frame + b"}"
    as_text = json.dumps({"frame": frame.decode(), "received_at": 1791565603999}).encode()
    for line in (as_object, as_text):
        record = _read(line, exchange)
        assert record.entries == [entry._replace(received_at=1791565603999) for entry in bare.entries]
        assert record.received_at == 1791565603999


@pytest.mark.parametrize(
    ("exchange", "line"),
    [
        ("binance", b'{"result":null,"id":1}'),
        ("bybit", b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}'),
        ("okx", b"pong"),
        ("okx", b'{"received_at": 1791565603999, "frame": "pong"}'),
        ("okx", b'{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"x"}'),
    ],
)
def test_acknowledgements_and_pongs_are_neither_landed_nor_rejected(exchange: str, line: bytes) -> None:
    record = _read(line, exchange)
    assert not record.entries
    assert not record.rejections


@pytest.mark.parametrize("exchange", FRAMES)
@pytest.mark.parametrize("given", FRAMES)
def test_a_line_of_another_venue_is_named(exchange: str, given: str) -> None:
    if exchange == given:
        return
    record = _read(FRAMES[given], exchange)
    assert [rejection.reason for rejection in record.rejections] == [f"looks like {given}, not {exchange}"]
    assert record.rejections[0].frame == FRAMES[given]


@given(received_at=st.integers(1_546_300_800_000, 4_102_444_799_999), exchange=st.sampled_from(sorted(FRAMES)))
def test_any_time_of_receipt_reads_back_as_written(received_at: int, exchange: str) -> None:
    line = json.dumps({"received_at": received_at, "frame": json.loads(FRAMES[exchange])}).encode()
    entries = _read(line, exchange).entries
    assert {entry.received_at for entry in entries} == {received_at}
    assert [entry.liquidation for entry in entries] == [
        entry.liquidation for entry in _read(FRAMES[exchange], exchange).entries
    ]


@pytest.mark.parametrize("received_at", [b"0", b"-1", b"1.5", b'"now"', b"null", b"1e40", b"17915656", b"true"])
def test_an_impossible_time_of_receipt_is_rejected_with_its_value(received_at: bytes) -> None:
    line = b'{"received_at": ' + received_at + b', "frame": ' + BINANCE + b"}"
    (rejection,) = _read(line).rejections
    assert "received_at" in rejection.reason
    assert rejection.frame == line


def test_an_envelope_without_a_time_is_rejected() -> None:
    (rejection,) = _read(b'{"frame": ' + BINANCE + b"}").rejections
    assert rejection.reason == '"frame" without "received_at"'


def test_an_old_dialect_is_read_as_it_was_meant() -> None:
    line = (
        b'{"data":{"price":"0.03803","side":"Buy","size":"1637","symbol":"GALAUSDT","updatedTime":1673251091822},'
        b'"topic":"liquidation.GALAUSDT","ts":1673251091822,"type":"snapshot"}'
    )
    (entry,) = _read(line, "bybit").entries
    assert (entry.liquidation.time, entry.liquidation.quantity) == (1673251091822, "1637")


def test_inverse_frames_are_read_with_the_inverse_market() -> None:
    line = (
        b'{"stream":"btcusd_200925@forceOrder","data":{"e":"forceOrder","E":1594622954023,"o":{"s":"BTCUSD_200925",'
        b'"ps":"BTCUSD","S":"SELL","o":"LIMIT","f":"IOC","q":"3","p":"9314.5","ap":"9352.7","X":"FILLED","l":"3",'
        b'"z":"3","T":1594622954021}}}'
    )
    (entry,) = _read(line, "binance", Market.INVERSE).entries
    assert (entry.liquidation.market, entry.liquidation.value_usd) == (Market.INVERSE, "300")
    (rejection,) = _read(line, "binance").rejections
    assert rejection.reason == "looks like binance:inverse, not binance"


def test_a_topic_of_both_markets_lands_the_one_asked_for_and_counts_the_other() -> None:
    inverse = OKX.replace(b"BTC-USDT", b"BTC-USD")
    assert len(_read(OKX, "okx").entries) == 1
    record = _read(inverse, "okx")
    assert (list(record.entries), list(record.rejections), record.elsewhere) == ([], [], 1)
    (entry,) = _read(inverse, "okx", Market.INVERSE).entries
    assert (entry.liquidation.symbol, entry.liquidation.value_usd) == ("BTCUSD", "855")


@pytest.mark.parametrize("exchange", FRAMES)
@given(line=st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_line_raises_and_nothing_disappears(exchange: str, line: bytes | str) -> None:
    text = line if isinstance(line, bytes) else line.encode()
    record = _read(text, exchange)
    assert not record.entries
    assert all(rejection.frame == text for rejection in record.rejections)
