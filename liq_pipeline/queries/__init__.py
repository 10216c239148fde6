"""The read API: one way to ask, for notebooks, reports, the terminal and the command line.

    from liq_pipeline import queries

    with queries.connect() as store:
        queries.cascades(store, queries.Span.last(hours=24), symbol="BTCUSDT")

Every answer is a Polars frame with the columns that ``queries.COLUMNS`` and the functions' help describe, in a fixed
order, also when it is empty. Nothing is ever written: the session is the reader role's, and read only.
"""

from liq_pipeline.queries.cascading import cascade_venues, cascades
from liq_pipeline.queries.columns import Column, Columns
from liq_pipeline.queries.comparing import comparison, comparison_totals
from liq_pipeline.queries.events import largest, significant, significant_summary
from liq_pipeline.queries.landed import largest_events, newest_events
from liq_pipeline.queries.levels import price_levels_history
from liq_pipeline.queries.made import days, newest_day, why_empty
from liq_pipeline.queries.members import cascade_minutes
from liq_pipeline.queries.now import (
    active_cascades,
    feeds,
    last_hour,
    last_hour_largest,
    last_hour_venues,
    live_view,
    price_levels,
    why_quiet,
)
from liq_pipeline.queries.registry import COLUMNS, QUERIES, Query
from liq_pipeline.queries.seen import coverage, gaps
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store, connect
from liq_pipeline.queries.volumes import daily, hourly, minutes, symbols

__all__ = [
    "COLUMNS",
    "QUERIES",
    "Column",
    "Columns",
    "Query",
    "Span",
    "Store",
    "active_cascades",
    "cascade_minutes",
    "cascade_venues",
    "cascades",
    "comparison",
    "comparison_totals",
    "connect",
    "coverage",
    "daily",
    "days",
    "feeds",
    "gaps",
    "hourly",
    "largest",
    "largest_events",
    "last_hour",
    "last_hour_largest",
    "last_hour_venues",
    "live_view",
    "minutes",
    "newest_day",
    "newest_events",
    "price_levels",
    "price_levels_history",
    "significant",
    "significant_summary",
    "symbols",
    "why_empty",
    "why_quiet",
]
