"""What a report is made of: answers of the read API about one UTC day, all from one look at the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from liq_pipeline import queries
from liq_pipeline.queries import Span, Store
from liq_pipeline.settings import Settings

DAYS: Final = 14
"""How many days the heatmap has, the report's own the last."""
LARGEST: Final = 20
"""Single liquidations in the list of the largest."""
TOLD: Final = 25
"""Cascades whose story is told, the largest by USD."""
_LADDERS: Final = 2
"""Symbols whose price levels are shown, those with most USD."""


@dataclass(frozen=True)
class Day:
    """A UTC day as the tables have it; the frames are those of ``liq_pipeline.queries``.

    ``recent`` is hourly of the fourteen days up to this one, ``levels`` has the symbols with most USD first,
    ``members`` the cascades that are told of, and ``significant`` the sums of large ones and members of cascades.
    """

    day: date
    settings: Settings
    hourly: pl.DataFrame
    recent: pl.DataFrame
    coverage: pl.DataFrame
    gaps: pl.DataFrame
    minutes: pl.DataFrame
    comparison: pl.DataFrame
    significant: pl.DataFrame
    largest: pl.DataFrame
    cascades: pl.DataFrame
    members: pl.DataFrame
    levels: Mapping[str, pl.DataFrame]


def gather(store: Store, day: date) -> Day:
    """Ask everything about the day. Raises ServerError."""
    span = Span.day(day)
    with store.snapshot():
        recent = queries.hourly(store, Span.days(day - timedelta(DAYS - 1), day))
        hourly = recent.filter(pl.col("hour") >= span.start)
        comparison = queries.comparison(store, span, limit=None)
        cascades = queries.cascades(store, span, limit=None)
        return Day(
            day=day,
            settings=store.settings,
            hourly=hourly,
            recent=recent,
            coverage=queries.coverage(store, span),
            gaps=queries.gaps(store, span, limit=None),
            minutes=queries.minutes(store, span),
            comparison=comparison,
            significant=queries.significant_summary(store, span),
            largest=queries.largest(store, span, limit=LARGEST),
            cascades=cascades,
            members=queries.cascade_minutes(store, span, limit=TOLD),
            levels={
                symbol: queries.price_levels_history(store, span, symbol=symbol, limit=None)
                for symbol in by_symbol(comparison)["symbol"].head(_LADDERS)
            },
        )


def by_symbol(comparison: pl.DataFrame) -> pl.DataFrame:
    """The day's sums by symbol, most USD first."""
    sums = comparison.group_by("symbol").agg(
        pl.sum("event_count", "total_value_usd", "long_count", "short_count", "cascade_count", "significant_count"),
        pl.col("exchange").unique().sort(),
    )
    return sums.sort("total_value_usd", "symbol", descending=[True, False])
