"""The format ``forceorder_csv``: what many private recorders write from Binance's force orders, without a header.

Columns: symbol, side, type, tif, quantity, price, average price, status, last filled, accumulated filled, trade
time in UTC ms. More columns may follow; they are ignored, ``usd_size`` above all: recorders disagree on its unit.

Recorders strip "USDT" from symbols, some of them only for a while, so ``BTC`` and ``BTCUSDT`` are one contract.
A recorder's row and the frame it was made of have the same ``event_id``: every field of it is in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from liq_pipeline.errors import ImportRefusedError, InvalidLiquidationError
from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.exchanges.binance import from_force_order_row
from liq_pipeline.exchanges.rows import shown
from liq_pipeline.imports.record import Format, Origin, Reader, Record, source_of
from liq_pipeline.liquidation import Liquidation, Market
from liq_pipeline.streams import Entry

_NAME: Final = "forceorder_csv"
_COLUMNS: Final = (
    "symbol",
    "side",
    "type",
    "tif",
    "quantity",
    "price",
    "average_price",
    "status",
    "last_filled",
    "accumulated_filled",
    "trade_time",
)
_TOKENS: Final = ("type", "tif", "status")
_TOKEN: Final = re.compile(r"[A-Z_]+")
# Letters of any script: Binance lists contracts with Chinese names. Never spaces, which is how glued lines show.
_SYMBOL: Final = re.compile(r"[^\W_]+(_\d{6})?")
_QUOTES: Final = ("USDT", "USDC", "BUSD")
_QUOTED_OTHERWISE: Final = ("ETHBTC",)
"""Whole names in a quote currency that is also a coin, so that its letters alone do not tell."""
_NO_AVERAGE: Final = ("", "none", "null", "nan")


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


def _recognises(line: bytes) -> bool:
    fields = line.split(b",")
    return len(fields) >= len(_COLUMNS) and fields[1].strip() in (b"BUY", b"SELL") and not line.startswith(b"{")


def _reader(origin: Origin) -> Reader:
    return _reader_of(_fields, origin)


def _rereader(origin: Origin) -> Reader:
    return _reader_of(_stored, origin)


def _reader_of(fields_in: Callable[[bytes], dict[str, str]], origin: Origin) -> Reader:
    if (origin.exchange, origin.market) != ("binance", Market.LINEAR):
        raise ImportRefusedError(
            f"{_NAME} holds linear contracts of binance, not {origin.market} ones of {origin.exchange}; "
            "use --exchange binance --market linear, or another format"
        )

    def read(line: bytes) -> Record:
        try:
            fields = fields_in(line)
            liquidation = _liquidation(fields)
        except InvalidLiquidationError as error:
            return Record(rejections=(Rejection(str(error), line),))
        return Record((Entry(liquidation, liquidation.time, source_of(_NAME), msgspec.json.encode(fields)),))

    return read


def _fields(line: bytes) -> dict[str, str]:
    try:
        values = [value.strip() for value in line.decode().split(",")]
    except UnicodeDecodeError as error:
        raise InvalidLiquidationError(f"byte {line[error.start]:#04x} at {error.start} is not UTF-8") from None
    if len(values) < len(_COLUMNS):
        raise InvalidLiquidationError(f"{len(values)} columns where {_NAME} has at least {len(_COLUMNS)}")
    return dict(zip(_COLUMNS, values, strict=False))


def _stored(raw: bytes) -> dict[str, str]:
    try:
        fields = msgspec.json.decode(raw, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise InvalidLiquidationError(f"raw_data is no row of {_NAME}: {error}") from None
    if not fields.keys() >= set(_COLUMNS):
        raise InvalidLiquidationError(f"raw_data lacks {', '.join(sorted(set(_COLUMNS) - fields.keys()))} of {_NAME}")
    return fields


def _liquidation(fields: dict[str, str]) -> Liquidation:
    contract = contract_of(fields["symbol"])
    for name in _TOKENS:
        if not _TOKEN.fullmatch(fields[name]):
            raise InvalidLiquidationError(f"{name} {shown(fields[name])} is not a word in capitals")
    average = fields["average_price"]
    return from_force_order_row(
        contract,
        fields["side"],
        fields["price"],
        None if average.lower() in _NO_AVERAGE else average,
        fields["accumulated_filled"],
        fields["trade_time"],
    )


FORMAT: Final = Format(_NAME, _recognises, _reader, _rereader)
