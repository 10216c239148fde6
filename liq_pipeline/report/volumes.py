"""Figures of how many and how much: per five minutes, per hour and venue, shares, sides, and the last two weeks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final, NamedTuple

import polars as pl

from liq_pipeline import saying
from liq_pipeline.report import shapes, values
from liq_pipeline.report.gathering import DAYS, Day
from liq_pipeline.report.labels import Label
from liq_pipeline.report.totals import total
from liq_pipeline.report.values import Number

MINUTES: Final = 5
"""Of a bar in the figures of the day's course."""
_BARS: Final = 1440 // MINUTES
_SHADES: Final = 8
_SIDES: Final = ("LONG", "SHORT")


class Path(NamedTuple):
    """A shape, and what it stands for: a side, or ``all``."""

    kind: str
    d: str


class Plot(NamedTuple):
    """Shapes over a day: ``units`` wide, from ``above`` over zero to ``below`` under it; ``top`` is what 100 means."""

    units: int
    above: int
    below: int
    top: str
    paths: Sequence[Path]


class Strip(NamedTuple):
    """One venue's day: its plot, its sums, and its label."""

    label: Label
    plot: Plot
    events: Number
    usd: Number


class Segment(NamedTuple):
    """A venue's part of a bar, in percent."""

    exchange: str
    percent: float
    shown: str


class Bar(NamedTuple):
    """A bar of 100 percent, and what all of it is."""

    name: str
    total: Number
    segments: Sequence[Segment]


class Sides(NamedTuple):
    """Longs against shorts, of all or of one venue."""

    name: str
    long_usd: Number
    short_usd: Number
    long_share: str
    short_share: str
    long_percent: float


class Cell(NamedTuple):
    """An hour of the heatmap: how dark, and what it says."""

    shade: int
    shown: str
    title: str


class Row(NamedTuple):
    """A day of the heatmap."""

    day: date
    total: Number
    cells: Sequence[Cell]


def course(day: Day, column: str) -> Plot:
    """A column of the minutes, longs above and shorts below the line."""
    of_sides = {side: _fives(day, side, column) for side in _SIDES}
    top = shapes.nice(max(map(max, of_sides.values())))
    unit = "$" if column.endswith("usd") else ""
    paths = [Path(side, shapes.bars(of_sides[side], top, down=side == "SHORT")) for side in _SIDES]
    return Plot(_BARS, 100, 100, f"{unit}{saying.usd(top)}", paths)


def cumulative(day: Day) -> Plot:
    """USD since midnight: of both sides, of longs, and of shorts; of a day that is not over as far as it goes."""
    until = _BARS if (over := passed(day)) is None else math.ceil(over.total_seconds() / 60 / MINUTES)
    sides = {side: _fives(day, side, "total_value_usd")[:until] for side in _SIDES}
    lines = {"all": [sum(both) for both in zip(*sides.values(), strict=True)], **sides}
    sums = {name: list(accumulate(line)) for name, line in lines.items()}
    top = shapes.nice(sums["all"][-1])
    return Plot(
        _BARS, 100, 0, f"${saying.usd(top)}", [Path(name, shapes.steps(line, top)) for name, line in sums.items()]
    )


def passed(day: Day) -> timedelta | None:
    """How much of the day had passed when its coverage was made; None of a day that is over, or not watched."""
    elapsed = max(day.coverage["elapsed_seconds"].to_list(), default=86_400.0)
    last = day.minutes["minute"].max()
    if elapsed >= 86_400 or not isinstance(last, datetime):
        return None
    # Events are known a minute sooner than coverage.
    return max(timedelta(seconds=elapsed), timedelta(hours=last.hour, minutes=last.minute + 1))


