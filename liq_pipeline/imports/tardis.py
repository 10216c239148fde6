"""The format ``tardis``: liquidation datasets of Tardis.dev, one CSV a venue, symbol (or group of symbols) and day.

Served as ``https://datasets.tardis.dev/v1/<exchange>/liquidations/YYYY/MM/DD/<SYMBOL>.csv.gz``::

    exchange,symbol,timestamp,local_timestamp,id,side,price,amount
    binance-futures,BTCUSDT,1746057601234000,1746057602180123,,sell,94210.3,0.012

Times are UTC microseconds, ``timestamp`` the venue's and ``local_timestamp`` Tardis' own clock. ``side`` is the
taker's: sell liquidates a LONG. ``amount`` is the venue's size as it stood, contracts included. Trades come with the
same header, but with an id; liquidations have none, except those Tardis read from Bybit's REST before 2021-09-20.

Which of the venue's fields a row holds depends on the mapper of its day (tardis-dev/tardis-node, ``src/mappers``):

- Binance: price is ``ap`` until 2023-01-23 (4b7f711), then ``p``, the order's limit. Amount is ``z`` until 2023-10-25
  (1518819), then ``l``, the last fill only, and ``z`` again from 2025-04-25 (89233c0). Mappers change for a day's data
  when it is exported, and whether old days were exported again is not documented. So only rows since 2025-05-01 are
  known to hold both p and z. Of older ones the value is a lower bound, and their feed_semantics ends in that.
- Bybit: all fields, but from 2023-04-05 to 2025-02-26 (by date of the data: d4aa09e, 6425998) the time is when the
  message was sent, ``ts``; its ``updatedTime`` equals that in the few known frames, which proves nothing.
- OKX: the ``type`` of v3 rows, until 2021-12-23, tells posSide and side (d801851); later rows lack posSide.

Rows with all fields of the identity have the ``event_id`` of the frame. Of others it is made of what they have, after
the word "tardis" so that it is no other source's; they are not ``matched``. Identical rows count once. Tardis leaves
out Binance orders that were not filled to the end, and OKX' first message of each connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from liq_pipeline.errors import ImportRefusedError, InvalidLiquidationError
from liq_pipeline.exchanges import binance, bybit, okx
from liq_pipeline.exchanges.base import Instruments
from liq_pipeline.exchanges.dialects import day_ms
from liq_pipeline.exchanges.rows import decimal_text, milliseconds, shown
from liq_pipeline.imports import csv_rows
from liq_pipeline.imports.record import Format, Origin, Reader, Record, source_of
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, event_id
from liq_pipeline.streams import Entry

BINANCE_LIMIT_PRICE_MS: Final = day_ms("2023-01-23")
BINANCE_WHOLE_MS: Final = day_ms("2025-05-01")
BYBIT_V5_MS: Final = day_ms("2023-04-05")
BYBIT_ALL_MS: Final = day_ms("2025-02-26")
BYBIT_IDS_UNTIL_MS: Final = day_ms("2021-09-21")
OKX_V5_MS: Final = day_ms("2021-12-23")

_NAME: Final = "tardis"
_SOURCE: Final = source_of(_NAME)
_HEADER: Final = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
_ROW: Final = re.compile(rb"[a-z0-9-]+,[^,]+,\d{16},\d{16},[^,]*,(?:buy|sell),[^,]+,[^,]+")
_LOWER_BOUND: Final = "-lower-bound"
_BOUGHT: Final = {"buy": True, "sell": False}
_LINEAR, _INVERSE = Market.LINEAR, Market.INVERSE


class _Row(msgspec.Struct, tag_field="format", tag=_NAME, gc=False):
    exchange: str
    symbol: str
    timestamp: str
    local_timestamp: str
    id: str
    side: str
    price: str
    amount: str


class _Read(NamedTuple):
    """A row's liquidation, and whether the row held all fields of the identity."""

    liquidation: Liquidation
    matched: bool


class _Venue(NamedTuple):
    """What one of Tardis' exchanges is here."""

    exchange: str
    market_of: Callable[[str], Market]
    """The market of a contract; raises InvalidLiquidationError for what can be no contract's name."""
    read: Callable[[_Row, int, bool, Market, Instruments], _Read]
    """The liquidation of a row, its time in UTC milliseconds, whether the taker bought, and the contract's market."""


def _binance(row: _Row, time: int, bought: bool, market: Market, instruments: Instruments) -> _Read:
    liquidation = binance.from_force_order_row(
        row.symbol, "BUY" if bought else "SELL", row.price, None, row.amount, time, market=market
    )
    if time >= BINANCE_WHOLE_MS:
        return _Read(liquidation, matched=True)
    price: dict[str, object] = {}
    if time < BINANCE_LIMIT_PRICE_MS:
        price = {"price_kind": PriceKind.FILL, "limit_price": None}
    semantics = liquidation.feed_semantics + _LOWER_BOUND
    return _Read(_unmatched(row, liquidation, feed_semantics=semantics, **price), matched=False)


