"""What was seen of a day, compared with a look at every millisecond; silence and throttles told from chance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.spans import union
from liq_pipeline.warehouse import coverage_rules as rules
from liq_pipeline.warehouse.coverage_rules import Gap, Heal, Share, Times

START, END = 100, 160
MINUTE = 60_000
_SPAN = st.tuples(st.integers(80, 180), st.integers(1, 25)).map(lambda pair: (pair[0], pair[0] + pair[1]))
_SPANS = st.lists(_SPAN, max_size=6).map(union)
_HEALS = st.lists(st.tuples(_SPAN, st.integers(200, 205)).map(lambda pair: Heal(*pair[0], pair[1])), max_size=4)


def within(ms: int, spans: list[tuple[int, int]]) -> bool:
    return any(start <= ms < end for start, end in spans)


@given(_SPANS, _SPANS, _SPANS, _SPANS, _SPANS, _HEALS)
def test_every_millisecond_is_seen_or_in_a_gap_with_its_reason(
    covered: list[tuple[int, int]],
    overloaded: list[tuple[int, int]],
    silent: list[tuple[int, int]],
    quiet: list[tuple[int, int]],
    throttled: list[tuple[int, int]],
    heals: list[Heal],
) -> None:
    def reason(ms: int) -> str | None:
        if within(ms, covered):
            return "silent" if within(ms, quiet) else None
        return "overloaded" if within(ms, overloaded) else "silent" if within(ms, silent) else "down"

    found = rules.seen(
        START, END, covered,
        notes={"overloaded": overloaded, "silent": silent}, quiet=quiet, heals=heals, throttled=throttled,
    )  # fmt: skip

    naive = {ms: reason(ms) for ms in range(START, END)}
    missing = {ms for ms, why in naive.items() if why is not None}
    assert found.elapsed == END - START
    assert found.covered == END - START - len(missing)
    assert found.healed == sum(any(heal.start <= ms < heal.end for heal in heals) for ms in missing)
    for why in ("down", "silent", "overloaded"):
        of_it = [(gap.start, gap.end) for gap in found.gaps if gap.reason == why]
        assert {ms for ms in naive if within(ms, of_it)} == {ms for ms in naive if naive[ms] == why}
        assert found.by_reason[why] == sum(naive[ms] == why for ms in naive)
        assert of_it == union(of_it)
    slow = [(gap.start, gap.end) for gap in found.gaps if gap.reason == "throttled"]
    assert {ms for ms in naive if within(ms, slow)} == {
        ms for ms in naive if ms not in missing and within(ms, throttled)
    }
    for gap in found.reducing:
        cured = [
            min((heal.at for heal in heals if heal.start <= ms < heal.end), default=None)
            for ms in range(gap.start, gap.end)
        ]
        assert gap.healed_at == (None if None in cured else max(at for at in cured if at is not None))
    assert found.longest == max((gap.end - gap.start for gap in found.reducing), default=0)


def test_a_day_of_which_nothing_has_elapsed_has_no_gaps() -> None:
    found = rules.seen(START, START, [], notes={})
    assert (found.elapsed, found.covered, found.gaps) == (0, 0, ())


def test_a_gap_is_as_long_as_nobody_proved_anything() -> None:
    found = rules.seen(0, 100_000, [(0, 40_000), (43_000, 100_000)], notes={})
    assert found.gaps == (Gap(40_000, 43_000, "down"),)


def every(milliseconds: int, start: int, end: int) -> Times:
    return np.arange(start, end, milliseconds, dtype=np.int64)


def joined(*parts: Times) -> Times:
    return np.concatenate(parts)


DAY = [(0, 600 * MINUTE)]


def find(own: Times, others: Times, *history: Share, covered: list[tuple[int, int]] = DAY) -> list[tuple[int, int]]:
    return rules.quiet(own, others, covered, history, longer_than=5 * MINUTE, expected=50)


def test_a_venue_without_an_event_while_others_had_hundreds_was_silent() -> None:
    own = joined(every(10_000, 0, 100 * MINUTE), every(10_000, 200 * MINUTE, 600 * MINUTE))
    (span,) = find(own, every(5_000, 0, 600 * MINUTE))
    assert span == (100 * MINUTE - 10_000, 200 * MINUTE)


def test_a_venue_silent_all_day_is_known_by_its_history() -> None:
    nothing = every(1, 0, 0)
    assert find(nothing, every(60_000, 0, 600 * MINUTE), Share(1_000, 2_000), Share(900, 1_500)) == DAY
    assert find(nothing, every(60_000, 0, 600 * MINUTE)) == []


def test_silence_is_added_up_over_reconnections() -> None:
    covered = [(hour * 60 * MINUTE, (hour + 1) * 60 * MINUTE - 3_000) for hour in range(10)]
    assert find(every(1, 0, 0), every(10 * MINUTE, 0, 600 * MINUTE), Share(500, 500), covered=covered) == covered


def test_a_quiet_market_is_not_a_silent_venue() -> None:
    own = joined(every(10_000, 0, 100 * MINUTE), every(10_000, 200 * MINUTE, 600 * MINUTE))
    slow = every(5 * MINUTE, 100 * MINUTE, 200 * MINUTE)
    others = joined(every(5_000, 0, 100 * MINUTE), slow, every(5_000, 200 * MINUTE, 600 * MINUTE))
    assert find(own, others) == []


def test_a_venue_that_is_small_on_some_days_is_not_expected_to_be_large() -> None:
    own = joined(every(10_000, 0, 100 * MINUTE), every(10_000, 110 * MINUTE, 600 * MINUTE))
    others = every(1_000, 0, 600 * MINUTE)
    assert find(own, others) == [(100 * MINUTE - 10_000, 110 * MINUTE)]
    assert find(own, others, Share(150, 5_000)) == []


def test_silence_while_nothing_was_connected_is_a_gap_anyway_and_not_found_twice() -> None:
    own = joined(every(10_000, 0, 100 * MINUTE), every(10_000, 200 * MINUTE, 600 * MINUTE))
    covered = [(0, 100 * MINUTE), (200 * MINUTE, 600 * MINUTE)]
    assert find(own, every(5_000, 0, 600 * MINUTE), covered=covered) == []


def test_a_throttle_that_worked_without_pause_is_seen_and_chance_is_not() -> None:
    worked = every(1_004, 10_000, 17_000)
    assert rules.throttled([worked, every(700, 0, 9_000), every(2_500, 0, 90_000)]) == [(10_000, int(worked[-1]))]
    assert rules.throttled([every(1_004, 0, 5_000)]) == []
    other = every(1_500, 12_000, 21_500)
    assert rules.throttled([worked, other]) == [(10_000, int(other[-1]))]


def test_saturation_counts_gaps_between_events_of_the_same_contract() -> None:
    assert rules.saturation([every(1_000, 0, 5_000), every(2_000, 0, 6_000), every(1, 0, 1)]) == (4, 6)
    assert rules.saturation([]) == (0, 0)
