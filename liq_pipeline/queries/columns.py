"""What the columns of answers are: name, type, unit, meaning.

Sums of money are exact: ``Decimal`` with six places, as the database has them. Everything else that is not a count is a
``Float64``, the double next to the database's decimal: prices, coins, means, shares and scores are there to be shown.
Times are UTC with milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl
from polars.datatypes import DataType

_TIME: Final = pl.Datetime("ms", "UTC")
_USD: Final = pl.Decimal(38, 6)


class Column(NamedTuple):
    """One column of an answer; ``unit`` is empty for text, flags and counts of what ``meaning`` names."""

    name: str
    dtype: DataType
    unit: str
    meaning: str


Columns = tuple[Column, ...]


def time(name: str, meaning: str) -> Column:
    """A point in time."""
    return Column(name, _TIME, "UTC", meaning)


def day(name: str, meaning: str) -> Column:
    """A UTC day."""
    return Column(name, pl.Date(), "UTC day", meaning)


def usd(name: str, meaning: str) -> Column:
    """An exact amount of US dollars."""
    return Column(name, _USD, "USD", meaning)


def number(name: str, unit: str, meaning: str) -> Column:
    """A number to be shown."""
    return Column(name, pl.Float64(), unit, meaning)


def count(name: str, meaning: str) -> Column:
    """How many."""
    return Column(name, pl.Int64(), "", meaning)


def text(name: str, meaning: str) -> Column:
    """A word."""
    return Column(name, pl.String(), "", meaning)


def texts(name: str, meaning: str) -> Column:
    """Several words."""
    return Column(name, pl.List(pl.String()), "", meaning)


def flag(name: str, meaning: str) -> Column:
    """Yes or no."""
    return Column(name, pl.Boolean(), "", meaning)


SIDE: Final = text("side", "LONG or SHORT: the side of the position that was liquidated; longs by falling prices.")
EXCHANGE: Final = text("exchange", "The venue, lower case: binance, bybit, okx.")
SYMBOL: Final = text(
    "symbol", "Canonical: base and quote (BTCUSDT); inverse ends in USD, dated futures keep the expiry."
)
LIQUIDATION: Final = (
    time("time", "Event time at the venue."),
    EXCHANGE,
    SYMBOL,
    SIDE,
    number("price", "USD per coin", "What it was closed at, as the venue means it."),
    number("quantity", "coins", "How much of the base coin."),
    usd("value_usd", "Price times quantity."),
)
"""What every answer of single liquidations begins with."""
EVENT_ID: Final = text("event_id", "The same however and how often it arrives.")


def schema(columns: Columns) -> dict[str, DataType]:
    """Names and types, in order, as polars takes them."""
    return {column.name: column.dtype for column in columns}


def frame(columns: Columns, rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Rows as the frame that ``columns`` describe; there may be none."""
    return pl.DataFrame(rows, schema=schema(columns), orient="row")


def frame_of(columns: Columns, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """The same of rows by name; what a row lacks is null."""
    return frame(columns, [[row.get(column.name) for column in columns] for row in rows])
