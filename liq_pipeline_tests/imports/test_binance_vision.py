import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.instruments import StaticInstruments
from liq_pipeline.imports.binance_vision import FORMAT, contract_in
from liq_pipeline.imports.record import Origin, Reader, Record
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side

HEADER = (
    b"time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    b"accumulated_fill_quantity"
)
ROW = b"1687656471926,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7"
RECORDING = Path("../shared/data/recordings/binance_coinm_BTCUSD_PERP_liquidationSnapshot_excerpt.csv")


def _reader(contract: str = "BTCUSD_PERP", market: Market = Market.INVERSE) -> Reader:
    return FORMAT.reader(Origin("binance", market, StaticInstruments(), contract))


def _landed(read: Reader, line: bytes) -> Liquidation:
    record = read(line)
    assert not record.rejections
    assert record.matched
    (entry,) = record.entries
    return entry.liquidation


def test_contracts_of_a_coin_margined_row_are_dollars_and_never_multiplied_by_the_price() -> None:
    liquidation = _landed(_reader(), ROW)
    assert (liquidation.exchange, liquidation.market) == ("binance", Market.INVERSE)
    assert (liquidation.contract, liquidation.symbol) == ("BTCUSD_PERP", "BTCUSD")
    assert (liquidation.time, liquidation.side) == (1687656471926, Side.SHORT)
    assert (liquidation.price, liquidation.price_kind) == ("30631.6", PriceKind.FILL)
    assert (liquidation.limit_price, liquidation.value_usd) == ("30741.3", "700")
    assert liquidation.quantity == f"{Decimal(700) / Decimal('30631.6'):.12f}"


def test_other_coins_contracts_are_ten_dollars() -> None:
    liquidation = _landed(_reader("ETHUSD_231229"), ROW.replace(b"30741.3,30631.6", b"1900,1890"))
    assert (liquidation.symbol, liquidation.value_usd) == ("ETHUSD-231229", "70")


def test_usd_margined_sizes_are_coins() -> None:
    liquidation = _landed(_reader("1000PEPEUSDT", Market.LINEAR), b"1687656471926,SELL,LIMIT,IOC,9,2,1.5,FILLED,6,7")
    assert (liquidation.symbol, liquidation.side) == ("PEPEUSDT", Side.LONG)
    assert (liquidation.quantity, liquidation.price, liquidation.value_usd) == ("7000", "0.0015", "10.5")


def test_a_row_and_the_frame_of_the_same_liquidation_are_the_same_liquidation() -> None:
    frame = (
        b'{"e":"forceOrder","E":1687656471930,"o":{"s":"BTCUSD_PERP","ps":"BTCUSD","S":"BUY","o":"LIMIT","f":"IOC",'
        b'"q":"7","p":"30741.30","ap":"30631.6","X":"FILLED","l":"6","z":"7","T":1687656471926}}'
    )
    parsed = adapter("binance:inverse").parse(frame, StaticInstruments([]))
    assert parsed.landed[0].liquidation == _landed(_reader(), ROW)


def test_a_header_is_no_row_and_a_file_may_do_without() -> None:
    assert _reader()(HEADER) == Record()
    assert FORMAT.recognises(HEADER)
    assert FORMAT.recognises(ROW)


def test_a_stored_row_reads_back_as_it_was() -> None:
    (entry,) = _reader()(ROW).entries
    assert list(json.loads(entry.raw).items())[:2] == [("format", "binance_vision"), ("time", "1687656471926")]
    reread = FORMAT.rereader(Origin("binance", Market.INVERSE, StaticInstruments(), "BTCUSD_PERP"))
    assert reread(entry.raw).entries == (entry,)


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip", "BTCUSD_PERP"),
        ("a/z.zip/BTCUSD_PERP-liquidationSnapshot-2023-06-25.csv", "BTCUSD_PERP"),
        ("a/cm/ETHUSD_231229-liquidationSnapshot-2023-07-01.zip/data.csv", "ETHUSD_231229"),
        ("BTCUSDT-liquidationSnapshot-2023-06-25.csv", "BTCUSDT"),
        ("BTCUSDT_231229-liquidationSnapshot-2023-06-25.csv", "BTCUSDT_231229"),
        ("1000SHIBUSDC-liquidationSnapshot-2023-06-25.csv", "1000SHIBUSDC"),
        ("binance_coinm_BTCUSD_PERP_liquidationSnapshot_excerpt.csv", "BTCUSD_PERP"),
        ("binance_usdm_ETHUSDT_liquidationsnapshot.csv.gz", "ETHUSDT"),
        ("BTCUSDT/mine.csv", None),
        ("BTCUSDT-trades-2023-06-25.csv", None),
        ("liquidationSnapshot-BTCUSDT.csv", None),
        ("recording.csv", None),
    ],
)
def test_the_contract_stands_in_the_files_name(name: str, contract: str | None) -> None:
    assert contract_in(name) == contract


@pytest.mark.parametrize(
    ("origin", "fix"),
    [
        (("binance", Market.LINEAR, "BTCUSD_PERP"), "BTCUSD_PERP is one of Binance's inverse .* use --market inverse"),
        (("binance", Market.LINEAR, "ETHUSD_231229"), "use --market inverse"),
        (("binance", Market.INVERSE, "BTCUSDT"), "BTCUSDT is one of Binance's linear .* use --market linear"),
        (("binance", Market.INVERSE, None), "name it with --contract"),
        (("okx", Market.INVERSE, "BTCUSD_PERP"), "use --exchange binance"),
    ],
)
def test_a_file_of_another_market_or_venue_is_refused_with_the_fix(
    origin: tuple[str, Market, str | None], fix: str
) -> None:
    exchange, market, contract = origin
    with pytest.raises(ImportRefusedError, match=fix):
        FORMAT.reader(Origin(exchange, market, StaticInstruments(), contract))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (ROW + b",1", "11 columns where binance_vision has 10"),
        (ROW.rsplit(b",", 1)[0], "9 columns where binance_vision has 10"),
        (ROW.replace(b"BUY", b"LONG"), "side S 'LONG' is neither BUY nor SELL"),
        (ROW[:-1] + b"0", "quantity z '0' is not positive"),
        (b"1687656471" + ROW[13:], "is not a time"),
        (HEADER[:-1], "'side' is neither BUY nor SELL"),
        (b"\xff" + ROW, "byte 0xff at 0 is not UTF-8"),
    ],
)
def test_what_is_no_row_is_rejected_whole_with_the_reason(line: bytes, reason: str) -> None:
    (rejection,) = _reader()(line).rejections
    assert reason in rejection.reason
    assert rejection.frame == line


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_no_line_raises(line: bytes) -> None:
    record = _reader()(line)
    assert len(record.entries) + len(record.rejections) <= 1


@pytest.mark.skipif(not RECORDING.exists(), reason=f"{RECORDING} is not there")
def test_the_recorded_archive_reads_without_a_rejection() -> None:
    contract = contract_in(RECORDING.name)
    assert contract == "BTCUSD_PERP"
    records = [_reader(contract)(line) for line in RECORDING.read_bytes().splitlines()]
    assert [len(record.entries) for record in records] == [0] + [1] * 9
    assert not any(record.rejections for record in records)
    assert len({record.entries[0].liquidation.event_id for record in records[1:]}) == 6
