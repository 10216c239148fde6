"""What the materializations of coverage show."""

from __future__ import annotations

from liq_pipeline.dagster_defs.assets.coverage import gaps_table
from liq_pipeline.warehouse.coverage_rules import Gap
from liq_pipeline_tests.warehouse.making import NOON

MINUTE = 60_000


def test_of_many_gaps_those_that_missed_something_are_shown_however_short() -> None:
    slow = [("okx", Gap(NOON + n * MINUTE, NOON + (n + 1) * MINUTE - 1, "throttled")) for n in range(60)]
    down = ("okx", Gap(NOON + 70 * MINUTE, NOON + 70 * MINUTE + 1_500, "down", NOON + 3_600_000))
    text = str(gaps_table([*slow, down]).value)
    assert "| okx | 13:10:00 | 13:10:01 | 1.5 | down | 2025-12-10 13:00 |" in text
    assert text.count("throttled |") == 49 and "11 more are in the table" in text


def test_a_day_without_gaps_says_so() -> None:
    assert gaps_table([]).value == "No gaps."
