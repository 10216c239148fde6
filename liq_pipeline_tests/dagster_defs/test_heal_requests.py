"""When gaps are asked about, apart from sensors and servers."""

from __future__ import annotations

from itertools import pairwise

from liq_pipeline.dagster_defs.heal_requests import LONGEST_MS, SPACING_MS, Asked, heal_due
from liq_pipeline.healing.gaps import Gap

NOW = 1_794_700_000_000
ONE, TWO = Gap("okx", NOW - 100_000, NOW - 90_000), Gap("okx", NOW - 50_000, NOW - 40_000)


def test_a_gap_is_asked_about_at_once_and_then_at_growing_distances_up_to_six_hours() -> None:
    asked, times = Asked(), list[int]()
    for now in range(NOW, NOW + 24 * 3_600_000, 30_000):
        key, asked = heal_due([ONE], asked, now)
        if key is not None:
            times.append(now)
    assert times[0] == NOW
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [SPACING_MS * 2**n for n in range(7)] + [LONGEST_MS] * 2


def test_a_new_gap_is_asked_about_early_but_not_sooner_than_five_minutes_after_the_last_run() -> None:
    first, asked = heal_due([ONE], Asked(), NOW)
    assert first is not None
    assert heal_due([ONE, TWO], asked, NOW + SPACING_MS - 1)[0] is None
    later, _ = heal_due([ONE, TWO], asked, NOW + SPACING_MS)
    assert later not in (None, first)


def test_the_same_look_asks_for_the_same_run() -> None:
    assert heal_due([ONE], Asked(), NOW)[0] == heal_due([ONE], Asked(), NOW + 1000)[0]


def test_filled_gaps_are_forgotten() -> None:
    _, asked = heal_due([ONE, TWO], Asked(), NOW)
    key, asked = heal_due([TWO], asked, NOW + 1000)
    assert key is None
    assert list(asked.gaps) == [f"okx|{TWO.start}"]
    assert heal_due([], asked, NOW + LONGEST_MS) == (None, Asked({}, asked.last_ms))


def test_a_gap_that_grows_is_the_same_gap() -> None:
    _, asked = heal_due([ONE], Asked(), NOW)
    assert heal_due([ONE._replace(end=NOW)], asked, NOW + 1000)[0] is None