def _bybit(row: _Row, time: int, bought: bool, market: Market, instruments: Instruments) -> _Read:
    dialect = bybit.V2 if time < BYBIT_V5_MS else bybit.V5 if time < BYBIT_ALL_MS else bybit.ALL
    liquidation = bybit.from_row(
        row.symbol, "Sell" if bought else "Buy", row.price, row.amount, time, market=market, dialect=dialect
    )
    if dialect is bybit.V5:
        return _Read(_unmatched(row, liquidation), matched=False)
    return _Read(liquidation, matched=True)


def _okx(row: _Row, time: int, bought: bool, market: Market, instruments: Instruments) -> _Read:
    if time < OKX_V5_MS:
        dialect, position = okx.V3, "short" if bought else "long"
    else:
        dialect, position = okx.LIQUIDATIONS if time < okx.ORDERS.since_ms else okx.ORDERS, "net"
    liquidation = okx.from_row(
        row.symbol, position, "buy" if bought else "sell", row.price, row.amount, time, instruments, dialect=dialect
    )
    if dialect is okx.V3:
        return _Read(liquidation, matched=True)
    return _Read(_unmatched(row, liquidation), matched=False)


def _unmatched(row: _Row, liquidation: Liquidation, **changed: object) -> Liquidation:
    price, amount = decimal_text("price", row.price), decimal_text("amount", row.amount)
    identity = event_id(liquidation.exchange, _NAME, row.symbol, str(liquidation.time), row.side, price, amount)
    return msgspec.structs.replace(liquidation, event_id=identity, **changed)


def _okx_market(contract: str) -> Market:
    return okx.contract_name(contract)[1]


_VENUES: Final = {
    "binance-futures": _Venue("binance", lambda contract: _LINEAR, _binance),
    "binance-delivery": _Venue("binance", lambda contract: _INVERSE, _binance),
    "bybit": _Venue("bybit", bybit.market_of, _bybit),
    "okex-swap": _Venue("okx", _okx_market, _okx),
    "okex-futures": _Venue("okx", _okx_market, _okx),
}


def _recognises(line: bytes) -> bool:
    return _is_header(line) or _ROW.fullmatch(line) is not None


def _is_header(line: bytes) -> bool:
    return line == _HEADER


def _reader(origin: Origin) -> Reader:
    return csv_rows.reader(_Row, _build(origin), is_header=_is_header)


def _rereader(origin: Origin) -> Reader:
    return csv_rows.rereader(_Row, _build(origin))


def _build(origin: Origin) -> csv_rows.Build[_Row]:
    exchange, market, instruments, _ = origin
    if all(venue.exchange != exchange for venue in _VENUES.values()):
        known = " or ".join(sorted({venue.exchange for venue in _VENUES.values()}))
        raise ImportRefusedError(f"{_NAME} files of {exchange} are not known; use --exchange {known}")

    def build(row: _Row) -> Record:
        venue = _VENUES.get(row.exchange)
        if venue is None:
            raise InvalidLiquidationError(f"exchange {shown(row.exchange)} is none of {', '.join(_VENUES)}")
        if venue.exchange != exchange:
            raise InvalidLiquidationError(
                f"exchange {shown(row.exchange)} belongs to {venue.exchange}, not {exchange}; "
                f"use --exchange {venue.exchange}"
            )
        own = venue.market_of(row.symbol)
        time = _milliseconds(row)
        if own is not market:
            return Record(elsewhere=1)
        bought = _BOUGHT.get(row.side)
        if bought is None:
            raise InvalidLiquidationError(f"side {shown(row.side)} is neither buy nor sell")
        liquidation, matched = venue.read(row, time, bought, own, instruments)
        received_at = milliseconds("local_timestamp", row.local_timestamp[:-3])
        entry = Entry(liquidation, received_at, _SOURCE, csv_rows.encode(row))
        return Record((entry,), received_at=received_at, matched=matched)

    return build


def _milliseconds(row: _Row) -> int:
    if not row.timestamp.endswith("000"):
        raise InvalidLiquidationError(
            f"timestamp {shown(row.timestamp)} is not the venue's: it has microseconds, as only Tardis' own clock has"
        )
    time = milliseconds("timestamp", row.timestamp[:-3])
    if row.id and not (row.exchange == "bybit" and time < BYBIT_IDS_UNTIL_MS and row.id.isdigit()):
        raise InvalidLiquidationError(f"id {shown(row.id)}: liquidations have none, this is a row of trades")
    return time


FORMAT: Final = Format(_NAME, _recognises, _reader, _rereader)
