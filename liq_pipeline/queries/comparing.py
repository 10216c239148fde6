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


def comparison(
    store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None, limit: int | None = 1000
) -> pl.DataFrame:
    """Four hours, a symbol and an exchange a row, with the coverage of its feed on that day; newest first."""
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
