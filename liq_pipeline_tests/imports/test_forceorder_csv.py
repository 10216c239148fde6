import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.errors import ImportRefusedError, InvalidLiquidationError
from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.instruments import StaticInstruments
from liq_pipeline.imports.forceorder_csv import FORMAT, contract_of
from liq_pipeline.imports.record import Origin, Record
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side

ROW = "LRC,SELL,LIMIT,IOC,226,0.16815,0.17057,FILLED,226,226,1737908829829,38.0019"
NAMES = ("symbol", "side", "type", "tif", "quantity", "price", "average", "status", "last", "filled", "time", "usd")
ORIGIN = Origin("binance", Market.LINEAR, StaticInstruments())
READ = FORMAT.reader(ORIGIN)


def _row(**changed: str) -> bytes:
    return ",".join({**dict(zip(NAMES, ROW.split(","), strict=True)), **changed}.values()).encode()


def _landed(line: bytes) -> Liquidation:
    record = READ(line)
    assert not record.rejections
    (entry,) = record.entries
    return entry.liquidation


def _reason(line: bytes) -> str:
    record = READ(line)
    assert not record.entries
    (rejection,) = record.rejections
    assert rejection.frame == line
    return rejection.reason


def test_a_row_becomes_the_liquidation_it_means() -> None:
    liquidation = _landed(ROW.encode())
    assert (liquidation.exchange, liquidation.market) == ("binance", Market.LINEAR)
    assert (liquidation.contract, liquidation.symbol) == ("LRCUSDT", "LRCUSDT")
    assert (liquidation.time, liquidation.side) == (1737908829829, Side.LONG)
    assert (liquidation.price, liquidation.price_kind) == ("0.17057", PriceKind.FILL)
    assert (liquidation.quantity, liquidation.limit_price) == ("226", "0.16815")
    assert Decimal(liquidation.value_usd) == Decimal("38.54882")


def test_an_entry_keeps_the_named_fields_as_text_and_is_received_when_it_happened() -> None:
    (entry,) = READ(ROW.encode()).entries
    assert (entry.source, entry.received_at) == ("import:forceorder_csv", 1737908829829)
    assert json.loads(entry.raw) == {
        "format": "forceorder_csv",
        "symbol": "LRC",
        "side": "SELL",
        "type": "LIMIT",
        "tif": "IOC",
        "quantity": "226",
        "price": "0.16815",
        "average_price": "0.17057",
        "status": "FILLED",
        "last_filled": "226",
        "accumulated_filled": "226",
        "trade_time": "1737908829829",
    }


def test_a_stored_row_reads_back_as_it_was_with_or_without_the_formats_name() -> None:
    (entry,) = READ(ROW.encode()).entries
    reread = FORMAT.rereader(ORIGIN)
    unnamed = {name: text for name, text in json.loads(entry.raw).items() if name != "format"}
    assert reread(entry.raw).entries == reread(json.dumps(unnamed).encode()).entries == (entry,)
    (rejection,) = reread(b'{"symbol":"LRC"}').rejections
    assert rejection.reason.startswith("raw_data is no row of forceorder_csv: Object missing required field")


def test_a_row_and_the_frame_of_the_same_liquidation_have_the_same_event_id() -> None:
    frame = (
        b'{"e":"forceOrder","E":1737908830829,"o":{"s":"LRCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"226.0",'
        b'"p":"0.168150","ap":"0.17057","X":"FILLED","l":"226","z":"226.0","T":1737908829829}}'
    )
    parsed = adapter("binance").parse(frame, StaticInstruments([]))
    assert parsed.landed[0].liquidation == _landed(ROW.encode())


@pytest.mark.parametrize("average", ["None", "", "null", "nan", "0", "0.0000"])
def test_without_an_average_price_the_limit_price_counts_and_says_so(average: str) -> None:
    liquidation = _landed(_row(average=average))
    assert (liquidation.price, liquidation.price_kind) == ("0.16815", PriceKind.ORDER)
    assert liquidation.event_id == _landed(ROW.encode()).event_id


@pytest.mark.parametrize("usd", ["38.0019", "0.0000380019", "1e300", "rubbish", "None"])
def test_the_usd_size_a_recorder_wrote_changes_nothing(usd: str) -> None:
    assert READ(_row(usd=usd)) == READ(ROW.encode())


def test_more_columns_and_fewer_than_twelve_are_fine() -> None:
    assert READ(ROW.encode() + b",tier 1,more") == READ(ROW.encode())
    assert READ(ROW.rsplit(",", 1)[0].encode()) == READ(ROW.encode())


