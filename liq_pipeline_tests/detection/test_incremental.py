from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.detection.cascades import detect
from liq_pipeline.detection.columns import Params
from liq_pipeline.detection.incremental import Incremental
from liq_pipeline.detection.incremental_chain import Chain
from liq_pipeline_tests.detection.columns import columns, found, micro, params
from liq_pipeline_tests.detection.incremental import Detectors, cascade
from liq_pipeline_tests.detection.markets import PRICES, VALUES, markets
from liq_pipeline_tests.detection.reference import Cascade, Event

W = 60_000
USUAL = Params(W, 5, 100_000_000_000)
START = 1_765_418_400_123


def liquidation(time: int, value: str = "20000", **changes: object) -> Event:
    event = Event("BTCUSDT", START + time, f"{time:09d}", "binance", True, Decimal("90000.1"), Decimal(value))
    return dataclasses.replace(event, **changes)


def burst(time: int, count: int = 5) -> list[Event]:
    return [liquidation(time, event_id=f"{time}-{row}") for row in range(count)]


def detector(events: Sequence[Event], params: Params = USUAL) -> Incremental:
    detectors = Detectors(params)
    detectors.add(events)
    return detectors.of["BTCUSDT"]


def stream(seed: int, count: int, window_ms: int) -> list[Event]:
    """Events of one symbol as they arrive: bursts and lulls, ties, late venues, some very late events."""
    source = random.Random(seed)
    prices = PRICES[source.choice(sorted(PRICES))]
    late = {"binance": window_ms // 20, "bybit": 0, "okx": source.choice([0, 0, 4 * window_ms])}
    time, arrivals = 0, []
    for ordinal in range(count):
        busy = ordinal // 40 % 3
        time += source.choice([0, 0, 1, 2, window_ms // 40, window_ms // (4 if busy else 2), window_ms - (busy > 1)])
        exchange = source.choice(sorted(late))
        event = Event(
            symbol="BTCUSDT",
            time=time,
            event_id=f"{source.getrandbits(20)}-{ordinal}",
            exchange=exchange,
            is_long=source.random() < 0.7,
            price=Decimal(source.choice(prices)),
            value_usd=Decimal(source.choice([*VALUES, "7000", "15000.5"])),
        )
        very_late = source.random() < 0.01
        arrivals.append((time + late[exchange] + very_late * source.randrange(20 * window_ms), ordinal, event))
    return [event for *_, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


def last_risk(events: Sequence[Event], cascade_end: int, params: Params) -> int:
    """What batch says is the score of the hot events at ``cascade_end``."""
    ordered = sorted(events)
    detection = detect(columns(ordered), params)
    return next(
        risk
        for event, hot, risk in zip(ordered, detection.hot.tolist(), detection.risk.tolist(), strict=True)
        if hot and event.time == cascade_end
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_after_every_event_the_chains_are_what_batch_finds(data: st.DataObject) -> None:
    window_ms = data.draw(st.sampled_from([1, 2, 8, 1_000, 60_000]))
    least = data.draw(st.integers(1, 6))
    usd = Decimal(data.draw(st.sampled_from(["0", "0.000001", "25000", "50000", "100000", "75004"])))
    usual = params(window_ms, least, usd)
    events = data.draw(st.permutations(data.draw(markets(window_ms))))
    detectors = Detectors(usual)

    for count, event in enumerate(events, 1):
        detectors.add([event])
        assert detectors.cascades == found(events[:count], usual).cascades


@pytest.mark.parametrize("seed", range(6))
def test_a_long_stream_in_disorder_is_what_batch_finds_whenever_asked(seed: int) -> None:
    source = random.Random(seed)
    window_ms = source.choice([40, 1_000, 60_000])
    usual = params(window_ms, source.choice([1, 3, 5]), Decimal(source.choice([0, 60_000, 100_000])))
    events = stream(seed, 800, window_ms)
    asked = {*source.sample(range(1, len(events)), 7), len(events)}
    detectors = Detectors(usual)

    for count, event in enumerate(events, 1):
        detectors.add([event])
        if count in asked:
            arrived = events[:count]
            for chain in detectors.of["BTCUSDT"].chains():
                if source.random() < 0.5:
                    assert chain.last_risk == last_risk(arrived, chain.end, usual)
            assert detectors.cascades == found(arrived, usual).cascades


@pytest.mark.parametrize("seed", range(6))
def test_what_is_forgotten_changes_nothing_later(seed: int) -> None:
    source = random.Random(seed)
    window_ms = source.choice([40, 1_000, 60_000])
    # In every third stream the cascades hardly ever end, so that most of one is forgotten while it goes on.
    usual = params(window_ms, 1 if seed % 3 == 0 else 4, Decimal(0 if seed % 3 == 0 else 100_000))
    late, counted = 0, []
    incremental = Incremental("BTCUSDT", usual)
    held: dict[Chain, Cascade] = {}

    for event in stream(seed, 800, window_ms):
        if event.time < incremental.horizon:
            late += 1
            continue
        counted.append(event)
        price, value = str(event.price), int(event.value_usd.scaleb(6))
        incremental.add(event.time, event.event_id, event.exchange, event.is_long, price, value)
        if source.random() < 0.02:
            before = {chain: cascade("BTCUSDT", chain) for chain in incremental.chains()}
            newest = max(event.time for event in counted)
            incremental.forget(newest - source.randrange(-window_ms, 3 * window_ms))
            known = found(counted, usual).cascades
            growing = [row for row in known if row.cascade_end > incremental.horizon - window_ms]
            assert [cascade("BTCUSDT", chain) for chain in incremental.chains()] == growing
            held.update((chain, row) for chain, row in before.items() if chain not in incremental.chains())

    assert 0 < late < 500
    assert held
    assert {chain: cascade("BTCUSDT", chain) for chain in held} == held
    assert {row.cascade_start for row in held.values()} <= {row.cascade_start for row in found(counted, usual).cascades}


@pytest.mark.parametrize("seed", range(3))
def test_a_chain_that_is_not_touched_has_not_changed(seed: int) -> None:
    usual = params(1_000, 3, Decimal(75_000))
    incremental = Incremental("BTCUSDT", usual)
    shown: dict[Chain, tuple[object, ...]] = {}

    for event in stream(seed, 300, 1_000):
        price, value = str(event.price), int(event.value_usd.scaleb(6))
        incremental.add(event.time, event.event_id, event.exchange, event.is_long, price, value)
        for chain in incremental.gone:
            shown.pop(chain, None)
        shown.update((chain, (cascade("BTCUSDT", chain), chain.last_risk)) for chain in incremental.touched)
        incremental.gone.clear()
        incremental.touched.clear()

        assert shown == {chain: (cascade("BTCUSDT", chain), chain.last_risk) for chain in incremental.chains()}


def test_a_chain_between_two_is_gone_when_a_late_event_joins_them() -> None:
    incremental = detector(burst(0) + burst(W))
    first, second = incremental.chains()
    incremental.touched.clear()

    late = liquidation(30_000, "100000")
    incremental.add(late.time, late.event_id, "okx", False, "90000.1", 100_000_000_000)

    assert incremental.gone == [second]
    assert incremental.touched == {first}
    assert incremental.chains() == [first]
    assert (first.start, first.end, first.event_count, first.hot_event_count) == (START, START + W, 11, 11)
    assert (first.exchanges, first.long_count, first.short_count) == (("binance", "okx"), 10, 1)


def test_a_late_event_that_starts_a_chain_earlier_gives_it_another_id() -> None:
    incremental = detector(burst(10))
    (chain,) = incremental.chains()
    known = chain.id

    incremental.add(START, "late", "okx", True, "89000", 1)

    assert chain.id == found([*burst(10), liquidation(0)], USUAL).cascades[0].cascade_id != known
    assert (chain.start, chain.price_start) == (START, "89000")


def test_the_price_of_a_tie_is_that_of_the_least_and_the_greatest_id_whichever_comes_first() -> None:
    prices = {"c": "3", "a": "1", "e": "5", "b": "2", "d": "4"}
    events = [liquidation(0, event_id=key, price=Decimal(text)) for key, text in prices.items()]

    (chain,) = detector(events).chains()

    assert (chain.price_start, chain.price_end) == ("1", "5")


@pytest.mark.parametrize("text", ["0.000012345678901234567", "12345678901234567", "0.00001", "100000", "90000.1"])
def test_prices_are_told_as_they_came_however_many_digits_they_have(text: str) -> None:
    (chain,) = detector([liquidation(row, price=Decimal(text)) for row in range(5)]).chains()

    assert (chain.price_start, chain.price_end) == (text, text)


def test_a_finer_price_does_not_disturb_what_was_summed_in_coarser_ticks() -> None:
    prices = ["100", "100.5", "100", "0.000000000000000123", "100.25", "100000000000", "0.0000000000000000001", "7"]
    events = [liquidation(row * 20_000, price=Decimal(text), value="30000") for row, text in enumerate(prices)]
    always = Params(W, 1, 0)

    for count in range(1, len(events) + 1):
        (chain,) = detector(events[:count], always).chains()
        assert chain.last_risk == last_risk(events[:count], events[count - 1].time, always)


def test_a_late_event_exactly_one_window_before_the_newest_is_not_in_its_risk() -> None:
    events = [*burst(W), liquidation(0, "600000", is_long=False)]

    (chain,) = detector(events).chains()

    assert chain.last_risk == last_risk(events, START + W, USUAL)


def test_values_that_leave_64_bits_are_summed_exactly() -> None:
    events = [liquidation(row, "999999999999.999999") for row in range(25)]

    (chain,) = detector(events).chains()

    assert micro(chain.total_value) == 25 * Decimal("999999999999.999999")


def test_an_event_before_the_horizon_is_refused_and_one_at_it_counts() -> None:
    incremental = detector(burst(0, 4))
    incremental.forget(START + 10)

    with pytest.raises(ValueError, match=f"late at {START + 9} is earlier than the horizon {START + 10}"):
        incremental.add(START + 9, "late", "okx", True, "1", 1)
    incremental.add(START + 10, "in time", "okx", True, "1", 20_000_000_000)

    (chain,) = incremental.chains()
    assert (chain.start, chain.event_count) == (START, 5)


def test_a_cascade_without_end_keeps_its_sums_and_not_its_events() -> None:
    events = [liquidation(row * 500, price=Decimal(90_000 + row % 7)) for row in range(3_000)]
    incremental = Incremental("BTCUSDT", USUAL)

    kept = 0
    for event in events:
        incremental.add(event.time, event.event_id, "okx", True, str(event.price), 20_000_000_000)
        incremental.forget(event.time - 5_000)
        kept = max(kept, len(incremental))

    (chain,) = incremental.chains()
    okx = [dataclasses.replace(event, exchange="okx") for event in events]
    assert [cascade("BTCUSDT", chain)] == found(okx, USUAL).cascades
    assert kept < 300


def test_a_symbol_that_has_long_been_quiet_keeps_nothing() -> None:
    incremental = detector(burst(0))
    (chain,) = incremental.chains()
    known = cascade("BTCUSDT", chain)

    incremental.forget(START + W)

    assert (len(incremental), incremental.chains()) == (0, [])
    assert cascade("BTCUSDT", chain) == known
    for event in burst(2 * W):
        incremental.add(event.time, event.event_id, "binance", True, "90000.1", 20_000_000_000)
    assert [cascade("BTCUSDT", chain) for chain in incremental.chains()] == found(burst(2 * W), USUAL).cascades


def test_scores_of_more_events_than_are_scored_at_a_time_are_those_of_batch() -> None:
    source = random.Random(1)
    events = [
        Event(
            "BTCUSDT",
            row // 7,
            f"{row:06d}",
            "okx",
            True,
            Decimal(source.randrange(1, 9)),
            Decimal(source.randrange(9)),
        )
        for row in range(70_000)
    ]
    usual = Params(100, 1, 0)

    assert [cascade("BTCUSDT", chain) for chain in detector(events, usual).chains()] == found(events, usual).cascades
