"""When something that never ends counts as down: rules over shifts that failed and leases nobody holds."""

from __future__ import annotations

import pytest

from liq_pipeline.dagster_defs import upkeep
from liq_pipeline.dagster_defs.event_log import RunEnded

MISSING = "nobody holds the lease of binance"


class _Watch:
    """One look after another, ten seconds apart."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.seen: upkeep.Seen | None = None

    def look(self, missing: str | None = None, failed: int = 0, after: float = 10) -> upkeep.Judgement:
        self.now += after
        shifts = [
            RunEnded(self.now - 1, f"run-{n}", "collector_job", "", "failure", f"reason {n}") for n in range(failed)
        ]
        self.seen, judgement = upkeep.look(self.seen, shifts, missing, self.now, 120)
        return judgement


@pytest.fixture
def watch() -> _Watch:
    return _Watch()


def test_a_failed_shift_that_was_replaced_is_no_news(watch: _Watch) -> None:
    assert watch.look().well
    assert watch.look(MISSING, failed=1).well is None
    assert watch.look().well


def test_nobody_holding_the_lease_for_a_while_is(watch: _Watch) -> None:
    wells = [watch.look(MISSING, failed=int(n == 0)).well for n in range(13)]
    assert wells == [None] * 12 + [False]
    judgement = watch.look(MISSING)
    assert judgement.text == f"{MISSING} for 130 s; the last failed run: reason 0"
    assert watch.look().well


def test_shifts_that_keep_failing_are_even_if_each_is_replaced(watch: _Watch) -> None:
    assert [watch.look(failed=1).well for _ in range(3)] == [True, True, False]
    assert watch.seen is not None and watch.seen["last_run"] == "run-0"
    looks = [watch.look(after=30).well for _ in range(20)]
    assert looks[0] is False and looks[-1] is True
    assert "failed within 10 minutes" in _Watch().look(failed=3).text


def test_time_in_which_nobody_looked_does_not_count(watch: _Watch) -> None:
    for _ in range(5):
        watch.look(MISSING)
    assert watch.look(MISSING, after=8 * 3600).well is None
    assert [watch.look(MISSING).well for _ in range(12)] == [None] * 11 + [False]
