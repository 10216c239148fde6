"""The report's tables: feeds and their gaps, symbols, the largest liquidations, price levels, venues compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import polars as pl

from liq_pipeline import saying
from liq_pipeline.exchanges.published import in_words
from liq_pipeline.queries import Span
from liq_pipeline.report import values
from liq_pipeline.report.gathering import Day, by_symbol
from liq_pipeline.report.labels import Label, seen
from liq_pipeline.report.totals import total
from liq_pipeline.report.values import Number

_THROTTLED: Final = "throttled"
_LEVELS: Final = 20
_SYMBOLS: Final = 20
_GAPS: Final = 15


class Gap(NamedTuple):
    """A gap on a feed's strip, in percent of the day."""

    left: float
    width: float
    kind: str


class Feed(NamedTuple):
    """A feed's day."""

    name: str
    coverage: Number
    seen: str
    publishes: str
    events: Number
    gaps: Number
    longest: str
    healed: str
    throttled: str
    elapsed: float
    strip: Sequence[Gap]


class Missed(NamedTuple):
    """A gap in the list."""

    feed: str
    start: str
    end: str
    length: str
    reason: str
    healed: str


class Symbol(NamedTuple):
    """A symbol's day."""

    name: str
    events: Number
    usd: Number
    share: Number
    longs: str
    cascades: Number
    exchanges: str


class Significant(NamedTuple):
    """What one venue's longs or shorts had of large liquidations and members of cascades."""

    exchange: str
    side: str
    events: Number
    usd: Number
    average: str
    largest: Number
    in_cascades: Number
    risk: str


class Large(NamedTuple):
    """One of the largest liquidations."""

    time: str
    symbol: str
    exchange: str
    side: str
    usd: Number
    price: str
    cascade: str


class Level(NamedTuple):
    """A price level: USD of longs and of shorts, each also in percent of the largest bar."""

    price: str
    long_usd: Number
    short_usd: Number
    long_percent: float
    short_percent: float
    events: Number


class Ladder(NamedTuple):
    """A symbol's price levels with most USD, by price."""

    symbol: str
    levels: Sequence[Level]
    more: int


class Venue(NamedTuple):
    """A venue in the comparison; its label says what its numbers are worth."""

    label: Label
    events: Number
    usd: Number
    average: Number
    significant: Number
    in_cascades: Number
    longs: str


def feeds(day: Day) -> list[Feed]:
    """Feeds that were collected or had events."""
    return [_feed(day, row) for row in day.coverage.iter_rows(named=True) if row["collected"] or row["event_count"]]


def missed(day: Day) -> tuple[list[Missed], int]:
    """The longest gaps in which something was not seen, by time, and how many more there are."""
    feeds_shown = [row["exchange"] for row in day.coverage.iter_rows(named=True) if row["collected"]]
    gaps = day.gaps.filter((pl.col("reason") != _THROTTLED) & pl.col("exchange").is_in(feeds_shown))
    shown = gaps.sort("seconds", "started_at", "exchange", descending=[True, False, False]).head(_GAPS)
    rows = [
        Missed(
            row["exchange"],
            saying.clock(row["started_at"]),
            # The end of the day is no time of it.
            "24:00:00" if row["ended_at"] >= Span.day(day.day).end else saying.clock(row["ended_at"]),
            saying.span(row["seconds"]),
            row["reason"],
            "healed" if row["healed_at"] else "",
        )
        for row in shown.sort("started_at", "exchange").iter_rows(named=True)
    ]
    return rows, gaps.height - len(rows)


def symbols(day: Day) -> tuple[list[Symbol], int]:
    """The symbols with most USD, and how many more there are."""
    found = by_symbol(day.comparison)
    whole = total(found["total_value_usd"])
    rows = [
        Symbol(
            row["symbol"],
            values.count(f"symbol.{row['symbol']}.events", row["event_count"]),
            values.usd(f"symbol.{row['symbol']}.usd", row["total_value_usd"]),
            values.share(f"symbol.{row['symbol']}.share", row["total_value_usd"], whole),
            saying.percent(row["long_count"] / row["event_count"], 0),
            values.count(f"symbol.{row['symbol']}.in_cascades", row["cascade_count"]),
            ", ".join(row["exchange"]),
        )
        for row in found.head(_SYMBOLS).iter_rows(named=True)
    ]
    return rows, found.height - len(rows)


def significant(day: Day) -> list[Significant]:
    """Large liquidations and members of cascades by venue and side."""
    return [
        Significant(
            row["exchange"],
            row["side"],
            values.count(f"significant.{row['exchange']}.{row['side']}.events", row["event_count"]),
            values.usd(f"significant.{row['exchange']}.{row['side']}.usd", row["total_value_usd"]),
            f"${saying.usd(row['avg_value_usd'])}",
            values.usd(f"significant.{row['exchange']}.{row['side']}.largest_usd", row["max_value_usd"]),
            values.count(f"significant.{row['exchange']}.{row['side']}.in_cascades", row["cascade_count"]),
            "–" if row["avg_risk_score"] is None else f"{row['avg_risk_score']:.2f}",
        )
        for row in day.significant.iter_rows(named=True)
    ]


