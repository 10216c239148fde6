"""The parts of a report that are functions of a few numbers: scales, shapes, and a cascade told in sentences."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from liq_pipeline.report import cascades, shapes

START = datetime(2025, 12, 10, 12, 0, 5, tzinfo=UTC)
CASCADE: dict[str, Any] = {
    "cascade_start": START,
    "cascade_end": datetime(2025, 12, 10, 12, 1, 30, tzinfo=UTC),
    "duration_seconds": 85.0,
    "long_count": 9,
    "short_count": 1,
    "total_value_usd": Decimal(1_000_000),
    "max_event_usd": Decimal(300_000),
    "price_start": 91000.0,
    "price_end": 90090.0,
}


def _members(rows: list[tuple[int, str, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "minute": [START.replace(minute=minute, second=0) for minute, *_ in rows],
            "exchange": [row[1] for row in rows],
            "event_count": [row[2] for row in rows],
            "total_value_usd": [Decimal(row[3]) for row in rows],
        }
    )


def test_a_cascade_is_told_from_its_start_to_the_move_of_the_price() -> None:
    members = _members([(0, "bybit", 4, 300_000), (1, "bybit", 3, 400_000), (1, "okx", 3, 300_000)])
    assert cascades.told(CASCADE, members).replace("\u00a0", " ") == (
        "From 12:00:05 to 12:01:30 UTC, in 1 min 25 s, mostly LONG (9 LONG and 1 SHORT positions) worth $1M were "
        "closed, the largest of $300k. It peaked at 12:01 with 6 for $700k. By USD: bybit 70 % (7), okx 30 % (3). "
        "The price went from 91,000 to 90,090 (−1.00 %)."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"short_count": 0}, "9 LONG positions worth"),
        ({"long_count": 5, "short_count": 5}, ", 5 LONG and 5 SHORT positions worth"),
        ({"price_end": 91000.0}, "The first and the last price were 91,000."),
        ({"cascade_end": datetime(2025, 12, 11, 0, 1, tzinfo=UTC)}, "to 2025-12-11 00:01:00 UTC"),
    ],
)
def test_a_story_says_what_was_special(changes: dict[str, Any], said: str) -> None:
    assert said in cascades.told(CASCADE | changes, _members([(0, "okx", 10, 1_000_000)])).replace("\u00a0", " ")


def test_one_venue_had_all_of_it() -> None:
    assert "All of it on okx." in cascades.told(CASCADE, _members([(0, "okx", 10, 1_000_000)]))


@pytest.mark.parametrize(
    ("top", "end"), [(0, 1), (1, 1), (1.01, 1.5), (223, 250), (99_999, 100_000), (4.2e12, 5e12), (0.0003, 0.0003)]
)
def test_a_scale_ends_at_the_next_round_number(top: float, end: float) -> None:
    assert shapes.nice(top) == pytest.approx(end)


def test_bars_stand_on_the_line_or_hang_from_it_and_the_least_can_be_seen() -> None:
    assert shapes.bars([0, 50, 0.0001], 100) == "M1 0V-50h1V0zM2 0V-0.8h1V0z"
    assert shapes.bars([100], 100, down=True) == "M0 0V100h1V0z"


def test_a_line_holds_each_value_for_one_unit() -> None:
    assert shapes.steps([1, 3], 4) == "M0 0V-25h1V-75h1"
