"""Which days there are, and why an answer is empty."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from liq_pipeline import queries
from liq_pipeline.queries import Span, Store
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.queries.market import BOTH, NEXT
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry
from liq_pipeline_tests.warehouse.test_days import land


def test_days_tell_what_landed_and_what_was_made(store: Store) -> None:
    found = queries.days(store, Span.days(DAY - timedelta(3), NEXT + timedelta(3)))
    assert found.select("day", "landed", "materialized", "stale").rows() == [
        (DAY, True, True, None),
        (NEXT, True, True, None),
    ]
    assert found["event_count"].sum() == queries.daily(store, BOTH)["event_count"].sum()
    assert queries.newest_day(store) == NEXT


def test_a_day_that_only_landed_says_so(database_url: str) -> None:
    migrate(database_url, plain=True)
    land(database_url, [entry(1)])
    with queries.connect(KEEP, database_url=database_url) as store:
        assert queries.newest_day(store) is None
        ((_, landed, made, stale),) = queries.days(store, BOTH).select("day", "landed", "materialized", "stale").rows()
        assert (landed, made, stale) == (True, False, "never materialized")
        said = queries.why_empty(store, Span(datetime.fromtimestamp(NOON / 1000, UTC), BOTH.end))
        assert "`liq materialize --from 2025-12-10 --to 2025-12-10` now" in said


@pytest.mark.parametrize(
    ("span", "filters", "said"),
    [
        (
            BOTH,
            {"symbol": "NONEUSDT", "exchange": "okx"},
            "Nothing of NONEUSDT of okx was liquidated: 124 ",
        ),
        (BOTH, {"symbol": "btcusdt"}, "Is BTCUSDT meant?"),
        # What is asked for may be cascades, of a symbol that had none.
        (BOTH, {"symbol": "SOLUSDT"}, " liquidations of SOLUSDT are known of 2025-12-10 to "),
        (
            Span(BOTH.start, BOTH.start + timedelta(seconds=1)),
            {},
            " liquidations are known of 2025-12-10 UTC in all",
        ),
        (Span.day(date(2025, 12, 1)), {}, "Nothing has landed of 2025-12-01 UTC"),
        (Span.day(date(2999, 12, 1)), {}, "2999-12-01 UTC has not come yet. The newest day with liquidations in the"),
    ],
)
def test_an_empty_answer_has_a_reason(store: Store, span: Span, filters: dict[str, str], said: str) -> None:
    assert said in queries.why_empty(store, span, **filters)


def test_what_is_beyond_retention_is_said_with_the_settings(made_url: str) -> None:
    with queries.connect(Settings(), database_url=made_url) as store:
        said = queries.why_empty(store, Span.day(date(2020, 1, 1)))
    assert "is beyond retention" in said
    assert "LIQ_ROLLUP_RETENTION_DAYS" in said


def test_a_database_without_tables_is_said_to_be_one(database_url: str) -> None:
    with queries.connect(KEEP, database_url=database_url) as store:
        assert "liq up" in queries.why_empty(store, BOTH)
        assert queries.days(store, BOTH).is_empty()
        assert queries.newest_day(store) is None
