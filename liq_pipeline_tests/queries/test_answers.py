"""Every answer equals what the same question gives when it is asked of the events one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from liq_pipeline import queries
from liq_pipeline.errors import QueryError
from liq_pipeline.queries import Span, Store
from liq_pipeline_tests.queries.market import BOTH, NEXT, STRANGE
from liq_pipeline_tests.warehouse.making import DAY, query

Row = dict[str, Any]
SYMBOLS = [None, STRANGE]


@pytest.fixture
def events(made_url: str) -> list[Row]:
    """All of ``liquidations``."""
    names = ("time", "event_id::text", "exchange", "symbol", "side", "value_usd", "is_cascade", "cascade_id::text")
    names += ("is_significant", "price_level", "quantity", "risk_score")
    rows = query(made_url, f"SELECT {', '.join(names)} FROM liquidations ORDER BY time, event_id")
    return [dict(zip((name.removesuffix("::text") for name in names), row, strict=True)) for row in rows]


def chosen(events: list[Row], symbol: str | None, span: Span = BOTH) -> list[Row]:
    return [event for event in events if symbol in (None, event["symbol"]) and span.start <= event["time"] < span.end]


def by(events: list[Row], *keys: str | Callable[[Row], Any]) -> dict[tuple[Any, ...], list[Row]]:
    groups = defaultdict(list)
    for event in events:
        groups[tuple(key(event) if callable(key) else event[key] for key in keys)].append(event)
    return dict(sorted(groups.items()))


def usd(events: list[Row]) -> Decimal:
    return sum((event["value_usd"] for event in events), Decimal(0))


def hour(event: Row) -> datetime:
    at: datetime = event["time"]
    return at.replace(minute=0, second=0, microsecond=0)


def rows(frame: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return frame.select(names).rows()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_hours(store: Store, events: list[Row], symbol: str | None) -> None:
    expected = [
        (*key, len(group), usd(group), max(event["value_usd"] for event in group))
        for key, group in by(chosen(events, symbol), hour, "exchange", "side").items()
    ]
    found = queries.hourly(store, BOTH, symbol=symbol)
    assert rows(found, "hour", "exchange", "side", "event_count", "total_value_usd", "max_value_usd") == expected
    assert found["cascade_count"].sum() == sum(event["is_cascade"] for event in chosen(events, symbol))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_significant_ones_newest_first(store: Store, events: list[Row], symbol: str | None) -> None:
    matter = [event for event in chosen(events, symbol) if event["is_significant"] or event["is_cascade"]]
    expected = [event["event_id"] for event in sorted(matter, key=lambda event: event["time"], reverse=True)]
    found = queries.significant(store, BOTH, symbol=symbol)
    assert found["event_id"].to_list() == expected
    assert found["value_usd"].sum() == usd(matter)
    assert queries.significant(store, BOTH, symbol=symbol, limit=3)["event_id"].to_list() == expected[:3]
    large = queries.significant(store, BOTH, symbol=symbol, min_usd=Decimal(150_000), side="LONG", exchange="okx")
    assert set(large["event_id"]) == {
        event["event_id"]
        for event in matter
        if event["value_usd"] >= 150_000 and (event["side"], event["exchange"]) == ("LONG", "okx")
    }


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_cascades_and_what_each_venue_had_of_them(store: Store, events: list[Row], symbol: str | None) -> None:
    members = by([event for event in chosen(events, symbol) if event["is_cascade"]], "cascade_id")
    found = queries.cascades(store, BOTH, symbol=symbol)
    assert {row["cascade_id"]: (row["event_count"], row["total_value_usd"]) for row in found.to_dicts()} == {
        name: (len(group), usd(group)) for (name,), group in members.items()
    }
    assert found["cascade_start"].to_list() == sorted(found["cascade_start"], reverse=True)
    venues = queries.cascade_venues(store, BOTH, symbol=symbol)
    assert {(row["cascade_id"], row["exchange"]): row["total_value_usd"] for row in venues.to_dicts()} == {
        key: usd(group)
        for key, group in by([event for group in members.values() for event in group], "cascade_id", "exchange").items()
    }
    # One that began the day before and ended on this is the day before's, with all its members.
    first, second = (queries.cascades(store, Span.day(day), symbol=symbol) for day in (DAY, NEXT))
    assert sorted([*first["cascade_id"], *second["cascade_id"]]) == sorted(found["cascade_id"])
    on_first = queries.cascade_venues(store, Span.day(DAY), symbol=symbol)
    assert on_first["event_count"].sum() == first["event_count"].sum()


def test_the_course_of_the_largest_cascades(store: Store, events: list[Row]) -> None:
    members = [event for event in events if event["is_cascade"]]
    found = queries.cascade_minutes(store, BOTH, limit=None)
    at = pl.col("minute").dt.strftime("%Y-%m-%d %H:%M")
    keys = found.select("cascade_id", at, "exchange", "side").rows()
    of_minutes = [event | {"minute": f"{event['time']:%Y-%m-%d %H:%M}"} for event in members]
    assert dict(zip(keys, found["total_value_usd"], strict=True)) == {
        key: usd(group) for key, group in by(of_minutes, "cascade_id", "minute", "exchange", "side").items()
    }
    largest = queries.cascades(store, BOTH).sort("total_value_usd", descending=True)["cascade_id"][0]
    assert queries.cascade_minutes(store, BOTH, limit=1)["cascade_id"].unique().to_list() == [largest]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_significant_ones_summed(store: Store, events: list[Row], symbol: str | None) -> None:
    matter = [event for event in chosen(events, symbol) if event["is_significant"] or event["is_cascade"]]
    for least in (None, Decimal(50_000)):
        found = queries.significant_summary(store, BOTH, symbol=symbol, min_usd=least)
        groups = by([event for event in matter if event["value_usd"] >= (least or 0)], "exchange", "side")
        names = ("exchange", "side", "event_count", "total_value_usd", "max_value_usd", "cascade_count")
        assert rows(found, *names) == [
            (*key, len(group), usd(group), max(e["value_usd"] for e in group), sum(e["is_cascade"] for e in group))
            for key, group in groups.items()
        ]
        for risk, group in zip(found["avg_risk_score"], groups.values(), strict=True):
            scores = [event["risk_score"] for event in group if event["is_cascade"]]
            assert risk == (pytest.approx(float(sum(scores) / len(scores))) if scores else None)


@pytest.mark.parametrize("limit", [1, 5, 1000])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_largest_are_found_wherever_they_are(
    store: Store, events: list[Row], symbol: str | None, limit: int
) -> None:
    # The second span begins and ends within hours, whose largest events may be outside of it.
    for span in (BOTH, Span(BOTH.start + timedelta(minutes=50), BOTH.end - timedelta(hours=5, minutes=20))):
        for said in ({}, {"exchange": "okx", "side": "SHORT"}):
            fitting = [event for event in chosen(events, symbol, span) if all(event[k] == said[k] for k in said)]
            expected = sorted(fitting, key=lambda event: event["value_usd"], reverse=True)[:limit]
            found = queries.largest(store, span, symbol=symbol, limit=limit, **said)
            assert found["event_id"].to_list() == [event["event_id"] for event in expected]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_days_and_minutes(store: Store, events: list[Row], symbol: str | None) -> None:
    expected = by(chosen(events, symbol), lambda event: event["time"].date(), "exchange", "side")
    found = queries.daily(store, BOTH, symbol=symbol)
    assert rows(found, "day", "exchange", "side", "event_count", "total_value_usd") == [
        (*key, len(group), usd(group)) for key, group in expected.items()
    ]
    minutes = by(chosen(events, symbol), lambda event: event["time"].replace(second=0, microsecond=0), "side")
    assert queries.minutes(store, BOTH, symbol=symbol).rows() == [
        (*key, len(group), usd(group)) for key, group in minutes.items()
    ]


def test_minutes_of_more_than_two_days_are_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="hourly"):
        queries.minutes(store, Span.days(DAY, DAY + timedelta(2)))


def test_symbols_by_usd(store: Store, events: list[Row]) -> None:
    expected = sorted(by(events, "symbol").items(), key=lambda item: usd(item[1]), reverse=True)
    names = ("symbol", "event_count", "total_value_usd", "long_count", "significant_count")
    assert rows(queries.symbols(store, BOTH), *names) == [
        (
            *(*key, len(group), usd(group), sum(event["side"] == "LONG" for event in group)),
            sum(event["is_significant"] for event in group),
        )
        for key, group in expected
    ]
    assert len(queries.symbols(store, BOTH, limit=1)) == 1


def test_price_levels_of_the_past_most_events_first(store: Store, events: list[Row]) -> None:
    groups = by(chosen(events, STRANGE), "price_level", "side")
    found = queries.price_levels_history(store, BOTH, symbol=STRANGE)
    assert {(row["price_level"], row["side"]): row["total_value_usd"] for row in found.to_dicts()} == {
        (float(level), side): usd(group) for (level, side), group in groups.items()
    }
    assert found["event_count"].to_list() == sorted((len(group) for group in groups.values()), reverse=True)
    assert {(row["price_level"], row["side"]): row["exchanges_involved"] for row in found.to_dicts()} == {
        (float(level), side): sorted({event["exchange"] for event in group}) for (level, side), group in groups.items()
    }


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_exchanges_over_the_span_have_shares_and_labels(store: Store, events: list[Row], symbol: str | None) -> None:
    found = queries.comparison_totals(store, BOTH, symbol=symbol)
    groups = by(chosen(events, symbol), "exchange")
    assert {row["exchange"]: (row["event_count"], row["total_value_usd"]) for row in found.to_dicts()} == {
        exchange: (len(group), usd(group)) for (exchange,), group in groups.items()
    }
    assert found["share"].sum() == pytest.approx(1)
    assert found["long_value_usd"].sum() + found["short_value_usd"].sum() == usd(chosen(events, symbol))
    assert found["total_value_usd"].to_list() == sorted(found["total_value_usd"], reverse=True)
    assert sorted(rows(found, "exchange", "coverage", "complete")) == [("binance", 0.5, False), ("okx", 1.0, True)]


def test_a_comparison_is_labelled_with_what_was_seen(store: Store, events: list[Row]) -> None:
    found = queries.comparison(store, BOTH)
    assert found["event_count"].sum() == len(events)
    assert found["total_value_usd"].sum() == usd(events)
    assert found["period"].to_list() == sorted(found["period"], reverse=True)
    labels = found.filter(pl.col("period") < Span.day(DAY).end).select("exchange", "coverage", "complete").unique()
    assert sorted(labels.rows()) == [("binance", 0.5, False), ("okx", 1.0, True)]
    of_next = queries.comparison(store, Span.day(NEXT), symbol=STRANGE, exchange="okx", limit=2)
    assert of_next["coverage"].to_list() == [None, None]


def test_coverage_and_gaps_that_touch_the_span(store: Store) -> None:
    noon = Span(BOTH.start + timedelta(hours=2), BOTH.start + timedelta(hours=3))
    assert rows(queries.coverage(store, noon), "exchange", "coverage") == [("binance", 0.5), ("okx", 1.0)]
    assert rows(queries.gaps(store, noon), "exchange", "reason", "seconds") == [("binance", "down", 5400.0)]
    assert queries.gaps(store, BOTH)["reason"].to_list() == ["silent", "down"]
    assert queries.gaps(store, Span.day(NEXT)).is_empty()
