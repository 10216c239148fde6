"""The numbers that say what a day was, exact; a check holds them against the tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from liq_pipeline.report.gathering import Day

_NOTHING: Final = Decimal(0)


class Headline(NamedTuple):
    """A day in numbers; USD are exact."""

    events: int
    usd: Decimal
    long_events: int
    long_usd: Decimal
    short_events: int
    short_usd: Decimal
    largest_usd: Decimal
    significant: int
    symbols: int
    exchanges: int
    cascades: int
    cascade_events: int


def headline(day: Day) -> Headline:
    """The day's numbers, from its rollups."""
    sides = {side: day.hourly.filter(pl.col("side") == side) for side in ("LONG", "SHORT")}
    events = {side: int(of_side["event_count"].sum()) for side, of_side in sides.items()}
    usd = {side: total(of_side["total_value_usd"]) for side, of_side in sides.items()}
    largest = day.hourly["max_value_usd"].max()
    return Headline(
        events=sum(events.values()),
        usd=sum(usd.values(), _NOTHING),
        long_events=events["LONG"],
        long_usd=usd["LONG"],
        short_events=events["SHORT"],
        short_usd=usd["SHORT"],
        largest_usd=largest if isinstance(largest, Decimal) else _NOTHING,
        significant=int(day.comparison["significant_count"].sum()),
        symbols=day.comparison["symbol"].n_unique(),
        exchanges=day.hourly["exchange"].n_unique(),
        cascades=day.cascades.height,
        cascade_events=int(day.hourly["cascade_count"].sum()),
    )


def total(amounts: pl.Series) -> Decimal:
    """The exact sum of a column of USD."""
    return sum(amounts.to_list(), _NOTHING)
