"""Cascades of the day: where they lie on it, and the story of the largest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import polars as pl

from liq_pipeline import saying
from liq_pipeline.queries import Span
from liq_pipeline.report import values
from liq_pipeline.report.gathering import TOLD, Day
from liq_pipeline.report.values import Number

_ROWS: Final = 10
_DOTS: Final = 400
_SMALLEST, _LARGEST = 6, 30
"""Pixels across."""
_RISKS: Final = 4
_ONE_SIDED: Final = 2 / 3


class Dot(NamedTuple):
    """A cascade on the timeline: where it begins, how long it is, both in percent of the day, how large and risky."""

    left: float
    length: float
    pixels: int
    risk: int
    title: str


class Line(NamedTuple):
    """A symbol's cascades, or those of all others."""

    symbol: str
    dots: Sequence[Dot]


class Story(NamedTuple):
    """A cascade told: its numbers, and what happened in a few sentences."""

    cascade_id: str
    symbol: str
    start: str
    events: Number
    usd: Number
    risk: Number
    text: str


def largest_first(day: Day) -> pl.DataFrame:
    """The day's cascades by USD."""
    return day.cascades.sort("total_value_usd", "cascade_id", descending=[True, False])


def timeline(day: Day) -> list[Line]:
    """The largest cascades by symbol, those symbols first that lost most."""
    found = largest_first(day).head(_DOTS)
    if found.is_empty():
        return []
    lost: dict[str, Decimal] = defaultdict(Decimal)
    for symbol, amount in found.select("symbol", "total_value_usd").iter_rows():
        lost[symbol] += amount
    named = sorted(lost, key=lambda symbol: (-lost[symbol], symbol))[:_ROWS]
    lines: dict[str, list[Dot]] = {symbol: [] for symbol in named}
    most = float(found["total_value_usd"][0])
    for row in found.iter_rows(named=True):
        lines.setdefault(row["symbol"] if row["symbol"] in named else "others", []).append(_dot(day, row, most))
    return [Line(symbol, dots) for symbol, dots in lines.items()]


def undrawn(day: Day) -> int:
    """Cascades that the timeline leaves out."""
    return max(0, day.cascades.height - _DOTS)


def stories(day: Day) -> list[Story]:
    """The largest cascades, each with what happened."""
    members = {key[0]: rows for key, rows in day.members.group_by("cascade_id", maintain_order=True)}
    return [
        Story(
            row["cascade_id"],
            row["symbol"],
            saying.clock(row["cascade_start"]),
            values.count(f"cascade.{row['cascade_id']}.events", row["event_count"]),
            values.usd(f"cascade.{row['cascade_id']}.usd", row["total_value_usd"]),
            Number(f"cascade.{row['cascade_id']}.risk", f"{row['max_risk_score']:.6f}", f"{row['max_risk_score']:.2f}"),
            told(row, members.get(row["cascade_id"])),
        )
        for row in largest_first(day).head(TOLD).iter_rows(named=True)
    ]


def told(row: dict[str, Any], members: pl.DataFrame | None) -> str:
    """What happened, in sentences; ``members`` are the cascade's events and USD by minute, venue and side."""
    start, end = row["cascade_start"], row["cascade_end"]
    until = f"{saying.clock(end)} UTC" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M:%S} UTC"
    sentences = [
        f"From {saying.clock(start)} to {until}, in {saying.span(row['duration_seconds'])}, "
        f"{_sides(row['long_count'], row['short_count'])} worth ${saying.usd(row['total_value_usd'])} were closed, "
        f"the largest of ${saying.usd(row['max_event_usd'])}."
    ]
    if members is not None and not members.is_empty():
        sentences += [_peak(members), _venues(members, row["total_value_usd"])]
    sentences.append(_move(row["price_start"], row["price_end"]))
    # No line begins with a percent sign.
    return " ".join(sentences).replace(" %", "\u00a0%")


def _sides(longs: int, shorts: int) -> str:
    both = longs + shorts
    of_all = f"{longs:,} LONG and {shorts:,} SHORT positions"
    if longs == both or shorts == both:
        return f"{both:,} {'LONG' if longs else 'SHORT'} positions"
    if max(longs, shorts) > _ONE_SIDED * both:
        return f"mostly {'LONG' if longs > shorts else 'SHORT'} ({of_all})"
    return of_all


def _peak(members: pl.DataFrame) -> str:
    minutes = members.group_by("minute").agg(pl.sum("event_count", "total_value_usd"))
    peak = minutes.sort("total_value_usd", "minute", descending=[True, False]).row(0, named=True)
    return (
        f"It peaked at {peak['minute']:%H:%M} with {peak['event_count']:,} for ${saying.usd(peak['total_value_usd'])}."
    )


def _venues(members: pl.DataFrame, whole: Decimal) -> str:
    venues = members.group_by("exchange").agg(pl.sum("event_count", "total_value_usd"))
    rows = list(venues.sort("total_value_usd", "exchange", descending=[True, False]).iter_rows(named=True))
    if len(rows) == 1:
        return f"All of it on {rows[0]['exchange']}."
    shares = [saying.percent(row["total_value_usd"] / whole if whole else 0, 0) for row in rows]
    parts = [f"{row['exchange']} {share} ({row['event_count']:,})" for row, share in zip(rows, shares, strict=True)]
    return f"By USD: {', '.join(parts)}."


def _move(start: float, end: float) -> str:
    if start == end:
        return f"The first and the last price were {saying.price(start)}."
    change = f"{100 * (end / start - 1):+.2f} %".replace("-", "−")
    return f"The price went from {saying.price(start)} to {saying.price(end)} ({change})."


def _dot(day: Day, row: dict[str, Any], most: float) -> Dot:
    span = Span.day(day.day)
    whole = (span.end - span.start).total_seconds()
    left = (row["cascade_start"] - span.start).total_seconds() / whole
    end = min(1.0, (row["cascade_end"] - span.start).total_seconds() / whole)
    part = (float(row["total_value_usd"]) / most) ** 0.5 if most else 1.0
    return Dot(
        round(100 * left, 3),
        round(100 * max(0.0, end - left), 3),
        round(_SMALLEST + (_LARGEST - _SMALLEST) * part),
        min(_RISKS - 1, int(row["max_risk_score"] * _RISKS)),
        f"{row['symbol']} {saying.clock(row['cascade_start'])} UTC: {row['event_count']:,} for "
        f"${saying.usd(row['total_value_usd'])}, risk {row['max_risk_score']:.2f}",
    )