def largest(day: Day) -> list[Large]:
    """The largest single liquidations."""
    return [
        Large(
            saying.clock(row["time"]),
            row["symbol"],
            row["exchange"],
            row["side"],
            values.usd(f"large.{place}.usd", row["value_usd"]),
            saying.price(row["price"]),
            f"risk {row['risk_score']:.2f}" if row["is_cascade"] else "",
        )
        for place, row in enumerate(day.largest.iter_rows(named=True), 1)
    ]


def ladders(day: Day) -> list[Ladder]:
    """Price levels of the symbols with most USD."""
    return [_ladder(symbol, rows) for symbol, rows in day.levels.items() if not rows.is_empty()]


def venues(day: Day, labels: Mapping[str, Label]) -> list[Venue]:
    """The exchanges side by side, then all of them together."""
    names = sorted(set(day.comparison["exchange"]))
    of_each = [_venue(labels[name], day.comparison.filter(pl.col("exchange") == name)) for name in names]
    return [*of_each, _venue(Label("all", "", ""), day.comparison)]


def _feed(day: Day, row: dict[str, Any]) -> Feed:
    start, gaps = Span.day(day.day).start, day.gaps.filter(pl.col("exchange") == row["exchange"])
    # Healed ones last: they lie on what they healed.
    strip = [
        Gap(
            round((gap["started_at"] - start).total_seconds() / 864, 3),
            round(gap["seconds"] / 864, 3),
            "healed" if gap["healed_at"] else gap["reason"],
        )
        for gap in gaps.sort(pl.col("healed_at").is_not_null(), "started_at", "reason").iter_rows(named=True)
        if row["collected"]
    ]
    name, unknown = row["exchange"], None if row["collected"] else "–"
    return Feed(
        name,
        Number(f"feed.{name}.coverage", f"{row['coverage']:.6f}", unknown or saying.percent(row["coverage"])),
        seen(row),
        in_words(row["feed_semantics"]) if row["feed_semantics"] else "no events",
        values.count(f"feed.{name}.events", row["event_count"]),
        Number(f"feed.{name}.gaps", str(row["gap_count"]), unknown or f"{row['gap_count']:,}"),
        unknown or saying.span(row["longest_gap_seconds"]),
        unknown or saying.span(row["healed_seconds"]),
        unknown or saying.span(row["throttled_seconds"]),
        round(row["elapsed_seconds"] / 864, 3) if row["collected"] else 0.0,
        strip,
    )


def _ladder(symbol: str, rows: pl.DataFrame) -> Ladder:
    sides = rows.group_by("price_level", "side").agg(pl.sum("event_count", "total_value_usd"))
    levels: dict[float, dict[str, tuple[int, Decimal]]] = {}
    for price, side, events, amount in sides.iter_rows():
        levels.setdefault(price, {})[side] = (events, amount)

    def whole(price: float) -> Decimal:
        return sum((amount for _, amount in levels[price].values()), Decimal(0))

    most = sorted(levels, key=lambda price: (-whole(price), price))[:_LEVELS]
    scale = max((amount for price in most for _, amount in levels[price].values()), default=Decimal(0)) or Decimal(1)
    return Ladder(
        symbol,
        [_level(symbol, price, levels[price], scale) for price in sorted(most, reverse=True)],
        len(levels) - len(most),
    )


def _level(symbol: str, price: float, sides: Mapping[str, tuple[int, Decimal]], scale: Decimal) -> Level:
    long, short = (sides.get(side, (0, Decimal(0))) for side in ("LONG", "SHORT"))
    shown = saying.price(price)
    name = f"level.{symbol}.{shown.replace(',', '')}"
    return Level(
        shown,
        values.usd(f"{name}.LONG.usd", long[1]),
        values.usd(f"{name}.SHORT.usd", short[1]),
        round(float(100 * long[1] / scale), 2),
        round(float(100 * short[1] / scale), 2),
        values.count(f"{name}.events", long[0] + short[0]),
    )


def _venue(label: Label, rows: pl.DataFrame) -> Venue:
    name, events = f"venue.{label.exchange}", int(rows["event_count"].sum())
    amount = total(rows["total_value_usd"])
    return Venue(
        label,
        values.count(f"{name}.events", events),
        values.usd(f"{name}.usd", amount),
        values.usd(f"{name}.average_usd", (amount / events).quantize(Decimal("1e-6")) if events else Decimal(0)),
        values.count(f"{name}.significant", int(rows["significant_count"].sum())),
        values.count(f"{name}.in_cascades", int(rows["cascade_count"].sum())),
        saying.percent(rows["long_count"].sum() / events, 0) if events else "–",
    )
