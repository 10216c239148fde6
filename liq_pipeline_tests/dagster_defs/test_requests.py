"""The rules for asking for runs, apart from sensors and servers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from liq_pipeline.archive.layout import Place
from liq_pipeline.archive.scan import Found
from liq_pipeline.collector.shifts import LEAD_MS
from liq_pipeline.dagster_defs.requests import (
    DAYS_A_TICK,
    archive_requests,
    shift_requests,
    stale_requests,
    young_day,
)
from liq_pipeline.liquidation import Market
from liq_pipeline.warehouse.day_state import DayState, StaleDay
from liq_pipeline.warehouse.reads import BehindRollup

TODAY = date(2026, 11, 22)
MIDNIGHT = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)
SHIFT_MS = 3_600_000
MID_SHIFT = 1000 * SHIFT_MS + SHIFT_MS // 2


def _stale(*days: date) -> list[StaleDay]:
    return [StaleDay(day, "rows landed since it was materialized") for day in days]


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(MIDNIGHT / 1000 + seconds, UTC)


def test_a_held_lease_in_mid_shift_needs_no_collector() -> None:
    assert shift_requests("collector", MID_SHIFT, SHIFT_MS, lease_held=True, starting=False) == []


def test_a_lost_lease_is_rescued_once_and_not_again_while_the_rescue_starts() -> None:
    (rescue,) = shift_requests("collector", MID_SHIFT, SHIFT_MS, lease_held=False, starting=False)
    assert "rescue" in rescue.run_key
    assert shift_requests("collector", MID_SHIFT + 16_000, SHIFT_MS, lease_held=False, starting=True) == []


def test_the_next_shift_is_asked_for_before_the_boundary_even_while_a_collector_starts() -> None:
    (planned,) = shift_requests("collector", 1001 * SHIFT_MS - LEAD_MS // 2, SHIFT_MS, lease_held=False, starting=True)
    assert planned.run_key == "collector:3600:1001:planned"


def test_each_staleness_is_asked_for_once_and_a_new_one_again() -> None:
    day = TODAY - timedelta(days=3)
    first, asked = stale_requests([DayState(day, 2, 1)], _stale(day), [], {}, (), _at(0))
    again, asked = stale_requests([DayState(day, 2, 1)], _stale(day), [], asked, (), _at(0))
    later, _ = stale_requests([DayState(day, 3, 2, materialization=1)], _stale(day), [], asked, (), _at(0))
    assert len(first) == 1
    assert again == []
    assert len(later) == 1
    assert later[0].run_key != first[0].run_key


def test_a_day_whose_run_was_killed_is_asked_for_again_some_hours_later() -> None:
    day = TODAY - timedelta(days=3)
    first, asked = stale_requests([DayState(day, 2, 1)], _stale(day), [], {}, (), _at(0))
    soon, asked = stale_requests([DayState(day, 2, 1)], _stale(day), [], asked, (), _at(3600))
    later, asked = stale_requests([DayState(day, 2, 1)], _stale(day), [], asked, (), _at(6 * 3600))
    assert soon == []
    assert [request.day for request in later] == [day]
    assert later[0].run_key != first[0].run_key


def test_days_that_stay_stale_do_not_stand_in_the_way_of_others() -> None:
    days = [TODAY - timedelta(days=offset) for offset in range(20, 0, -1)]
    states = [DayState(day, 1) for day in days]
    asked: dict[str, str] = {}
    requested = []
    for _ in range(4):
        due, asked = stale_requests(states, _stale(*days), [], asked, (), _at(0))
        assert len(due) == DAYS_A_TICK
        requested += [request.day for request in due]
    assert requested == days


def test_a_day_that_is_no_longer_stale_is_forgotten() -> None:
    day = TODAY - timedelta(days=1)
    _, asked = stale_requests([DayState(day, 1)], _stale(day), [], {}, (), _at(0))
    assert stale_requests([DayState(day, 1, 1)], [], [], asked, (), _at(0)) == ([], {})


def test_today_is_left_to_its_schedule() -> None:
    assert stale_requests([DayState(TODAY, 1)], _stale(TODAY), [], {}, (), _at(0)) == ([], {})


def test_a_rollup_that_missed_its_day_is_made_again() -> None:
    day = TODAY - timedelta(days=1)
    (request,), _ = stale_requests(
        [DayState(day, 1, 1)], [], [BehindRollup("liquidations_hourly", day)], {}, (), _at(0)
    )
    assert request.day == day
    assert "liquidations_hourly" in request.reason


def _file(day: date, size: int = 1, name: str = "a") -> Found:
    return Found(f"{name}/{day}.csv", Place(day, "forceorder_csv", "binance", (Market.LINEAR,)), size, 10**18)


def test_days_with_waiting_files_are_asked_for_once_a_few_at_a_time_and_again_when_a_file_changes() -> None:
    days = [TODAY - timedelta(days=offset) for offset in range(DAYS_A_TICK, -1, -1)]
    files = [_file(day, name=name) for day in days for name in ("a", "b")]
    first, asked = archive_requests(files, {}, (), _at(0))
    second, asked = archive_requests(files, asked, (), _at(30))
    third, asked = archive_requests(files, asked, (), _at(60))
    assert [request.day for request in first] == days[:-1]
    assert [request.day for request in second] == days[-1:] == [TODAY]
    assert third == []
    assert "2 files" in first[0].reason
    (changed,), _ = archive_requests([*files[1:], _file(days[0], size=2)], asked, (), _at(90))
    assert changed.day == days[0]
    assert changed.run_key not in {request.run_key for request in first}


def test_a_day_with_a_run_under_way_is_not_asked_for_and_does_not_stand_in_the_way() -> None:
    days = [TODAY - timedelta(days=offset) for offset in range(DAYS_A_TICK + 1, 0, -1)]
    files = [_file(day) for day in days]
    due, asked = archive_requests(files, {}, days[:1], _at(0))
    assert [request.day for request in due] == days[1:]
    later, asked = archive_requests(files, asked, days, _at(30))
    assert later == []
    (last,), _ = archive_requests(files, asked, (), _at(60))
    assert last.day == days[0]
    states = [DayState(day, 2, 1) for day in days]
    due, _ = stale_requests(states, _stale(*days), [], {}, days[:-1], _at(0))
    assert [request.day for request in due] == days[-1:]


def test_a_day_whose_files_were_not_imported_is_asked_for_again_some_hours_later() -> None:
    files = [_file(TODAY)]
    _, asked = archive_requests(files, {}, (), _at(0))
    (again,), _ = archive_requests(files, asked, (), _at(6 * 3600))
    assert again.day == TODAY
    assert archive_requests([], asked, (), _at(30)) == ([], {})


def test_today_is_made_as_soon_as_it_has_an_event() -> None:
    now = MIDNIGHT + 60_000
    assert young_day(now, None, None) is None
    assert young_day(now, (now - 1000, now - 500), None) is not None


def test_yesterdays_events_do_not_make_today() -> None:
    assert young_day(MIDNIGHT + 60_000, (MIDNIGHT - 9000, MIDNIGHT - 1), None) is None


def test_today_is_made_again_at_doubling_distances_and_never_twice_for_one_state() -> None:
    landed_first, made_at, keys = MIDNIGHT + 10_000, list[int](), set[str]()
    state: DayState | None = None
    for second in range(10, 3600, 5):
        now = MIDNIGHT + second * 1000
        if request := young_day(now, (landed_first, now), state):
            assert request.run_key not in keys
            keys.add(request.run_key)
            made_at.append(second)
            state = DayState(TODAY, 1, 1, materialization=len(made_at), materialized_at=_at(second))
    assert made_at[:4] == [10, 20, 30, 50]
    assert len(made_at) < 12


def test_today_is_not_made_again_while_nothing_new_landed() -> None:
    state = DayState(TODAY, 1, 1, materialization=1, materialized_at=_at(100))
    assert young_day(MIDNIGHT + 3_000_000, (MIDNIGHT + 50_000, MIDNIGHT + 99_000), state) is None
