"""Who is asked to collect when."""

from __future__ import annotations

import pytest

from liq_pipeline.collector.shifts import LEAD_MS, OVERLAP_MS, SHIFT_MS, boundary, planned, requests, rescue, shift_at

NOON = 1_791_547_200_000


def test_a_shift_is_an_hour_of_the_wall_clock() -> None:
    shift = shift_at(NOON)
    assert boundary(shift) == NOON + SHIFT_MS
    assert shift_at(NOON + SHIFT_MS - 1) == shift
    assert shift_at(NOON + SHIFT_MS) == shift + 1


def test_nothing_is_asked_for_in_the_middle_of_a_shift_somebody_works() -> None:
    assert requests("collector", NOON + 1_800_000, lease_held=True) == []


def test_the_next_shift_is_asked_for_once_ahead_of_the_boundary() -> None:
    asked = [requests("collector", now, lease_held=True) for now in range(NOON, NOON + SHIFT_MS, 5_000)]
    keys = {request.run_key for due in asked for request in due}
    assert keys == {f"collector:{shift_at(NOON) + 1}:planned"}
    assert requests("collector", NOON + SHIFT_MS - LEAD_MS, lease_held=True) == [
        planned("collector", shift_at(NOON) + 1)
    ]


def test_a_planned_shift_begins_before_the_one_it_relieves_ends_and_stays_past_its_own_end() -> None:
    shift = shift_at(NOON)
    assert planned("collector", shift).until_ms == boundary(shift) + OVERLAP_MS
    assert boundary(shift) - LEAD_MS < planned("collector", shift).until_ms


@pytest.mark.parametrize(("seconds", "slot"), [(0, 0), (14, 0), (15, 1), (3_599, 239)])
def test_a_missing_lease_asks_for_the_rest_of_the_shift_once_per_slot(seconds: int, slot: int) -> None:
    asked = requests("collector", NOON + seconds * 1000, lease_held=False)[0]
    assert asked.run_key == f"collector:{shift_at(NOON)}:rescue-{slot}"
    assert asked == rescue("collector", NOON + seconds * 1000)
    assert asked.until_ms == NOON + SHIFT_MS + OVERLAP_MS


def test_a_missing_lease_near_the_boundary_asks_for_both() -> None:
    keys = [request.run_key for request in requests("collector", NOON + SHIFT_MS - 1_000, lease_held=False)]
    assert keys == [f"collector:{shift_at(NOON)}:rescue-239", f"collector:{shift_at(NOON) + 1}:planned"]


def test_shifts_of_different_processes_have_different_keys() -> None:
    collector, live = (requests(kind, NOON + SHIFT_MS - 1_000, lease_held=False) for kind in ("collector", "live"))
    assert [request.until_ms for request in collector] == [request.until_ms for request in live]
    assert {request.run_key for request in live} == {
        f"live:{shift_at(NOON)}:rescue-239",
        f"live:{shift_at(NOON) + 1}:planned",
    }
