"""How the largest cascades went: their members by minute, exchange and side."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import EXCHANGE, SIDE, count, frame, text, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

CASCADE_MINUTES: Final = (
    text("cascade_id", "As in cascades."),
    time("minute", "Start of the minute."),
    EXCHANGE,
    SIDE,
    count("event_count", "Members."),
    usd("total_value_usd", "They together."),
)
_CASCADE_MINUTES: Final = """
WITH chosen AS MATERIALIZED (
    SELECT cascade_id, cascade_start, cascade_end FROM liquidation_cascades
    WHERE cascade_start >= %(start)s AND cascade_start < %(end)s
        AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    ORDER BY total_value_usd DESC, cascade_id LIMIT %(limit)s
)
SELECT cascade_id::text, date_bin('1 minute', member.time, '2000-01-01 00:00:00+00'), member.exchange, member.side,
       count(*), sum(member.value_usd)
FROM liquidations_significant AS member JOIN chosen USING (cascade_id)
WHERE member.time >= (SELECT min(cascade_start) FROM chosen) AND member.time <= (SELECT max(cascade_end) FROM chosen)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""


def cascade_minutes(store: Store, span: Span, *, symbol: str | None = None, limit: int | None = 25) -> pl.DataFrame:
    """The course of the largest cascades that began in the span.

    ``limit`` is of cascades, those with most USD.
    """
    values = {"start": span.start, "end": span.end, "symbol": symbol, "limit": limit}
    return frame(CASCADE_MINUTES, store.rows(_CASCADE_MINUTES, values))
