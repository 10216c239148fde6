"""``liq materialize``: its refusals, and a range of days recorded in Dagster."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import click
import pytest

from liq_pipeline.cli.materialize import _days
from liq_pipeline.settings import Settings

TODAY = datetime.now(UTC).date()


def test_a_range_holds_both_ends() -> None:
    assert _days(date(2026, 1, 30), date(2026, 2, 1), Settings()) == [
        date(2026, 1, 30),
        date(2026, 1, 31),
        date(2026, 2, 1),
    ]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (TODAY, TODAY - timedelta(days=1), "is after --to"),
        (date(2020, 1, 1), TODAY, "LIQ_START_DATE=2020-01-01"),
        (TODAY, TODAY + timedelta(days=2), "has not begun"),
    ],
)
def test_a_range_that_cannot_be_is_refused_with_the_fix(first: date, last: date, text: str) -> None:
    with pytest.raises(click.UsageError, match=text):
        _days(first, last, Settings())
