from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from liq_pipeline.detection.cascades import cascade_id, detect
from liq_pipeline.detection.columns import Params
from liq_pipeline_tests.detection.columns import columns, found, params
from liq_pipeline_tests.detection.markets import markets
from liq_pipeline_tests.detection.reference import Event, expected

W = 60_000
USUAL = Params(W, 5, 100_000_000_000)
START = 1_765_418_400_123


def liquidation(time: int, value: str = "20000", **changes: object) -> Event:
    event = Event("BTCUSDT", START + time, f"{time:09d}", "binance", True, Decimal("90000.1"), Decimal(value))
    return dataclasses.replace(event, **changes)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_detection_finds_what_the_definition_says(data: st.DataObject) -> None:
    window_ms = data.draw(st.sampled_from([1, 2, 8, 1_000, 60_000]))
    least = data.draw(st.integers(1, 6))
    usd = Decimal(data.draw(st.sampled_from(["0", "0.000001", "25000", "50000", "100000", "75004"])))
    events = data.draw(markets(window_ms))

    assert found(events, params(window_ms, least, usd)) == expected(events, window_ms, least, usd)


@settings(max_examples=200, deadline=None)
@given(
    dollars=st.lists(st.integers(0, 300_000), min_size=1, max_size=9),
    prices=st.lists(st.integers(1, 4), min_size=9, max_size=9),
    span=st.sampled_from([0, 999, 1_000, 1_001, 12_000, 48_000]),
)
@example(dollars=[2], prices=[1] * 9, span=0)
def test_scores_at_rounding_ties_are_half_even(dollars: list[int], prices: list[int], span: int) -> None:
    last = len(dollars) - 1
    events = [
        liquidation(span if row == last else 0, str(usd), event_id=str(row), price=Decimal(100 * price))
        for row, (usd, price) in enumerate(zip(dollars, prices, strict=False))
    ]

    assert found(events, params(W, 1, Decimal(0))) == expected(events, W, 1, Decimal(0))


def test_five_events_of_exactly_the_least_value_are_a_cascade() -> None:
    events = [liquidation(time) for time in (0, 1, 2, 3, W - 1)]

    (cascade,) = found(events, USUAL).cascades

    assert (cascade.cascade_start, cascade.cascade_end) == (START, START + W - 1)
    assert (cascade.event_count, cascade.hot_event_count) == (5, 1)
    assert cascade.total_value_usd == 100_000


def test_a_millionth_of_a_dollar_under_the_least_value_is_none() -> None:
    events = [liquidation(time) for time in (0, 1, 2, 3)] + [liquidation(4, "19999.999999")]

    assert found(events, USUAL).cascades == []


def test_an_event_exactly_one_window_ago_is_outside() -> None:
    assert found([liquidation(time) for time in (0, 1, 2, 3, W)], USUAL).cascades == []


def test_hot_events_exactly_one_window_apart_are_two_cascades_and_a_millisecond_less_is_one() -> None:
    burst = [liquidation(0, event_id=f"a{k}") for k in range(5)]

    def after(gap: int) -> list[Event]:
        return [liquidation(gap, event_id=f"b{k}") for k in range(5)]

    assert len(found(burst + after(W), USUAL).cascades) == 2
    assert len(found(burst + after(W - 1), USUAL).cascades) == 1


def test_all_events_of_one_millisecond_share_its_window() -> None:
    events = [liquidation(0, event_id=str(row), exchange=f"venue{row % 3}") for row in range(7)]

    answer = found(events, USUAL)

    assert answer.cascades[0].hot_event_count == 7
    assert len({member.risk_score for member in answer.members.values()}) == 1


def test_symbols_do_not_lend_each_other_events() -> None:
    events = [liquidation(row, symbol=f"S{row % 2}") for row in range(8)]

    assert found(events, USUAL).cascades == []


def test_the_id_is_the_one_of_the_contract() -> None:
    assert cascade_id("BTCUSDT", 1_765_418_400_123, USUAL) == "e8539abe-112c-52fc-af55-418fa55de51f"


