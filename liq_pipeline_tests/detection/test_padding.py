from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.detection.cascades import detect
from liq_pipeline.detection.columns import Detection, Params
from liq_pipeline.detection.padding import NO_CROSSING, Span, border, initial_range, next_range
from liq_pipeline_tests.detection.columns import columns, params, rows
from liq_pipeline_tests.detection.markets import markets
from liq_pipeline_tests.detection.reference import Event, Expected, expected

DAY = 86_400_000
MINUTE = 60_000
USUAL = Params(MINUTE, 5, 100_000_000_000)


def load(events: Sequence[Event], span: Span, params: Params) -> tuple[list[Event], Detection]:
    ordered = sorted(event for event in events if span.start <= event.time < span.end)
    return ordered, detect(columns(ordered), params)


def materialize(
    events: Sequence[Event], day: Span, params: Params, loaded: Span | None = None
) -> tuple[Expected, Detection]:
    """The rows of one day, loading no more than padding asks for."""
    loaded = loaded or initial_range(day, params)
    for _ in range(50):
        ordered, detection = load(events, loaded, params)
        following = next_range(loaded, day, detection)
        if following is None:
            everything = rows(ordered, detection)
            return Expected(
                {event: row for event, row in everything.members.items() if day.start <= event.time < day.end},
                [cascade for cascade in everything.cascades if day.start <= cascade.cascade_start < day.end],
            ), detection
        assert following.start <= loaded.start
        assert following.end >= loaded.end
        assert following != loaded
        loaded = following
    raise AssertionError("the padding does not stop growing")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_days_detected_apart_hold_the_same_rows_as_all_time_at_once(data: st.DataObject) -> None:
    window_ms = data.draw(st.sampled_from([4, 60, 1_000]))
    length = window_ms * data.draw(st.integers(1, 5)) + data.draw(st.integers(0, 3))
    least, usd = data.draw(st.integers(1, 4)), Decimal(data.draw(st.sampled_from(["0", "25000", "100000"])))
    events = data.draw(markets(window_ms))
    usual = params(window_ms, least, usd)
    last = max((event.time for event in events), default=0)
    days = [Span(start, start + length) for start in range(-length, last + 1, length)]

    together = Expected({}, [])
    borders = []
    for day in data.draw(st.permutations(days)):
        # Also from less than the usual first range, so that growth is put to the test.
        short = Span(day.start - data.draw(st.integers(0, window_ms)), day.end + data.draw(st.integers(0, window_ms)))
        part, detection = materialize(events, day, usual, data.draw(st.sampled_from([None, short])))
        together.members.update(part.members)
        together.cascades.extend(part.cascades)
        borders += [(day.start, border(detection, day.start)), (day.end, border(detection, day.end))]

    whole = expected(events, window_ms, least, usd)
    assert together.members == whole.members
    assert sorted(together.cascades, key=lambda cascade: (cascade.symbol, cascade.cascade_start)) == whole.cascades
    assert len(set(borders)) == len(dict(borders)), "neighbours disagree about their border"
    for boundary, digest in borders:
        crossing = any(row.cascade_start < boundary <= row.cascade_end for row in whole.cascades)
        assert (digest != NO_CROSSING) == crossing


