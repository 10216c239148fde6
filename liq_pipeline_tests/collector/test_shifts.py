"""Who is asked to collect when."""

from __future__ import annotations

import pytest

from liq_pipeline.collector import shifts
from liq_pipeline.collector.shifts import LEAD_MS, OVERLAP_MS, ShiftRequest

NOON = 1_791_547_200_000
HOUR = 3_600_000
SHIFT = shifts.shift_at(NOON, HOUR)


def requests(now_ms: int, *, lease_held: bool, kind: str = "collector") -> list[ShiftRequest]:
    return shifts.requests(kind, now_ms, HOUR, lease_held=lease_held)


def test_a_shift_is_an_hour_of_the_wall_clock() -> None:
    assert shifts.boundary(SHIFT, HOUR) == NOON + HOUR
    assert shifts.shift_at(NOON + HOUR - 1, HOUR) == SHIFT
    assert shifts.shift_at(NOON + HOUR, HOUR) == SHIFT + 1


def test_nothing_is_asked_for_in_the_middle_of_a_shift_somebody_works() -> None:
    assert requests(NOON + 1_800_000, lease_held=True) == []


def test_the_next_shift_is_asked_for_once_ahead_of_the_boundary() -> None:
    asked = [requests(now, lease_held=True) for now in range(NOON, NOON + HOUR, 5_000)]
    keys = {request.run_key for due in asked for request in due}
    assert keys == {f"collector:3600:{SHIFT + 1}:planned"}
    assert requests(NOON + HOUR - LEAD_MS, lease_held=True) == [shifts.planned("collector", SHIFT + 1, HOUR)]


def test_a_planned_shift_begins_before_the_one_it_relieves_ends_and_stays_past_its_own_end() -> None:
    until = shifts.planned("collector", SHIFT, HOUR).until_ms
    assert until == shifts.boundary(SHIFT, HOUR) + OVERLAP_MS
    assert shifts.boundary(SHIFT, HOUR) - LEAD_MS < until


@pytest.mark.parametrize(("seconds", "slot"), [(0, 0), (14, 0), (15, 1), (3_599, 239)])
def test_a_missing_lease_asks_for_the_rest_of_the_shift_once_per_slot(seconds: int, slot: int) -> None:
    asked = requests(NOON + seconds * 1000, lease_held=False)[0]
    assert asked.run_key == f"collector:3600:{SHIFT}:rescue-{slot}"
    assert asked == shifts.rescue("collector", NOON + seconds * 1000, HOUR)
    assert asked.until_ms == NOON + HOUR + OVERLAP_MS


def test_a_missing_lease_near_the_boundary_asks_for_both() -> None:
    keys = [request.run_key for request in requests(NOON + HOUR - 1_000, lease_held=False)]
    assert keys == [f"collector:3600:{SHIFT}:rescue-239", f"collector:3600:{SHIFT + 1}:planned"]


def test_shifts_of_different_processes_have_different_keys() -> None:
    collector, live = (requests(NOON + HOUR - 1_000, lease_held=False, kind=kind) for kind in ("collector", "live"))
    assert [request.until_ms for request in collector] == [request.until_ms for request in live]
    assert {request.run_key for request in live} == {
        f"live:3600:{SHIFT}:rescue-239",
        f"live:3600:{SHIFT + 1}:planned",
    }


def test_the_shortest_shifts_allowed_follow_each_other_without_a_hole_and_have_keys_of_their_own() -> None:
    short = 120_000
    asked = [shifts.requests("collector", now, short, lease_held=True) for now in range(NOON, NOON + 600_000, 5_000)]
    untils = sorted({request.until_ms for due in asked for request in due})
    assert untils == [NOON + number * short + OVERLAP_MS for number in range(2, 7)]
    assert shifts.planned("collector", SHIFT, short).run_key != shifts.planned("collector", SHIFT, HOUR).run_key
