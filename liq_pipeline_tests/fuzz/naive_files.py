"""A line of an archive read once more: the columns each format documents, and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from liq_pipeline_tests.fuzz import naive_frames, naive_rows
from liq_pipeline_tests.fuzz.naive_numbers import Unreadable, checked, milliseconds, need, number, plain
from liq_pipeline_tests.fuzz.naive_rows import Row

VISION_CONTRACT: Final = "BTCUSD_PERP"
_VISION: Final = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity"
)
_TARDIS: Final = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
_VENUES: Final = {
    "binance-futures": "binance", "binance-delivery": "binance", "bybit": "bybit", "okex-swap": "okx",
    "okex-futures": "okx",
}  # fmt: skip


@dataclass
class Line:
    """What a line means: ``rows`` to land in this market, ``elsewhere`` in the other, ``rejected`` rows; or nothing.

    ``unsure`` is set where only that nothing is lost is known.
    """

    rows: list[Row]
    elsewhere: int = 0
    rejected: int = 0
    unsure: bool = False


def read(format_name: str, feed: str, line: bytes) -> Line:
    """What a line of this format and feed means."""
    exchange, _, market = feed.partition(":")
    inverse = market == "inverse"
    if format_name == "frames":
        return _frames(feed, line, inverse)
    try:
        if (columns := _columns(format_name, line)) is None:
            return Line([])
        if format_name == "tardis":
            row = _tardis(columns, exchange)
        else:
            row = (_vision if format_name == "binance_vision" else _forceorder)(columns)
    except Unreadable:
        return Line([], rejected=1)
    if (row["market"] == "inverse") is not inverse:
        return Line([], elsewhere=1)
    return Line(naive_rows.with_ids([row]))


def _columns(format_name: str, line: bytes) -> list[str] | None:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Unreadable from None
    if format_name == "binance_vision" and text.startswith("time,") and text.replace(" ", "") == _VISION:
        return None
    if format_name == "tardis" and text == _TARDIS:
        return None
    columns = text.split(",")
    wanted = {"binance_vision": 10, "tardis": 8, "forceorder_csv": 11}[format_name]
    need("\0" not in text)
    need(len(columns) >= wanted if format_name == "forceorder_csv" else len(columns) == wanted)
    if " " in text or "\t" in text:
        columns = [column.strip() for column in columns]
    return columns


def _order(contract: str, side: str, limit: str, average: str | None, filled: str, time: Any) -> Row:
    order = {"s": contract, "S": side, "p": limit, "ap": average, "z": filled, "T": time}
    return naive_rows.binance(order, inverse_feed=contract == VISION_CONTRACT)


def _vision(columns: list[str]) -> Row:
    time, side, _, _, _, price, average, _, _, filled = columns
    return _order(VISION_CONTRACT, side, price, average, filled, time)


def _forceorder(columns: list[str]) -> Row:
    symbol, side, kind, tif, _, price, average, status, _, filled, time = columns[:11]
    pair, underscore, expiry = symbol.partition("_")
    need(all(re.fullmatch(r"[A-Z_]{1,40}", word) for word in (kind, tif, status)))
    need(re.fullmatch(r"[^\W_]+(_\d{6})?", symbol) is not None and symbol == symbol.upper() and symbol != "USDT")
    need(not (expiry and pair.endswith("USD")))
    quoted = pair == "ETHBTC" or (pair[-4:] in ("USDT", "USDC", "BUSD") and pair not in ("USDC", "BUSD", "USDT"))
    contract = f"{pair if quoted else pair + 'USDT'}{underscore}{expiry}"
    return _order(
        contract, side, price, None if average.lower() in ("", "none", "null", "nan") else average, filled, time
    )


def _tardis(columns: list[str], exchange: str) -> Row:
    name, symbol, stamp, received, id_, side, price, amount = columns
    need(_VENUES.get(name) == exchange)
    need(stamp.endswith("000"))
    if name == "bybit":
        inverse = re.fullmatch(r".+USD([HMUZ][0-9][0-9])?", symbol) is not None
    elif exchange == "okx":
        checked(symbol)
        parts = symbol.split("-")
        need(len(parts) == 3 and all(parts) and re.fullmatch(r"SWAP|[0-9]{6}", parts[2]) is not None)
        inverse = parts[1] == "USD"
        need(inverse or parts[1] in ("USDT", "USDC"))
    else:
        inverse = name == "binance-delivery"
    time = milliseconds(stamp[:-3])
    need(not id_ or (name == "bybit" and time < _day("2021-09-21") and id_.isdigit()))
    if inverse:
        return {"market": "inverse"}
    need(side in ("buy", "sell"))
    milliseconds(received[:-3])
    bought = side == "buy"
    if exchange == "binance":
        row = _order(symbol, "BUY" if bought else "SELL", price, None, amount, time)
        need(row["market"] == "linear")
        if time >= _day("2025-05-01"):
            return row
        row["feed_semantics"] += "-lower-bound"
        if time < _day("2023-01-23"):
            row |= {"price_kind": "fill", "limit_price": None}
    elif exchange == "bybit":
        row = _bybit(symbol, "Sell" if bought else "Buy", price, amount, time)
        if not _day("2023-04-05") <= time < _day("2025-02-26"):
            return row
    else:
        v3 = time < _day("2021-12-23")
        dialect = "v3" if v3 else "liquidations" if time < _day("2023-03-01") else "orders"
        position = ("short" if bought else "long") if v3 else "net"
        detail = {"posSide": position, "side": side, "bkPx": price, "sz": amount, "ts": time}
        row = naive_rows.okx(symbol, detail, dialect=dialect)
        if v3:
            return row
    return {
        **row,
        "identity": (exchange, "tardis", symbol, str(time), side, plain(number(price)), plain(number(amount))),
    }


def _bybit(symbol: str, side: str, price: str, size: str, time: int) -> Row:
    if time < _day("2023-04-05"):
        old = {"symbol": symbol, "side": side, "price": price, "qty": size, "time": time}
    elif time < _day("2025-02-26"):
        old = {"symbol": symbol, "side": side, "price": price, "size": size, "updatedTime": time}
    else:
        row = {"s": symbol, "S": side, "p": price, "v": size, "T": time}
        return naive_rows.bybit(row, old=False, inverse_feed=False)
    return naive_rows.bybit(old, old=True, inverse_feed=False)


def _frames(feed: str, line: bytes, inverse: bool) -> Line:
    value = naive_frames.loads(line)
    if value is None or b'"frame"' not in line:
        if b"frame" in line:
            # Decoders differ in what of the line around a frame they look at.
            return Line([], unsure=True)
        return _of(naive_frames.read(feed, line), inverse)
    return Line([], unsure=True) if _peculiar(value) else _wrapped(feed, line, value, inverse)


def _peculiar(value: naive_frames.Members) -> bool:
    names = [name for name, _ in value.pairs]
    return len(set(names)) < len(names) or naive_frames.holds_nul(value)


def _wrapped(feed: str, line: bytes, value: naive_frames.Members, inverse: bool) -> Line:
    if "frame" not in value:
        return Line([], unsure=True)
    try:
        need("received_at" in value)
        milliseconds(value["received_at"])
    except Unreadable:
        return Line([], rejected=1)
    frame = value["frame"]
    if isinstance(frame, str):
        return _of(naive_frames.read(feed, frame.encode()), inverse)
    if not isinstance(frame, naive_frames.Members):
        return Line([], rejected=1)
    return _of(naive_frames.meaning(feed, line, frame), inverse)


def _of(reading: naive_frames.Reading, inverse: bool) -> Line:
    own = [row for row in reading.expected if (row["market"] == "inverse") is inverse]
    elsewhere = len(reading.expected) - len(own)
    rejected = 0 if reading.kind == "answer" else len(reading.rows) - len(reading.expected) if reading.rows else 1
    return Line(own, elsewhere, rejected, reading.unsure or (reading.kind == "rows" and not reading.expected))


def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