def strips(day: Day, labels: Mapping[str, Label]) -> list[Strip]:
    """USD per hour of each venue, all on one scale."""
    hours: dict[str, list[float]] = {name: [0.0] * 24 for name in sorted(set(day.hourly["exchange"]))}
    for hour, exchange, amount in day.hourly.select("hour", "exchange", "total_value_usd").iter_rows():
        hours[exchange][hour.hour] += float(amount)
    top = shapes.nice(max(map(max, hours.values())))
    found = []
    for exchange, line in hours.items():
        rows = day.hourly.filter(pl.col("exchange") == exchange)
        found.append(
            Strip(
                labels[exchange],
                Plot(24, 100, 0, f"${saying.usd(top)}", [Path(exchange, shapes.bars(line, top))]),
                values.count(f"exchange.{exchange}.events", int(rows["event_count"].sum())),
                values.usd(f"exchange.{exchange}.usd", total(rows["total_value_usd"])),
            )
        )
    return found


def shares(day: Day) -> list[Bar]:
    """Venues' shares of USD in each four hours that had any."""
    periods: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for hour, exchange, amount in day.hourly.select("hour", "exchange", "total_value_usd").iter_rows():
        periods[hour.hour // 4 * 4][exchange] += amount
    found = []
    for first, amounts in sorted(periods.items()):
        whole = sum(amounts.values(), Decimal(0))
        segments = [_segment(exchange, amount, whole) for exchange, amount in sorted(amounts.items())]
        found.append(Bar(f"{first:02}–{first + 4:02}", values.usd(f"period.{first:02}.usd", whole), segments))
    return found


def sides(day: Day) -> list[Sides]:
    """Longs against shorts by USD: all of them, then each venue."""
    exchanges = sorted(set(day.hourly["exchange"]))
    return [
        _sides("all", day.hourly),
        *(_sides(exchange, day.hourly.filter(pl.col("exchange") == exchange)) for exchange in exchanges),
    ]


def heatmap(day: Day) -> list[Row]:
    """USD per hour of the last two weeks; hours without any stay empty."""
    sums: dict[datetime, Decimal] = defaultdict(Decimal)
    for hour, amount in day.recent.select("hour", "total_value_usd").iter_rows():
        sums[hour] += amount
    most = max(map(float, sums.values()), default=0.0)
    found = []
    for back in range(DAYS - 1, -1, -1):
        of = day.day - timedelta(back)
        hours = [datetime(of.year, of.month, of.day, hour, tzinfo=UTC) for hour in range(24)]
        whole = values.usd(f"day.{of}.usd", sum((sums[hour] for hour in hours if hour in sums), Decimal(0)))
        if not any(hour in sums for hour in hours):
            whole = whole._replace(shown="–")
        found.append(Row(of, whole, [_cell(hour, sums.get(hour), most) for hour in hours]))
    return found


def _fives(day: Day, side: str, column: str) -> list[float]:
    found = [0.0] * _BARS
    for minute, amount in day.minutes.filter(pl.col("side") == side).select("minute", column).iter_rows():
        found[(minute.hour * 60 + minute.minute) // MINUTES] += float(amount)
    return found


def _segment(exchange: str, amount: Decimal, whole: Decimal) -> Segment:
    part = float(amount / whole) if whole else 0.0
    return Segment(exchange, round(100 * part, 2), saying.percent(part, 0))


def _sides(name: str, rows: pl.DataFrame) -> Sides:
    long, short = (total(rows.filter(pl.col("side") == side)["total_value_usd"]) for side in _SIDES)
    part = float(long / (long + short)) if long + short else 0.0
    return Sides(
        name,
        values.usd(f"sides.{name}.long_usd", long),
        values.usd(f"sides.{name}.short_usd", short),
        saying.percent(part, 0),
        saying.percent(1 - part, 0),
        round(100 * part, 2),
    )


def _cell(hour: datetime, amount: Decimal | None, most: float) -> Cell:
    if amount is None:
        return Cell(0, "", f"{hour:%Y-%m-%d %H:00} UTC: none")
    # By the root: one violent hour would leave all others white.
    shade = 1 + min(_SHADES - 1, int(_SHADES * (float(amount) / most) ** 0.5)) if most else 1
    return Cell(shade, saying.usd(amount), f"{hour:%Y-%m-%d %H:00} UTC: ${saying.usd(amount)}")
