import math

from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.replay.pace import Pace


def test_the_recording_moves_as_fast_as_it_is_told() -> None:
    pace = Pace(100, 5_000, clock=10)
    assert pace.reached(10) == 5_000
    assert pace.reached(12) == 205_000
    assert pace.wait(305_000, clock=12) == 1


def test_at_speed_0_nothing_waits() -> None:
    pace = Pace(0, 5_000, clock=10)
    assert math.isinf(pace.reached(10))
    assert pace.wait(10**12, clock=10) == 0


def test_a_pause_between_two_lines_goes_on_between_them() -> None:
    pace = Pace(1, 0, clock=0)
    pace.hold(3, next_time=10_000)
    assert pace.reached(50) == 3_000
    assert math.isinf(pace.wait(10_000, clock=50))
    pace.go(100)
    assert pace.reached(102) == 5_000
    assert pace.wait(10_000, clock=102) == 5


def test_a_pause_where_nothing_waits_is_before_the_next_line() -> None:
    pace = Pace(0, 0, clock=0)
    pace.hold(3, next_time=10_000)
    assert pace.reached(50) == 10_000
    pace.change(1, 60, next_time=10_000)
    assert pace.paused
    pace.go(70)
    assert pace.reached(71) == 11_000


def test_resuming_what_moves_changes_nothing() -> None:
    pace = Pace(2, 0, clock=0)
    pace.go(5)
    assert pace.reached(6) == 12_000


@given(st.lists(st.tuples(st.floats(0.001, 1000), st.floats(0, 100))))
def test_a_change_of_speed_never_jumps(changes: list[tuple[float, float]]) -> None:
    pace, clock = Pace(1, 0, clock=0), 0.0
    for speed, seconds in changes:
        clock += seconds
        before = pace.reached(clock)
        pace.change(speed, clock, next_time=math.inf)
        assert pace.reached(clock) == before
