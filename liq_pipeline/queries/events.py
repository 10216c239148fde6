"""Liquidations that matter: large ones, and members of cascades."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from liq_pipeline.queries.columns import (
    EVENT_ID,
    EXCHANGE,
    LIQUIDATION,
    SIDE,
    count,
    flag,
    frame,
    number,
    text,
    usd,
)
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

SIGNIFICANT: Final = (
    *LIQUIDATION,
    flag("is_cascade", "It is a member of a cascade."),
    text("cascade_id", "Which; null outside cascades."),
    count("cascade_event_count", "Members of that cascade; null outside."),
    number("risk_score", "0 to 1", "Of the cascade around it; null outside."),
    text("session_type", "UTC: weekend, otherwise asian 00-08, european 08-16, us 16-24."),
    EVENT_ID,
)
_SIGNIFICANT: Final = """
SELECT time, exchange, symbol, side, price::float8, quantity::float8, value_usd, is_cascade, cascade_id::text,
       cascade_event_count, risk_score::float8, session_type, event_id::text
FROM liquidations_significant
WHERE time >= %(start)s AND time < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    AND (%(side)s::text IS NULL OR side = %(side)s)
    AND (%(min_usd)s::numeric IS NULL OR value_usd >= %(min_usd)s)
ORDER BY time DESC, event_id LIMIT %(limit)s"""

SUMMARY: Final = (
    EXCHANGE,
    SIDE,
    count("event_count", "Significant liquidations."),
    usd("total_value_usd", "All of them together."),
    number("avg_value_usd", "USD", "Per event."),
    usd("max_value_usd", "The largest."),
    count("cascade_count", "Those that are members of cascades."),
    number("avg_risk_score", "0 to 1", "Mean over those in cascades; null without any."),
)
_SUMMARY: Final = """
SELECT exchange, side, sum(significant_count)::bigint, sum(significant_value_usd),
       (sum(significant_value_usd) / sum(significant_count))::float8, max(significant_max_usd),
       sum(cascade_count)::bigint, (sum(total_risk_score) / nullif(sum(cascade_count), 0))::float8
FROM liquidation_totals
WHERE hour >= %(start)s AND hour < %(end)s AND significant_count > 0
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
GROUP BY exchange, side ORDER BY exchange, side"""
_SUMMARY_OF_SOME: Final = """
SELECT exchange, side, count(*), sum(value_usd), avg(value_usd)::float8, max(value_usd),
       count(*) FILTER (WHERE is_cascade), avg(risk_score)::float8
FROM liquidations_significant
WHERE time >= %(start)s AND time < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    AND (%(min_usd)s::numeric IS NULL OR value_usd >= %(min_usd)s)
GROUP BY exchange, side ORDER BY exchange, side"""

LARGEST: Final = (
    *LIQUIDATION,
    flag("is_cascade", "It is a member of a cascade."),
    text("cascade_id", "Which; null outside cascades."),
    number("risk_score", "0 to 1", "Of the cascade around it; null outside."),
    EVENT_ID,
)
# Hours tell their largest event. That of the limit-th hour is a bound: as many events at least reach it, so that only
# hours that reach it are to be looked into; one by one, which OFFSET 0 sees to, or all chunks would be read.
_LARGEST: Final = """
WITH hours AS (
    SELECT hour, exchange, side, max_value_usd FROM liquidation_totals
    WHERE %(symbol)s::text IS NULL AND hour > %(start)s - interval '1 hour' AND hour < %(end)s
    UNION ALL
    SELECT hour, exchange, side, max_value_usd FROM liquidations_hourly
    WHERE symbol = %(symbol)s AND hour > %(start)s - interval '1 hour' AND hour < %(end)s
), asked AS MATERIALIZED (
    SELECT hour, max_value_usd FROM hours
    WHERE (%(exchange)s::text IS NULL OR exchange = %(exchange)s) AND (%(side)s::text IS NULL OR side = %(side)s)
), bound AS MATERIALIZED (
    SELECT coalesce((
        SELECT max_value_usd FROM asked WHERE hour >= %(start)s AND hour + interval '1 hour' <= %(end)s
        ORDER BY max_value_usd DESC OFFSET %(limit)s::bigint - 1 LIMIT 1
    ), 0) AS usd
), within AS MATERIALIZED (
    SELECT DISTINCT hour FROM asked WHERE max_value_usd >= (SELECT usd FROM bound)
)
SELECT event.time, event.exchange, event.symbol, event.side, event.price::float8, event.quantity::float8,
       event.value_usd, event.is_cascade, event.cascade_id::text, event.risk_score::float8, event.event_id::text
FROM within, LATERAL (
    SELECT * FROM liquidations
    WHERE time >= within.hour AND time < within.hour + interval '1 hour' AND time >= %(start)s AND time < %(end)s
        AND value_usd >= (SELECT usd FROM bound)
        AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
        AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
        AND (%(side)s::text IS NULL OR side = %(side)s)
    OFFSET 0
) AS event
ORDER BY event.value_usd DESC, event.time DESC, event.event_id LIMIT %(limit)s"""


def significant(
    store: Store,
    span: Span,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    side: str | None = None,
    min_usd: Decimal | None = None,
    limit: int | None = 1000,
) -> pl.DataFrame:
    """Large liquidations and members of cascades.

    Those of at least LIQ_SIGNIFICANT_USD are large; newest first.
    """
    values = {
        "start": span.start,
        "end": span.end,
        "symbol": symbol,
        "exchange": exchange,
        "side": side,
        "min_usd": min_usd,
        "limit": limit,
    }
    return frame(SIGNIFICANT, store.rows(_SIGNIFICANT, values))


def significant_summary(
    store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None, min_usd: Decimal | None = None
) -> pl.DataFrame:
    """The same, summed by exchange and side.

    Of the hours that begin in the span; of the span itself where ``symbol`` or ``min_usd`` choose.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "min_usd": min_usd}
    return frame(SUMMARY, store.rows(_SUMMARY if symbol is None and min_usd is None else _SUMMARY_OF_SOME, values))


def largest(
    store: Store,
    span: Span,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    side: str | None = None,
    limit: int = 20,
) -> pl.DataFrame:
    """The largest liquidations by USD.

    Of all, whether significant or not; largest first.
    """
    values = {
        "start": span.start,
        "end": span.end,
        "symbol": symbol,
        "exchange": exchange,
        "side": side,
        "limit": limit,
    }
    return frame(LARGEST, store.rows(_LARGEST, values))
