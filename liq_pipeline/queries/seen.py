"""What was seen of the feeds, and what was not."""

from __future__ import annotations

from typing import Final

import polars as pl

from liq_pipeline.queries.columns import count, day, flag, frame, number, text, time
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store

_FEED: Final = text("exchange", "The feed: binance, or binance:inverse for its inverse contracts.")
COVERAGE: Final = (
    day("day", "The day."),
    _FEED,
    number("coverage", "0 to 1", "Share of the day, as far as it has passed, in which the feed was seen."),
    flag("complete", "The venue publishes every liquidation; false: it throttles, volumes are lower bounds."),
    text("feed_semantics", "What the volumes mean; those of different meanings are not comparable."),
    flag("collected", "False while the feed had never been collected: a day of imported events."),
    count("event_count", "Liquidations that landed, from whatever source."),
    count("gap_count", "Gaps in which the feed was not seen."),
    number("longest_gap_seconds", "seconds", "The longest of them."),
    number("covered_seconds", "seconds", "In which the feed was seen."),
    number("elapsed_seconds", "seconds", "Of the day that had passed when that was found."),
    number("healed_seconds", "seconds", "Not seen, and filled from the venue's history since."),
    number("down_seconds", "seconds", "Nobody collected, or no connection stood."),
    number("silent_seconds", "seconds", "Connected, and nothing came."),
    number("overloaded_seconds", "seconds", "Reading had stopped because Redis took nothing."),
    number("throttled_seconds", "seconds", "Seen, while the venue's throttle held back some symbol without pause."),
    number("uncollected_seconds", "seconds", "Before the feed was collected for the first time ever."),
    number("saturation", "0 to 1", "How hard a throttle of one a second worked; null where it cannot be told."),
)
_COVERAGE: Final = """
SELECT day, exchange, coverage::float8, complete, feed_semantics, collected, event_count, gap_count,
       longest_gap_seconds::float8, covered_seconds::float8, elapsed_seconds::float8, healed_seconds::float8,
       down_seconds::float8, silent_seconds::float8, overloaded_seconds::float8, throttled_seconds::float8,
       uncollected_seconds::float8, saturation::float8
FROM feed_coverage
WHERE day BETWEEN %(first)s AND %(last)s AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
ORDER BY day, exchange"""

GAPS: Final = (
    _FEED,
    time("started_at", "Last proof that the feed delivered, or midnight."),
    time("ended_at", "Next proof, or midnight."),
    number("seconds", "seconds", "How long that is."),
    text("reason", "down, silent or overloaded; throttled: seen, but the venue held events back."),
    time("healed_at", "When the venue's history of all of it had landed; null while any is missing."),
)
_GAPS: Final = """
SELECT exchange, started_at, ended_at, extract(epoch FROM ended_at - started_at)::float8, reason, healed_at
FROM feed_gaps
WHERE started_at < %(end)s AND ended_at > %(start)s AND (%(exchange)s::text IS NULL OR exchange = %(exchange)s)
ORDER BY started_at DESC, exchange, reason LIMIT %(limit)s"""


def coverage(store: Store, span: Span, *, exchange: str | None = None) -> pl.DataFrame:
    """How much was seen of each feed and day.

    Of the UTC days that the span touches.
    """
    values = {"first": span.first_day, "last": span.last_day, "exchange": exchange}
    return frame(COVERAGE, store.rows(_COVERAGE, values))


def gaps(store: Store, span: Span, *, exchange: str | None = None, limit: int | None = 1000) -> pl.DataFrame:
    """When a feed was not seen, and why.

    Gaps that touch the span, newest first; throttled ones are no gaps in what was seen.
    """
    values = {"start": span.start, "end": span.end, "exchange": exchange, "limit": limit}
    return frame(GAPS, store.rows(_GAPS, values))
