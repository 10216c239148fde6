"""Cascades of the past."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SYMBOL, count, frame, number, text, texts, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

CASCADES: Final = (
    text("cascade_id", "The same live, in batch and after any backfill."),
    SYMBOL,
    time("cascade_start", "Time of the first member."),
    time("cascade_end", "Time of the last hot event."),
    number("duration_seconds", "seconds", "From start to end."),
    count("event_count", "Members, on all days and exchanges."),
    usd("total_value_usd", "All members together."),
    number("avg_risk_score", "0 to 1", "Mean of the hot events' scores."),
    number("max_risk_score", "0 to 1", "Largest of the hot events' scores."),
    texts("exchanges_involved", "Sorted."),
    count("exchange_count", "How many exchanges that are."),
    count("long_count", "Members that were long positions."),
    count("short_count", "Members that were short positions."),
    count("hot_event_count", "Members whose own window reached the thresholds."),
    usd("max_event_usd", "The largest member."),
    number("price_start", "USD per coin", "Price of the first member."),
    number("price_end", "USD per coin", "Price of the last member."),
)
_CASCADES: Final = """
SELECT cascade_id::text, symbol, cascade_start, cascade_end, duration_seconds::float8, event_count, total_value_usd,
       avg_risk_score::float8, max_risk_score::float8, exchanges_involved, exchange_count, long_count, short_count,
       hot_event_count, max_event_usd, price_start::float8, price_end::float8
FROM liquidation_cascades
WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR %(exchange)s = ANY (exchanges_involved))
ORDER BY cascade_start DESC, cascade_id LIMIT %(limit)s"""

VENUES: Final = (
    text("cascade_id", "As in cascades."),
    EXCHANGE,
    count("event_count", "Members on this exchange."),
    usd("total_value_usd", "They together."),
    count("long_count", "Those that were long positions."),
    count("short_count", "Those that were short positions."),
)
_VENUES: Final = """
WITH chosen AS MATERIALIZED (
    SELECT cascade_id, cascade_start, cascade_end FROM liquidation_cascades
    WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
        AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    ORDER BY cascade_start DESC, cascade_id LIMIT %(limit)s
)
SELECT chosen.cascade_id::text, member.exchange, count(*), sum(member.value_usd),
       count(*) FILTER (WHERE member.side = 'LONG'), count(*) FILTER (WHERE member.side = 'SHORT')
FROM liquidations_significant AS member JOIN chosen USING (cascade_id)
WHERE member.time >= (SELECT min(cascade_start) FROM chosen) AND member.time <= (SELECT max(cascade_end) FROM chosen)
    AND (%(symbol)s::text IS NULL OR member.symbol = %(symbol)s)
GROUP BY chosen.cascade_start, chosen.cascade_id, member.exchange
ORDER BY chosen.cascade_start DESC, chosen.cascade_id, member.exchange"""


def cascades(
    store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None, limit: int | None = 1000
) -> pl.DataFrame:
    """Cascades that began in the span.

    Newest first; ``exchange`` is one that took part.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "limit": limit}
    return frame(CASCADES, store.rows(_CASCADES, values))


def cascade_venues(store: Store, span: Span, *, symbol: str | None = None, limit: int | None = 100) -> pl.DataFrame:
    """What each exchange had of these cascades.

    ``limit`` is of cascades, newest first.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "limit": limit}
    return frame(VENUES, store.rows(_VENUES, values))
