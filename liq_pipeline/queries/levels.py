"""At which prices positions were liquidated."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SIDE, SYMBOL, count, frame, number, texts, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

HISTORY: Final = (
    SYMBOL,
    number("price_level", "USD per coin", "Lower bound of the level."),
    SIDE,
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    number("total_quantity", "coins", "All of them together."),
    texts("exchanges_involved", f"{EXCHANGE.meaning} Sorted."),
)
_HISTORY: Final = """
SELECT symbol, price_level::float8, side, sum(events)::bigint, sum(usd), sum(quantity)::float8,
       array_agg(exchange ORDER BY exchange)
FROM (
    SELECT symbol, price_level, side, exchange, sum(liquidation_count) AS events, sum(total_value_usd) AS usd,
           sum(total_quantity) AS quantity
    FROM liquidation_price_levels
    WHERE hour >= %(start)s AND hour < %(end)s AND symbol = %(symbol)s
        AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
    GROUP BY symbol, price_level, side, exchange
) AS by_exchange
GROUP BY symbol, by_exchange.price_level, side
ORDER BY 4 DESC, 5 DESC, 2, 3 LIMIT %(limit)s"""


def price_levels_history(
    store: Store, span: Span, *, symbol: str, exchange: str | None = None, limit: int | None = 1000
) -> pl.DataFrame:
    """Price levels of a symbol in the span.

    Of the hours that begin in it, most events first.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "exchange": exchange, "limit": limit}
    return frame(HISTORY, store.rows(_HISTORY, values))
