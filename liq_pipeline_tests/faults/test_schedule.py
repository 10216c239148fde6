from liq_pipeline_tests.faults.market import BASE_MS, frames
from liq_pipeline_tests.faults.schedule import Schedule

KINDS = ("cut", "kill", "stop")


def test_a_seed_has_one_schedule_and_seeds_have_many() -> None:
    drawn = [Schedule.of(seed, KINDS) for seed in range(50)]
    assert drawn == [Schedule.of(seed, list(reversed(KINDS))) for seed in range(50)]
    assert len({schedule.steps for schedule in drawn}) == 50
    assert {kind for schedule in drawn for step in schedule.steps for kind in step.kinds} == set(KINDS)
    assert {len(step.kinds) for schedule in drawn for step in schedule.steps} == {1, 2}


def test_the_same_seed_plays_the_same_market_at_any_hour() -> None:
    now, later = frames(3, BASE_MS, throttle=False), frames(3, BASE_MS + 86_400_000 + 400, throttle=False)
    for first, second in zip((next(now) for _ in range(200)), (next(later) for _ in range(200)), strict=True):
        assert second.received_at - first.received_at == 86_400_000
        assert [row.price for row in first.rows] == [row.price for row in second.rows]
