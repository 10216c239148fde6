"""How many liquidations there were, worth how much, and of what."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from liq_pipeline.errors import QueryError
from liq_pipeline.queries.columns import EXCHANGE, SIDE, SYMBOL, count, day, frame, number, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

_COUNTS: Final = (
    EXCHANGE,
    SIDE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    usd("max_value_usd", "The largest."),
    count("cascade_count", "Those that are members of cascades."),
)
HOURLY: Final = (time("hour", "Start of the hour."), *_COUNTS)
DAILY: Final = (day("day", "The day."), *_COUNTS)
_OF_ALL: Final = """
SELECT hour, exchange, side, event_count, total_value_usd, max_value_usd, cascade_count
FROM liquidation_totals
WHERE hour >= %(start)s AND hour < %(end)s
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    AND (%(side)s::text IS NULL OR side = %(side)s)
ORDER BY hour, exchange, side"""
_OF_SYMBOL: Final = """
SELECT hour, exchange, side, event_count, total_value_usd, max_value_usd, cascade_count
FROM liquidations_hourly
WHERE hour >= %(start)s AND hour < %(end)s AND symbol = %(symbol)s
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    AND (%(side)s::text IS NULL OR side = %(side)s)
ORDER BY hour, exchange, side"""
_BY_DAY: Final = """
SELECT (hour AT TIME ZONE 'UTC')::date, exchange, side, sum(event_count)::bigint, sum(total_value_usd),
       max(max_value_usd), sum(cascade_count)::bigint
FROM ({}) AS hours GROUP BY 1, exchange, side ORDER BY 1, exchange, side"""

MINUTES: Final = (
    time("minute", "Start of the minute."),
    SIDE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
)
_MINUTES: Final = """
SELECT date_bin('1 minute', time, '2000-01-01 00:00:00+00'), side, count(*), sum(value_usd)
FROM liquidations
WHERE time >= %(start)s AND time < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
GROUP BY 1, side ORDER BY 1, side"""
_LONGEST: Final = timedelta(days=2)

SYMBOLS: Final = (
    SYMBOL,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    number("avg_value_usd", "USD", "Per event."),
    count("long_count", "Those that were long positions."),
    count("short_count", "Those that were short positions."),
    count("cascade_count", "Those that are members of cascades."),
    count("significant_count", "Those of at least LIQ_SIGNIFICANT_USD."),
)
_SYMBOLS: Final = """
SELECT symbol, sum(event_count)::bigint, sum(total_value_usd), (sum(total_value_usd) / sum(event_count))::float8,
       sum(long_count)::bigint, sum(short_count)::bigint, sum(cascade_count)::bigint, sum(significant_count)::bigint
FROM liquidation_exchange_comparison
WHERE period >= %(start)s AND period < %(end)s AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
GROUP BY symbol ORDER BY 3 DESC, symbol LIMIT %(limit)s"""


def hourly(
    store: Store,
    span: Span,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    side: str | None = None,
) -> pl.DataFrame:
    """Events and USD by hour, exchange and side.

    In this order, of the hours that begin in the span; those without any are not there.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "side": side}
    return frame(HOURLY, store.rows(_OF_ALL if symbol is None else _OF_SYMBOL, values))


def daily(
    store: Store,
    span: Span,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    side: str | None = None,
) -> pl.DataFrame:
    """Events and USD by day, exchange and side.

    The hours that begin in the span, added up by UTC day.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "side": side}
    return frame(DAILY, store.rows(_BY_DAY.format(_OF_ALL if symbol is None else _OF_SYMBOL), values))


def minutes(store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None) -> pl.DataFrame:
    """Events and USD by minute and side.

    Of two days at most, since they are counted one by one: raises QueryError for more.
    """
    if span.end - span.start > _LONGEST:
        raise QueryError(f"minutes are for two days at most, and {span} is longer: ask for less, or for hourly")
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange}
    return frame(MINUTES, store.rows(_MINUTES, values))


def symbols(store: Store, span: Span, *, exchange: str | None = None, limit: int | None = 100) -> pl.DataFrame:
    """Symbols by USD, largest first.

    Of the four-hour periods that begin in the span.
    """
    values = {"start": span.start, "end": span.end, "exchange": exchange, "limit": limit}
    return frame(SYMBOLS, store.rows(_SYMBOLS, values))
