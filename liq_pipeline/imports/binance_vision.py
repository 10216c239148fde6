"""The format ``binance_vision``: the liquidationSnapshot files Binance published for COIN-M and USD-M futures.

One zip a contract and day, ``data/futures/{cm,um}/daily/liquidationSnapshot/<SYM>/<SYM>-liquidationSnapshot-<day>.zip``
with a ``.CHECKSUM`` beside it: COIN-M from 2023-06-25 to 2024-10-14, USD-M until 2024-03-31, emptied since. The CSV has
a header or none, and every row twice (binance/binance-public-data#259)::

    time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,accumulated_fill_quantity
    1687656471926,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7

The contract stands only in the file's name. Rows are the force orders of the stream, field by field, at most one a
second: the price is the average fill, the size what was filled in all, and the ``event_id`` that of the frame.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges.binance import from_force_order_row
from liq_pipeline.imports import csv_rows
from liq_pipeline.imports.record import Format, Origin, Reader, Record, source_of
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import Entry

_NAME: Final = "binance_vision"
_SOURCE: Final = source_of(_NAME)
_SUBJECT: Final = "liquidationsnapshot"
_COIN_MARGINED: Final = r"[A-Z0-9]+USD_(?:PERP|\d{6})"
_CONTRACT: Final = re.compile(
    rf"(?<![A-Z0-9])(?:{_COIN_MARGINED}|[A-Z0-9]+(?:USDT|USDC|BUSD|BTC)(?:_\d{{6}})?)(?![A-Z0-9])", re.ASCII
)
_HEADER: Final = b"time,"
_ROW: Final = re.compile(rb"\d{13},(?:BUY|SELL)(?:,[^,]*){8}")


class _Row(msgspec.Struct, tag_field="format", tag=_NAME, gc=False):
    time: str
    side: str
    order_type: str
    time_in_force: str
    original_quantity: str
    price: str
    average_price: str
    order_status: str
    last_fill_quantity: str
    accumulated_fill_quantity: str


def contract_in(name: str) -> str | None:
    """The contract a file's name tells, the last one before its subject: ``x_BTCUSD_PERP_liquidationSnapshot.csv``."""
    for part in reversed(name.split("/")):
        before, subject, _ = part.lower().partition(_SUBJECT)
        if subject and (found := _CONTRACT.findall(part[: len(before)])):
            return str(found[-1])
    return None


def _recognises(line: bytes) -> bool:
    return _is_header(line) or _ROW.fullmatch(line) is not None


def _is_header(line: bytes) -> bool:
    return line.startswith(_HEADER) and line.replace(b" ", b"") == ",".join(_Row.__struct_fields__).encode()


def _reader(origin: Origin) -> Reader:
    return csv_rows.reader(_Row, _build(origin), is_header=_is_header)


def _rereader(origin: Origin) -> Reader:
    return csv_rows.rereader(_Row, _build(origin))


def _build(origin: Origin) -> csv_rows.Build[_Row]:
    exchange, market, _, contract = origin
    if exchange != "binance":
        raise ImportRefusedError(f"{_NAME} holds data of binance, not of {exchange}; use --exchange binance")
    if contract is None:
        raise ImportRefusedError(
            "the file's name does not tell its contract, as BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip does; "
            "name it with --contract"
        )
    own = Market.INVERSE if re.fullmatch(_COIN_MARGINED, contract, re.ASCII) else Market.LINEAR
    if own is not market:
        raise ImportRefusedError(f"{contract} is one of Binance's {own} contracts; use --market {own}")

    def build(row: _Row) -> Record:
        liquidation = from_force_order_row(
            contract, row.side, row.price, row.average_price, row.accumulated_fill_quantity, row.time, market=market
        )
        return Record((Entry(liquidation, liquidation.time, _SOURCE, csv_rows.encode(row)),))

    return build


FORMAT: Final = Format(_NAME, _recognises, _reader, _rereader, contract_in=contract_in)
