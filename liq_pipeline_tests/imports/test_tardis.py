import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges import adapter, instruments
from liq_pipeline.exchanges.base import Parsed
from liq_pipeline.imports.record import Origin, Record
from liq_pipeline.imports.tardis import FORMAT
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side

HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def _row(
    day: str, exchange: str, symbol: str, side: str = "sell", price: str = "30000.5", amount: str = "2", id_: str = ""
) -> bytes:
    time = _ms(day)
    return f"{exchange},{symbol},{time}000,{time + 180}123,{id_},{side},{price},{amount}".encode()


def _read(line: bytes, exchange: str = "binance", market: Market = Market.LINEAR) -> Record:
    return FORMAT.reader(Origin(exchange, market, instruments.snapshot(exchange)))(line)


def _landed(record: Record, *, matched: bool) -> Liquidation:
    assert not record.rejections
    assert record.matched is matched
    (entry,) = record.entries
    return entry.liquidation


def _parsed(feed: str, frame: dict[str, object]) -> Liquidation:
    parsed: Parsed = adapter(feed).parse(json.dumps(frame).encode(), instruments.snapshot(feed.partition(":")[0]))
    assert not parsed.rejections
    return parsed.landed[0].liquidation


def _force_order(symbol: str, time: int) -> dict[str, object]:
    order = {"s": symbol, "S": "SELL", "p": "30000.50", "ap": "30100", "l": "0.5", "z": "2.000", "T": time}
    return {"e": "forceOrder", "E": time + 900, "o": order}


@pytest.mark.parametrize(
    ("exchange", "symbol", "market", "feed"),
    [
        ("binance-futures", "BTCUSDT", Market.LINEAR, "binance"),
        ("binance-delivery", "BTCUSD_PERP", Market.INVERSE, "binance:inverse"),
    ],
)
def test_since_may_2025_a_row_of_binance_is_the_frames_liquidation_at_its_limit_price(
    exchange: str, symbol: str, market: Market, feed: str
) -> None:
    liquidation = _landed(_read(_row("2025-05-01", exchange, symbol), market=market), matched=True)
    frame = _parsed(feed, _force_order(symbol, _ms("2025-05-01")))
    for name in ("event_id", "time", "side", "contract", "symbol", "limit_price", "feed_semantics"):
        assert getattr(liquidation, name) == getattr(frame, name)
    assert (liquidation.price, liquidation.price_kind) == ("30000.5", PriceKind.ORDER)


def test_contracts_of_inverse_rows_are_dollars() -> None:
    liquidation = _landed(
        _read(_row("2025-05-01", "binance-delivery", "BTCUSD_PERP"), market=Market.INVERSE), matched=True
    )
    assert liquidation.value_usd == "200"
    assert liquidation.quantity == f"{Decimal(200) / Decimal('30000.5'):.12f}"


@pytest.mark.parametrize("day", ["2023-06-01", "2023-11-01", "2025-04-30T23:59:59.999"])
def test_before_it_a_row_of_binance_may_hold_only_the_last_fill_so_it_is_a_lower_bound_of_its_own_identity(
    day: str,
) -> None:
    liquidation = _landed(_read(_row(day, "binance-futures", "BTCUSDT")), matched=False)
    assert liquidation.event_id != _parsed("binance", _force_order("BTCUSDT", _ms(day))).event_id
    assert liquidation.feed_semantics == "throttled-1s-latest-lower-bound"
    assert (liquidation.price_kind, liquidation.limit_price) == (PriceKind.ORDER, "30000.5")


def test_until_january_2023_the_price_was_the_average_fill() -> None:
    liquidation = _landed(_read(_row("2023-01-01", "binance-futures", "BTCUSDT")), matched=False)
    assert (liquidation.price_kind, liquidation.limit_price) == (PriceKind.FILL, None)


def test_a_buying_taker_liquidated_a_short() -> None:
    for exchange, feed, symbol in (
        ("binance-futures", "binance", "BTCUSDT"),
        ("bybit", "bybit", "BTCUSDT"),
        ("okex-swap", "okx", "BTC-USDT-SWAP"),
    ):
        for side, liquidated in (("buy", Side.SHORT), ("sell", Side.LONG)):
            (entry,) = _read(_row("2025-06-01", exchange, symbol, side), feed).entries
            assert entry.liquidation.side is liquidated


@pytest.mark.parametrize(
    ("day", "data"),
    [
        ("2022-06-01", {"symbol": "BTCUSD", "side": "Buy", "price": "30000.50", "qty": "2", "time": 0}),
        ("2025-02-26", [{"T": 0, "s": "BTCUSD", "S": "Buy", "v": "2", "p": "30000.50"}]),
    ],
)
def test_a_row_of_bybit_is_the_frames_liquidation(day: str, data: object) -> None:
    text = json.dumps(data).replace(": 0", f": {_ms(day)}")
    topic = "liquidation.BTCUSD" if isinstance(data, dict) else "allLiquidation.BTCUSD"
    frame = _parsed("bybit:inverse", {"topic": topic, "ts": _ms(day) + 100, "data": json.loads(text)})
    assert _landed(_read(_row(day, "bybit", "BTCUSD"), "bybit", Market.INVERSE), matched=True) == frame
    assert frame.value_usd == "2"