def chain(start: int, end: int, step: int) -> list[Event]:
    """Events of 20,000 USD every ``step`` ms: with a small step, one cascade from ``start`` on."""
    return [
        Event("BTCUSDT", time, f"{time:015d}", "okx", time % 3 == 0, Decimal(90_000 + time % 7), Decimal(20_000))
        for time in range(start, end, step)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_a_cascade_over_three_days_is_one_in_any_order_of_days(order: tuple[int, ...]) -> None:
    events = chain(DAY - 5 * MINUTE, 2 * DAY + 7 * MINUTE, 12_000)
    whole = rows(*load(events, Span(0, 4 * DAY), USUAL))
    assert len(whole.cascades) == 1

    days = {day: materialize(events, Span(day * DAY, (day + 1) * DAY), USUAL) for day in order}

    assert [len(days[day][0].cascades) for day in range(4)] == [1, 0, 0, 0]
    assert days[0][0].cascades == whole.cascades
    assert {event: row for day in days.values() for event, row in day[0].members.items()} == whole.members
    for day in range(3):
        midnight = (day + 1) * DAY
        assert border(days[day][1], midnight) == border(days[day + 1][1], midnight)


def test_a_hot_event_just_after_midnight_reaches_back_into_the_day() -> None:
    events = chain(DAY - 4, DAY, 1) + chain(DAY - 4 + MINUTE - 1, DAY - 4 + MINUTE, 1)

    before, _ = materialize(events, Span(0, DAY), USUAL, loaded=Span(0, DAY))
    after, _ = materialize(events, Span(DAY, 2 * DAY), USUAL, loaded=Span(DAY, 2 * DAY))

    assert (len(before.cascades), len(before.members)) == (1, 4)
    assert (len(after.cascades), len(after.members)) == (0, 1)


def test_a_chain_may_go_on_until_two_windows_less_two_ms_before_its_first_hot_event() -> None:
    pair = Params(10, 2, 0)
    events = [event for time in (0, 9, 18) for event in chain(time, time + 1, 1)]
    day = Span(18, 28)

    assert next_range(Span(1, 40), day, load(events, Span(1, 40), pair)[1]) is not None
    assert next_range(Span(0, 40), day, load(events[1:], Span(0, 40), pair)[1]) is None
    assert materialize(events, day, pair, loaded=Span(1, 40))[0].cascades == []


def test_a_chain_may_go_on_until_a_window_after_its_last_hot_event() -> None:
    pair = Params(10, 2, 0)
    events = [event for time in (0, 9, 18) for event in chain(time, time + 1, 1)]
    day = Span(0, 5)

    assert next_range(Span(-40, 18), day, load(events, Span(-40, 18), pair)[1]) is not None
    assert materialize(events, day, pair, loaded=Span(-40, 18))[0].cascades[0].cascade_end == 18


def test_a_quiet_day_is_loaded_once() -> None:
    day = Span(DAY, 2 * DAY)
    loaded = initial_range(day, USUAL)
    events = chain(DAY + 5 * MINUTE, DAY + 10 * MINUTE, 1_000)

    assert next_range(loaded, day, load(events, loaded, USUAL)[1]) is None


def test_growth_loads_in_total_a_small_multiple_of_the_last_range() -> None:
    day = Span(100 * DAY, 101 * DAY)
    events = chain(70 * DAY, 101 * DAY, 14_000)
    loaded, lengths = initial_range(day, USUAL), []
    while loaded is not None:
        lengths.append(loaded.end - loaded.start)
        last, loaded = loaded, next_range(loaded, day, load(events, loaded, USUAL)[1])

    assert last.start < 70 * DAY
    assert len(lengths) <= 6
    assert sum(lengths) < 2 * lengths[-1]


@pytest.mark.parametrize(
    "change",
    [
        {"value_usd": Decimal("20000.000001")},
        {"price": Decimal("90000.01")},
        {"is_long": True},
        {"exchange": "bybit"},
        {"time": 2 * DAY - 11_001},
    ],
)
def test_a_border_differs_when_anything_stored_about_its_cascade_does(change: dict[str, object]) -> None:
    events = chain(2 * DAY - 11_000, 2 * DAY + 11_000, 1_000)
    changed = [dataclasses.replace(events[0], **change), *events[1:]]
    everything = Span(0, 4 * DAY)

    before, after = load(events, everything, USUAL)[1], load(changed, everything, USUAL)[1]

    assert border(before, 2 * DAY) != border(after, 2 * DAY)


def test_a_border_does_not_depend_on_what_else_was_loaded() -> None:
    events = chain(2 * DAY - 11_000, 2 * DAY + 11_000, 1_000)
    others = [dataclasses.replace(event, symbol="AAVEUSDT", time=event.time - DAY) for event in events]
    others += [dataclasses.replace(event, symbol="AAVEUSDT", exchange="binance", time=DAY) for event in events]

    alone = load(events, Span(DAY, 3 * DAY), USUAL)[1]
    among = load(events + others, Span(0, 4 * DAY), USUAL)[1]

    assert border(alone, 2 * DAY) == border(among, 2 * DAY) != NO_CROSSING


def test_a_cascade_that_ends_before_midnight_does_not_cross_it() -> None:
    detection = load(chain(2 * DAY - 11_000, 2 * DAY, 1_000), Span(0, 4 * DAY), USUAL)[1]

    assert border(detection, 2 * DAY) == NO_CROSSING
