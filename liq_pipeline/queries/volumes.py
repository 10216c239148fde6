"""How many liquidations there were, and worth how much."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SIDE, count, frame, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

HOURLY: Final = (
    time("hour", "Start of the hour."),
    EXCHANGE,
    SIDE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    usd("max_value_usd", "The largest."),
    count("cascade_count", "Those that are members of cascades."),
)
_HOURLY: Final = """
SELECT hour, exchange, side, sum(event_count)::bigint, sum(total_value_usd), max(max_value_usd),
       sum(cascade_count)::bigint
FROM liquidations_hourly
WHERE hour >= %(start)s AND hour < %(end)s
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    AND (%(side)s::text IS NULL OR side = %(side)s)
GROUP BY hour, exchange, side ORDER BY hour, exchange, side"""


def hourly(
    store: Store,
    span: Span,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    side: str | None = None,
) -> pl.DataFrame:
    """Events and USD by hour, exchange and side, in this order; hours without any are not there."""
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "side": side}
    return frame(HOURLY, store.rows(_HOURLY, values))