@pytest.mark.parametrize("day", ["2023-04-05", "2025-02-25T23:59:59.999"])
def test_from_april_2023_to_february_2025_a_row_of_bybit_lacks_the_events_own_time(day: str) -> None:
    liquidation = _landed(_read(_row(day, "bybit", "BTCUSDT"), "bybit"), matched=False)
    row = {"symbol": "BTCUSDT", "side": "Buy", "price": "30000.5", "size": "2", "updatedTime": _ms(day)}
    frame = _parsed("bybit", {"topic": "liquidation.BTCUSDT", "ts": _ms(day), "data": row})
    assert liquidation.event_id != frame.event_id
    assert (liquidation.time, liquidation.side, liquidation.value_usd) == (frame.time, frame.side, frame.value_usd)
    assert liquidation.feed_semantics == "throttled-1s"


def test_rows_tardis_read_from_bybits_rest_have_an_id_that_is_no_part_of_the_identity() -> None:
    with_id = _landed(_read(_row("2021-03-01", "bybit", "BTCUSDT", id_="3422858"), "bybit"), matched=True)
    assert with_id == _landed(_read(_row("2021-03-01", "bybit", "BTCUSDT"), "bybit"), matched=True)


def test_until_december_2021_the_side_of_an_okx_row_tells_all_of_it() -> None:
    row = {
        "instrument_id": "BTC-USDT-SWAP", "size": "2", "price": "30000.5", "created_at": "2021-06-01T00:00:00.000Z",
        "type": "3", "loss": "0",
    }  # fmt: skip
    frame = _parsed("okx", {"table": "swap/liquidation", "data": [row]})
    assert _landed(_read(_row("2021-06-01", "okex-swap", "BTC-USDT-SWAP"), "okx"), matched=True) == frame
    assert frame.value_usd == "600.01"


def test_later_rows_of_okx_lack_the_position_side() -> None:
    for day in ("2021-12-23", "2023-03-15", "2025-06-01"):
        liquidation = _landed(_read(_row(day, "okex-swap", "BTC-USDT-SWAP"), "okx"), matched=False)
        detail = {"posSide": "net", "side": "sell", "bkPx": "30000.5", "sz": "2", "ts": str(_ms(day))}
        frame = {"arg": {"channel": "liquidation-orders"}, "data": [{"instId": "BTC-USDT-SWAP", "details": [detail]}]}
        if day >= "2023-03":
            assert liquidation.event_id != _parsed("okx", frame).event_id
        assert (liquidation.side, liquidation.value_usd) == (Side.LONG, "600.01")


def test_dated_futures_of_okx_come_from_their_own_exchange_name() -> None:
    liquidation = _landed(_read(_row("2021-06-01", "okex-futures", "BTC-USDT-210625"), "okx"), matched=True)
    assert liquidation.symbol == "BTCUSDT-210625"


def test_the_identity_of_an_unmatched_row_is_its_own_text_whatever_the_notation() -> None:
    first = _landed(_read(_row("2024-01-01", "binance-futures", "1000PEPEUSDT", price="1e-7")), matched=False)
    again = _landed(_read(_row("2024-01-01", "binance-futures", "1000PEPEUSDT", price="0.00000010")), matched=False)
    other = _landed(_read(_row("2024-01-01", "binance-futures", "1000PEPEUSDT", price="2e-7")), matched=False)
    assert first == again
    assert first.event_id != other.event_id


def test_rows_of_the_other_market_are_counted_not_landed() -> None:
    for line, exchange in (
        (_row("2025-06-01", "binance-delivery", "BTCUSD_PERP"), "binance"),
        (_row("2025-06-01", "bybit", "BTCUSDZ25"), "bybit"),
        (_row("2025-06-01", "okex-swap", "BTC-USD-SWAP"), "okx"),
    ):
        assert _read(line, exchange) == Record(elsewhere=1)
        assert len(_read(line, exchange, Market.INVERSE).entries) == 1


def test_a_row_was_received_when_tardis_received_it_and_reads_back_as_it_was_stored() -> None:
    line = _row("2025-06-01", "okex-swap", "BTC-USDT-SWAP")
    record = _read(line, "okx")
    (entry,) = record.entries
    assert (entry.source, entry.received_at) == ("import:tardis", _ms("2025-06-01") + 180)
    assert record.received_at == entry.received_at
    assert list(json.loads(entry.raw))[:2] == ["format", "exchange"]
    reread = FORMAT.rereader(Origin("okx", Market.LINEAR, instruments.snapshot("okx")))
    assert reread(entry.raw) == record


