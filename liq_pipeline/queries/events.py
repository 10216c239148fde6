"""Liquidations that matter: large ones, and members of cascades."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SIDE, SYMBOL, count, flag, frame, number, text, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

SIGNIFICANT: Final = (
    time("time", "Event time at the venue."),
    EXCHANGE,
    SYMBOL,
    SIDE,
    number("price", "USD per coin", "What it was closed at, as the venue means it."),
    number("quantity", "coins", "How much of the base coin."),
    usd("value_usd", "Price times quantity."),
    flag("is_cascade", "It is a member of a cascade."),
    text("cascade_id", "Which; null outside cascades."),
    count("cascade_event_count", "Members of that cascade; null outside."),
    number("risk_score", "0 to 1", "Of the cascade around it; null outside."),
    text("session_type", "UTC: weekend, otherwise asian 00-08, european 08-16, us 16-24."),
    text("event_id", "The same however and how often it arrived."),
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
    """Liquidations of at least LIQ_SIGNIFICANT_USD and members of cascades, newest first."""
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
