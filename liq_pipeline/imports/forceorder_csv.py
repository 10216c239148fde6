"""The format ``forceorder_csv``: what many private recorders write from Binance's force orders, without a header.

Columns: symbol, side, type, tif, quantity, price, average price, status, last filled, accumulated filled, trade
time in UTC ms. More columns may follow; they are ignored, ``usd_size`` above all: recorders disagree on its unit.

Recorders strip "USDT" from symbols, some of them only for a while, so ``BTC`` and ``BTCUSDT`` are one contract.
A recorder's row and the frame it was made of have the same ``event_id``: every field of it is in both.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from liq_pipeline.errors import ImportRefusedError, InvalidLiquidationError
from liq_pipeline.exchanges.binance import from_force_order_row
from liq_pipeline.exchanges.rows import shown
from liq_pipeline.imports import csv_rows
from liq_pipeline.imports.record import Format, Origin, Reader, Record, source_of
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import Entry

_NAME: Final = "forceorder_csv"
_SOURCE: Final = source_of(_NAME)
# Bounded, as what passes is remembered: a damaged file may hold lines of megabytes.
_WORD: Final = re.compile(r"[A-Z_]{1,40}")
# Letters of any script: Binance lists contracts with Chinese names. Never spaces, which is how glued lines show.
_SYMBOL: Final = re.compile(r"[^\W_]{1,64}(_\d{6})?")
_QUOTES: Final = ("USDT", "USDC", "BUSD")
_QUOTED_OTHERWISE: Final = ("ETHBTC",)
"""Whole names in a quote currency that is also a coin, so that its letters alone do not tell."""
_NO_AVERAGE: Final = ("", "none", "null", "nan")


@lru_cache(maxsize=4096)
def contract_of(symbol: str) -> str:
    """Binance's contract for a symbol that may lack its "USDT": ``BTC_250627`` is ``BTCUSDT_250627``.

    A name that is nothing but a quote currency is a coin of its own: ``USDC`` is ``USDCUSDT``.
    Raises InvalidLiquidationError for what can be no contract's name.
    """
    pair, underscore, expiry = symbol.partition("_")
    coin_margined = expiry and pair.endswith("USD")
    if not _SYMBOL.fullmatch(symbol) or symbol != symbol.upper() or symbol == "USDT" or coin_margined:
        raise InvalidLiquidationError(f"symbol {shown(symbol)} is not the name of a USD-M contract")
    quoted = pair in _QUOTED_OTHERWISE or (pair.endswith(_QUOTES) and pair not in _QUOTES)
    return f"{pair if quoted else pair + 'USDT'}{underscore}{expiry}"


class _Row(msgspec.Struct, tag_field="format", tag=_NAME, gc=False):
    symbol: str
    side: str
    type: str
    tif: str
    quantity: str
    price: str
    average_price: str
    status: str
    last_filled: str
    accumulated_filled: str
    trade_time: str


def _recognises(line: bytes) -> bool:
    fields = line.split(b",", 11)
    return len(fields) >= 11 and fields[1].strip() in (b"BUY", b"SELL") and not line.startswith(b"{")


def _reader(origin: Origin) -> Reader:
    _check(origin)
    return csv_rows.reader(_Row, _record, exact=False)


def _rereader(origin: Origin) -> Reader:
    _check(origin)
    return csv_rows.rereader(_Row, _record)


def _check(origin: Origin) -> None:
    if (origin.exchange, origin.market) != ("binance", Market.LINEAR):
        raise ImportRefusedError(
            f"{_NAME} holds linear contracts of binance, not {origin.market} ones of {origin.exchange}; "
            "use --exchange binance --market linear, or another format"
        )


def _record(row: _Row) -> Record:
    contract = contract_of(row.symbol)
    _check_words(row.type, row.tif, row.status)
    average = row.average_price
    liquidation = from_force_order_row(
        contract,
        row.side,
        row.price,
        None if average.lower() in _NO_AVERAGE else average,
        row.accumulated_filled,
        row.trade_time,
    )
    return Record((Entry(liquidation, liquidation.time, _SOURCE, csv_rows.encode(row)),))


@lru_cache(maxsize=256)
def _check_words(type_: str, tif: str, status: str) -> None:
    for name, word in (("type", type_), ("tif", tif), ("status", status)):
        if not _WORD.fullmatch(word):
            raise InvalidLiquidationError(f"{name} {shown(word)} is not a word in capitals")


FORMAT: Final = Format(_NAME, _recognises, _reader, _rereader)
