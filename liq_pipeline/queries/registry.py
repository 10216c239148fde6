"""The queries by name: what the command line offers, what help() says, what the tests go through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from liq_pipeline.queries import cascading, comparing, events, landed, levels, made, members, now, seen, volumes
from liq_pipeline.queries.columns import Columns


@dataclass(frozen=True)
class Query:
    """A function of the read API, and the columns of its answers."""

    function: Callable[..., pl.DataFrame]
    columns: Columns
    server: str
    empty: str = ""
    """What an empty answer means, where that is not that something lacks."""

    @property
    def name(self) -> str:
        """As it is asked for."""
        return self.function.__name__

    @property
    def about(self) -> str:
        """What it answers, in a sentence."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def accepts(self) -> Mapping[str, object]:
        """What can be said beside the store, with the defaults; ``span`` has none."""
        parameters = inspect.signature(self.function).parameters
        return {name: parameter.default for name, parameter in parameters.items() if name != "store"}

    @property
    def needs(self) -> Sequence[str]:
        """What has to be said."""
        return [name for name, default in self.accepts.items() if default is inspect.Parameter.empty]


_DATABASE: Final = "database"
_REDIS: Final = "Redis"
_QUIET: Final = "Nothing of this landed in the last hour: `liq query feeds` says whether any feed delivers."
QUERIES: Final[Mapping[str, Query]] = {
    query.name: query
    for query in (
        Query(events.significant, events.SIGNIFICANT, _DATABASE),
        Query(events.significant_summary, events.SUMMARY, _DATABASE),
        Query(events.largest, events.LARGEST, _DATABASE),
        Query(cascading.cascades, cascading.CASCADES, _DATABASE),
        Query(cascading.cascade_venues, cascading.VENUES, _DATABASE),
        Query(members.cascade_minutes, members.CASCADE_MINUTES, _DATABASE),
        Query(volumes.hourly, volumes.HOURLY, _DATABASE),
        Query(volumes.daily, volumes.DAILY, _DATABASE),
        Query(volumes.minutes, volumes.MINUTES, _DATABASE),
        Query(volumes.symbols, volumes.SYMBOLS, _DATABASE),
        Query(levels.price_levels_history, levels.HISTORY, _DATABASE),
        Query(comparing.comparison, comparing.COMPARISON, _DATABASE),
        Query(comparing.comparison_totals, comparing.TOTALS, _DATABASE),
        Query(seen.coverage, seen.COVERAGE, _DATABASE),
        Query(seen.gaps, seen.GAPS, _DATABASE, "No gap is known there: `liq query coverage` says how much was seen."),
        Query(made.days, made.DAYS, _DATABASE),
        Query(now.price_levels, now.PRICE_LEVELS, _REDIS),
        Query(now.active_cascades, now.ACTIVE_CASCADES, _REDIS),
        Query(landed.newest_events, landed.LANDED, _REDIS, _QUIET),
        Query(landed.largest_events, landed.LANDED, _REDIS, _QUIET),
        Query(now.last_hour, now.LAST_HOUR, _REDIS),
        Query(now.last_hour_venues, now.LAST_HOUR_VENUES, _REDIS),
        Query(now.last_hour_largest, now.LAST_HOUR_LARGEST, _REDIS),
        Query(now.feeds, now.FEED_HEALTH, _REDIS),
        Query(now.live_view, now.LIVE_VIEW, _REDIS),
    )
}
COLUMNS: Final[Mapping[str, Columns]] = {name: query.columns for name, query in QUERIES.items()}
"""The columns of each query's answers, in order."""

for _query in QUERIES.values():
    _lines = "\n".join(f"    {column.name:24} {column.unit or '':14} {column.meaning}" for column in _query.columns)
    _query.function.__doc__ = f"{inspect.getdoc(_query.function)}\n\nColumns:\n{_lines}"