def test_a_header_is_no_row() -> None:
    assert _read(HEADER) == Record()
    assert FORMAT.recognises(HEADER)
    assert FORMAT.recognises(_row("2025-06-01", "deribit", "BTC-PERPETUAL"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (_row("2025-06-01", "bybit", "BTCUSDT"), "'bybit' belongs to bybit, not binance; use --exchange bybit"),
        (_row("2025-06-01", "okex-swap", "BTC-USDT-SWAP"), "belongs to okx, not binance; use --exchange okx"),
        (_row("2025-06-01", "deribit", "BTC-PERPETUAL"), "exchange 'deribit' is none of binance-futures"),
        (
            _row("2025-06-01", "binance-futures", "BTCUSDT", id_="123"),
            "liquidations have none, this is a row of trades",
        ),
        (_row("2025-06-01", "binance-futures", "BTCUSDT", "unknown"), "side 'unknown' is neither buy nor sell"),
        (_row("2025-06-01", "binance-futures", "BTCBUSD"), "neither USDT nor USDC"),
        (_row("2025-06-01", "binance-futures", "BTCUSDT", amount="0"), "quantity z '0' is not positive"),
        (_row("2025-06-01", "binance-futures", "BTCUSDT", price=""), "price p '' is not a number"),
        (_row("2025-06-01", "binance-futures", "BTCUSDT").replace(b"000,", b"001,", 1), "has microseconds"),
        (_row("2025-06-01", "binance-futures", "BTCUSDT") + b",1", "9 columns where tardis has 8"),
    ],
)
def test_what_is_no_row_is_rejected_whole_with_the_reason(line: bytes, reason: str) -> None:
    (rejection,) = _read(line).rejections
    assert reason in rejection.reason
    assert rejection.frame == line


def test_rows_of_trades_are_rejected_on_bybit_too() -> None:
    (rejection,) = _read(_row("2025-06-01", "bybit", "BTCUSDT", id_="123"), "bybit").rejections
    assert "this is a row of trades" in rejection.reason


def test_an_exchange_tardis_is_not_read_for_is_refused() -> None:
    with pytest.raises(ImportRefusedError, match="tardis files of deribit are not known; use --exchange binance or"):
        FORMAT.reader(Origin("deribit", Market.LINEAR, instruments.snapshot("binance")))


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_no_line_raises(line: bytes) -> None:
    record = _read(line)
    assert len(record.entries) + len(record.rejections) <= 1


PUBLISHED = Path(__file__).parents[2].parent / "shared/data/frames/tardis"
FEEDS = {
    "binance-futures": ("binance",),
    "binance-delivery": ("binance:inverse",),
    "bybit": ("bybit", "bybit:inverse"),
    "okex-swap": ("okx",),
    "okex-futures": ("okx",),
}


def _published() -> Iterator[tuple[str, bytes]]:
    """What Tardis makes of the real frames beside its result, as rows of its datasets."""
    text = (PUBLISHED / "expected_normalized.snapshot").read_text()
    for symbol, exchange, id_, price, amount, side, time in re.findall(
        r'"type": "liquidation",\s+"symbol": "([^"]+)",\s+"exchange": "([^"]+)",\s+"id": "?(\w+)"?,\s+'
        r'"price": ([\d.e-]+),\s+"amount": ([\d.e-]+),\s+"side": "(\w+)",\s+"timestamp": "([^"]+)Z"',
        text,
    ):
        yield exchange, _row(time, exchange, symbol, side, price, amount, "" if id_ == "undefined" else id_)


def _frames_of(exchange: str) -> Iterator[Liquidation]:
    for line in (PUBLISHED / f"{exchange}.jsonl").read_bytes().splitlines():
        for feed in FEEDS[exchange]:
            venue = feed.partition(":")[0]
            yield from (landed.liquidation for landed in adapter(feed).parse(line, instruments.snapshot(venue)).landed)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the real frames are not in {PUBLISHED}")
@pytest.mark.parametrize("exchange", FEEDS)
def test_what_tardis_publishes_of_real_frames_is_what_the_frames_are(exchange: str) -> None:
    frames = {(frame.contract, frame.time, frame.side): frame for frame in _frames_of(exchange)}
    rows = [line for name, line in _published() if name == exchange]
    assert rows
    for line in rows:
        records = [_read(line, FEEDS[exchange][0].partition(":")[0], market) for market in Market]
        (record,) = (record for record in records if record.entries)
        liquidation = record.entries[0].liquidation
        frame = frames[liquidation.contract, liquidation.time, liquidation.side]
        assert (liquidation.event_id == frame.event_id) is record.matched
        if exchange.startswith("binance"):
            assert liquidation.symbol == frame.symbol
        else:
            assert (liquidation.price, liquidation.value_usd) == (frame.price, frame.value_usd)