@pytest.mark.parametrize(("micro", "text"), [(100_000_000_000, "100000"), (500_000, "0.5"), (0, "0"), (1, "0.000001")])
def test_the_least_value_stands_in_the_id_as_a_canonical_decimal(micro: int, text: str) -> None:
    assert Params(W, 5, micro).min_usd == text


def test_a_far_away_past_does_not_reach_a_score() -> None:
    # By hand: 0.25 * 400,000 / 1e6 + 0.20 * (60 * 4 / 48 / 10) + 0.20 * (1 - 10 * 0.5 / 100,000) = 0.399990.
    window = [
        liquidation(10 * W + time, "100000", is_long=row % 2 == 0, price=Decimal("100000") + Decimal(sign) / 2)
        for row, (time, sign) in enumerate([(0, 1), (16_000, -1), (32_000, 1), (48_000, -1)])
    ]
    past = [liquidation(0, "1", event_id=f"{row:05d}", price=Decimal("98765432.1")) for row in range(5_000)]
    usual = params(W, 4, Decimal(100_000))

    (cascade,) = found(past + window, usual).cascades

    assert cascade.max_risk_score == Decimal("0.399990")
    assert found(window, usual).cascades == [cascade]
    prices = np.array([float(event.price) for event in past + window])
    sums, squares = np.cumsum(prices), np.cumsum(prices * prices)
    mean, mean_square = (sums[-1] - sums[-5]) / 4, (squares[-1] - squares[-5]) / 4
    naive = 0.2 + 0.2 * max(0.0, 1 - 10 * np.sqrt(max(mean_square - mean**2, 0.0)) / mean)
    assert round(naive, 6) != 0.399990, "the trap this test is about is not sprung"


def test_values_beyond_int64_in_total_are_added_exactly() -> None:
    events = [liquidation(row, "999999999999.999999") for row in range(25)]

    assert found(events, USUAL) == expected(events, W, 5, Decimal(100_000))


def test_no_events_have_no_cascades() -> None:
    detection = detect(columns([]), USUAL)

    assert len(detection.cascades) == len(detection.risk) == 0


def test_a_tie_in_a_large_burst_is_rounded_to_even() -> None:
    # By hand: 0.25 + 0.20 + 0.20 + 0.15 * 2 / 64 + 0.15 = 0.8046875, exactly between two millionths.
    sides = [True] * 33 + [False] * 31
    events = [liquidation(0, "500000", event_id=f"{row:03d}", is_long=side) for row, side in enumerate(sides)]

    (cascade,) = found(events, USUAL).cascades

    assert cascade.max_risk_score == Decimal("0.804688")


def test_rows_out_of_order_are_refused_by_their_number() -> None:
    with pytest.raises(ValueError, match=r"event 1 of 2 is not sorted by \(symbol, time\)"):
        columns([liquidation(5), liquidation(3)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": np.array([1.0, np.nan])}, "event 1 of 2 has no positive, finite price: nan"),
        ({"price": np.array([0.0, 1.0])}, "event 0 of 2 has no positive"),
        ({"value": np.array([1, -1])}, "event 1 of 2 has a negative value: -1"),
        ({"symbol": np.array([0, 1], dtype=np.int32)}, "event 1 of 2 has no such symbol: 1"),
        ({"exchange": np.array([1, 0], dtype=np.uint8)}, "event 0 of 2 has no such exchange: 1"),
        ({"is_long": np.array([True])}, "columns differ in length"),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, "symbols repeats a name"),
        ({"exchanges": [f"venue{code}" for code in range(65)]}, "65 exchanges; at most 64"),
    ],
)
def test_columns_that_make_no_sense_are_refused(changes: dict[str, object], message: str) -> None:
    good = columns([liquidation(3), liquidation(5)])
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(good, **changes)


def test_sixty_four_exchanges_are_told_apart() -> None:
    events = [liquidation(row, exchange=f"venue{row:02d}") for row in range(64)]

    (cascade,) = found(events, USUAL).cascades

    assert cascade.exchanges_involved == tuple(f"venue{row:02d}" for row in range(64))


@pytest.mark.parametrize("wrong", [(0, 5, 1), (W, 0, 1), (W, 5, -1)])
def test_parameters_without_meaning_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        Params(*wrong)
