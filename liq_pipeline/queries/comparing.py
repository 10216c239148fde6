"""Exchanges side by side, never without what was seen of each and what its volumes mean."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SYMBOL, count, flag, frame, number, text, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

COMPARISON: Final = (
    time("period", "Start of the four hours, aligned to UTC midnight."),
    SYMBOL,
    EXCHANGE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    number("avg_value_usd", "USD", "Per event."),
    count("cascade_count", "Those that are members of cascades."),
    count("long_count", "Those that were long positions."),
    count("short_count", "Those that were short positions."),
    count("significant_count", "Those of at least LIQ_SIGNIFICANT_USD."),
    number("coverage", "0 to 1", "Share of the day in which the feed was seen; null where that is unknown."),
    number("healed_seconds", "seconds", "Of what was not seen on the day, filled from the venue's history since."),
    flag("complete", "The venue publishes every liquidation; false: it throttles, volumes are lower bounds."),
    text("feed_semantics", "What the volumes mean; those of different meanings are not comparable."),
)
_COMPARISON: Final = """
SELECT period, symbol, exchange, event_count, total_value_usd, avg_value_usd::float8, cascade_count, long_count,
       short_count, significant_count, coverage::float8, healed_seconds::float8, complete, feed_semantics
FROM exchange_comparison(%(first)s, %(last)s)
WHERE period >= %(start)s AND period < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
ORDER BY period DESC, symbol, exchange LIMIT %(limit)s"""

TOTALS: Final = (
    EXCHANGE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    number("share", "0 to 1", "Of the USD of all exchanges; means little where completeness differs."),
    number("avg_value_usd", "USD", "Per event."),
    count("long_count", "Those that were long positions."),
    usd("long_value_usd", "They together."),
    count("short_count", "Those that were short positions."),
    usd("short_value_usd", "They together."),
    count("cascade_count", "Those that are members of cascades."),
    number("coverage", "0 to 1", "Share of the days in which its feeds were seen, on average; null where unknown."),
    flag("complete", "The venue publishes every liquidation; false: it throttles, volumes are lower bounds."),
    text("feed_semantics", "What the volumes mean; those of different meanings are not comparable."),
)
_TOTALS: Final = """
WITH seen AS (
    SELECT split_part(exchange, ':', 1) AS exchange, avg(coverage) AS coverage, bool_and(complete) AS complete,
           string_agg(DISTINCT nullif(feed_semantics, ''), ',') AS feed_semantics
    FROM feed_coverage WHERE day BETWEEN %(first)s AND %(last)s AND (collected OR event_count > 0)
    GROUP BY 1
), summed AS (
    SELECT exchange, sum(events) AS events, sum(usd) AS usd,
           coalesce(sum(events) FILTER (WHERE side = 'LONG'), 0) AS longs,
           coalesce(sum(usd) FILTER (WHERE side = 'LONG'), 0) AS long_usd,
           coalesce(sum(events) FILTER (WHERE side = 'SHORT'), 0) AS shorts,
           coalesce(sum(usd) FILTER (WHERE side = 'SHORT'), 0) AS short_usd, sum(cascades) AS cascades
    FROM (
        SELECT exchange, side, event_count AS events, total_value_usd AS usd, cascade_count AS cascades
        FROM liquidation_totals
        WHERE %(symbol)s::text IS NULL AND hour >= %(start)s AND hour < %(end)s
        UNION ALL
        SELECT exchange, side, event_count, total_value_usd, cascade_count
        FROM liquidations_hourly
        WHERE symbol = %(symbol)s AND hour >= %(start)s AND hour < %(end)s
    ) AS hours
    GROUP BY exchange
)
SELECT exchange, events::bigint, usd, (usd / nullif(sum(usd) OVER (), 0))::float8, (usd / events)::float8,
       longs::bigint, long_usd, shorts::bigint, short_usd, cascades::bigint, coverage::float8, complete, feed_semantics
FROM summed LEFT JOIN seen USING (exchange)
ORDER BY usd DESC, exchange"""


def comparison(
    store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None, limit: int | None = 1000
) -> pl.DataFrame:
    """Exchanges by four hours and symbol.

    The periods that begin in the span, newest first, each with what was seen of its feed on that day.
    """
    values = {
        "start": span.start,
        "end": span.end,
        "first": span.first_day,
        "last": span.last_day,
        "symbol": symbol,
        "exchange": exchange,
        "limit": limit,
    }
    return frame(COMPARISON, store.rows(_COMPARISON, values))


def comparison_totals(store: Store, span: Span, *, symbol: str | None = None) -> pl.DataFrame:
    """Exchanges over the whole span.

    Sums of the hours that begin in it, most USD first, each with what was seen of its feeds.
    """
    values = {
        "start": span.start,
        "end": span.end,
        "first": span.first_day,
        "last": span.last_day,
        "symbol": symbol,
    }
    return frame(TOTALS, store.rows(_TOTALS, values))