@pytest.mark.parametrize(
    ("symbol", "contract", "canonical"),
    [
        ("BTC", "BTCUSDT", "BTCUSDT"),
        ("BTCUSDT", "BTCUSDT", "BTCUSDT"),
        ("RARE", "RAREUSDT", "RAREUSDT"),
        ("BTCUSDC", "BTCUSDC", "BTCUSDC"),
        ("USDC", "USDCUSDT", "USDCUSDT"),
        ("USTC", "USTCUSDT", "USTCUSDT"),
        ("BTCDOM", "BTCDOMUSDT", "BTCDOMUSDT"),
        ("PUMPBTC", "PUMPBTCUSDT", "PUMPBTCUSDT"),
        ("1000PEPE", "1000PEPEUSDT", "PEPEUSDT"),
        ("1000PEPEUSDC", "1000PEPEUSDC", "PEPEUSDC"),
        ("1MBABYDOGE", "1MBABYDOGEUSDT", "BABYDOGEUSDT"),
        ("1INCH", "1INCHUSDT", "1INCHUSDT"),
        ("BTC_250627", "BTCUSDT_250627", "BTCUSDT-250627"),
        ("BTCUSDT_250627", "BTCUSDT_250627", "BTCUSDT-250627"),
        ("币安人生", "币安人生USDT", "币安人生USDT"),
    ],
)
def test_symbols_with_and_without_their_suffix_name_one_contract(symbol: str, contract: str, canonical: str) -> None:
    assert contract_of(symbol) == contract
    assert _landed(_row(symbol=symbol)).symbol == canonical


@pytest.mark.parametrize(
    "symbol", ["Hello Arbitrage Trading BotADA", "", "btc", "USDT", "A B", "BTC-USDT", "BTCUSD_PERP", "BTCUSD_250627"]
)
def test_what_is_no_usd_margined_contract_is_rejected_not_guessed(symbol: str) -> None:
    with pytest.raises(InvalidLiquidationError, match="is not the name of a USD-M contract"):
        contract_of(symbol)


def test_quote_currencies_other_than_usdt_and_usdc_are_rejected() -> None:
    assert "neither USDT nor USDC" in _reason(_row(symbol="BTCBUSD"))
    assert "neither USDT nor USDC" in _reason(_row(symbol="ETHBTC"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"side": "LONG"}, "'LONG' is neither BUY nor SELL"),
        ({"price": "abc"}, "price p 'abc' is not a number"),
        ({"price": "None"}, "price p 'None' is not a number"),
        ({"price": "-1"}, "is not positive"),
        ({"average": "-1"}, "is not positive"),
        ({"average": "abc"}, "average price ap 'abc' is not a number"),
        ({"filled": "0"}, "is not positive"),
        ({"filled": "NaN"}, "quantity z 'NaN' is not a number"),
        ({"filled": "Infinity"}, "is not a number"),
        ({"time": "1737908829"}, "is not a time"),
        ({"time": "1737908829829.5"}, "is not a time"),
        ({"time": "1.7e12"}, "is not a time"),
        ({"time": "99999999999999999"}, "is not a time"),
        ({"status": "226"}, "status '226' is not a word in capitals"),
        ({"tif": ""}, "tif '' is not a word in capitals"),
    ],
)
def test_a_damaged_field_is_named_with_its_value(changed: dict[str, str], reason: str) -> None:
    assert reason in _reason(_row(**changed))


def test_too_few_columns_are_counted() -> None:
    assert _reason(b"LRC,SELL,LIMIT,IOC,226") == "5 columns where forceorder_csv has at least 11"


def test_bytes_that_are_no_utf8_are_named() -> None:
    assert _reason(b"L\xffC" + ROW.encode()[3:]) == "byte 0xff at 1 is not UTF-8"


@pytest.mark.parametrize(("exchange", "market"), [("bybit", Market.LINEAR), ("binance", Market.INVERSE)])
def test_only_linear_contracts_of_binance_come_in_this_format(exchange: str, market: Market) -> None:
    with pytest.raises(ImportRefusedError, match="use --exchange binance --market linear"):
        FORMAT.reader(Origin(exchange, market, StaticInstruments()))


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_no_line_raises_and_every_line_lands_or_is_rejected_whole(line: bytes) -> None:
    record = READ(line)
    assert len(record.entries) + len(record.rejections) == 1
    assert all(rejection.frame == line for rejection in record.rejections)


_decimals = st.decimals("0.00000001", "99999999", places=8).map(lambda value: f"{value:f}")


@given(
    symbol=st.from_regex(r"[A-Z]{2,9}(USDT)?", fullmatch=True).filter(lambda s: s != "USDT"),
    side=st.sampled_from(["BUY", "SELL"]),
    price=_decimals,
    average=_decimals,
    filled=st.decimals("0.001", "9999", places=3).map(lambda value: f"{value:f}"),
    time=st.integers(1_546_300_800_000, 1_900_000_000_000),
)
def test_any_good_row_reads_back_as_written(
    symbol: str, side: str, price: str, average: str, filled: str, time: int
) -> None:
    line = f"{symbol},{side},LIMIT,IOC,{filled},{price},{average},FILLED,{filled},{filled},{time},1"
    record: Record = READ(line.encode())
    if symbol.endswith(("BUSD", "ETHBTC")) and len(symbol) > 4:
        return
    liquidation = record.entries[0].liquidation
    assert Decimal(liquidation.limit_price or 0) == Decimal(price)
    assert (Decimal(liquidation.price), Decimal(liquidation.quantity)) == (Decimal(average), Decimal(filled))
    assert liquidation.side == ("LONG" if side == "SELL" else "SHORT")
    assert (liquidation.time, liquidation.contract.removesuffix("USDT")) == (time, symbol.removesuffix("USDT"))
