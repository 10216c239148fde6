"""The view without Redis: after every batch it shows, and at the end it has told, what a naive recomputation says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from liq_pipeline.detection.columns import Params
from liq_pipeline.live.records import CascadeState, Correction, FinalCascade, LateEvent, Levels
from liq_pipeline.live.view import View
from liq_pipeline.streams import transposed
from liq_pipeline_tests.detection.reference import Cascade
from liq_pipeline_tests.live import naive
from liq_pipeline_tests.live.naive import HOUR, MINUTE, Shown
from liq_pipeline_tests.live.streaming import HELD, Arrival, arrivals, batches, make, watermark
from liq_pipeline_tests.warehouse.making import NOON

SIGNIFICANT = 100_000_000_000
PARAMS = [Params(60_000, 5, 100_000_000_000), Params(1_000, 2, 30_000_000_000), Params(60_000, 1, 0), Params(1, 1, 1)]


def view(params: Params = PARAMS[0], levels: Levels | None = None) -> View:
    return View(params, SIGNIFICANT, HELD, levels)


def feed(one: View, batch: Sequence[Arrival], now: int) -> None:
    """A batch, and the time after it."""
    one.take(transposed(each.entry for each in batch), [each.landed for each in batch])
    one.settle(now)


def shown(one: View) -> Shown:
    """Everything it would have in Redis."""
    found: Shown = {}
    for key in one.names():
        fields = one.fields(key)
        assert fields is not None
        found[key.decode()] = {str(name): str(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}
    return found


def standing(one: View) -> dict[str, CascadeState]:
    """The finals that stand, corrections applied."""
    found: dict[str, CascadeState] = {}
    for record in one.cascades.records:
        if isinstance(record, FinalCascade):
            assert record.cascade.cascade_id not in found, "a final is told once"
            found[record.cascade.cascade_id] = record.cascade
        elif isinstance(record, Correction):
            for replaced in record.replaced:
                del found[replaced]
            found |= {each.cascade.cascade_id: each.cascade for each in record.standing}
    return found


def as_state(cascade: Cascade) -> CascadeState:
    """The reference's cascade as it is recorded."""
    return CascadeState(
        cascade_id=cascade.cascade_id,
        symbol=cascade.symbol,
        start=cascade.cascade_start,
        end=cascade.cascade_end,
        event_count=cascade.event_count,
        hot_event_count=cascade.hot_event_count,
        total_value=int(cascade.total_value_usd * 1_000_000),
        max_event=int(cascade.max_event_usd * 1_000_000),
        avg_risk=int(cascade.avg_risk_score * 1_000_000),
        max_risk=int(cascade.max_risk_score * 1_000_000),
        exchanges=cascade.exchanges_involved,
        long_count=cascade.long_count,
        short_count=cascade.short_count,
        price_start=f"{cascade.price_start:f}",
        price_end=f"{cascade.price_end:f}",
    )


def counted(one: View, arrived: Sequence[Arrival]) -> list[naive.Entry]:
    """What arrived, each event once, but for what the view called too late whenever it came."""
    late = Counter(record.event_id for record in one.cascades.records if isinstance(record, LateEvent))
    came = Counter(each.entry.liquidation.event_id for each in arrived)
    in_time = {event_id for event_id, times in came.items() if late[event_id] < times}
    return [entry for entry in naive.unique(each.entry for each in arrived) if entry.liquidation.event_id in in_time]


def finish(one: View, arrived: Sequence[Arrival]) -> Arrival:
    """An event so late that everything before it is final."""
    newest = max((each.entry.liquidation.time for each in arrived), default=NOON)
    end = make(999_999, newest + 10 * HOUR, symbol="ENDUSDT")
    feed(one, [end], end.landed)
    return end


@settings(max_examples=40, deadline=None)
@given(data=st.data(), params=st.sampled_from(PARAMS), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_after_every_batch_it_shows_what_the_contract_says_of_all_that_landed(
    data: st.DataObject, params: Params, sizes: list[int]
) -> None:
    arrived = data.draw(arrivals(params.window_ms))
    definition = params.window_ms, params.min_events, Decimal(params.min_usd)
    one, now, seen = view(params), NOON, list[Arrival]()
    for batch in batches(sizes, arrived):
        now = max(now, batch[-1].landed)
        feed(one, batch, now)
        seen += batch
        at = watermark(seen, now)
        assert at is not None
        assert one.watermark == at
        entries = counted(one, seen)
        expected = naive.hour(entries, at)
        found = shown(one)
        supersedes = {key: found[key].pop("supersedes") for key in found if key.startswith("liq:cascade")}
        assert found == {**expected, **naive.statuses(entries, at, *definition)}
        for key, ids in supersedes.items():
            assert found[key]["cascade_id"] not in ids.split(",")
    # Nothing comes any more, and the clock goes on; a replay's does not, and one more entry moves it.
    end = finish(one, arrived)
    cascades = naive.cascades(counted(one, [*seen, end]), *definition)
    assert standing(one) == {
        cascade.cascade_id: as_state(cascade)
        for cascade in cascades
        if cascade.cascade_end + params.window_ms <= end.landed
    }
    for record in one.cascades.records:
        if isinstance(record, LateEvent):
            assert record.time < record.arrived


@settings(max_examples=40, deadline=None)
@given(data=st.data(), params=st.sampled_from(PARAMS), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_how_entries_are_batched_changes_nothing_in_the_end(
    data: st.DataObject, params: Params, sizes: list[int]
) -> None:
    arrived = data.draw(arrivals(params.window_ms))
    views = []
    for pieces in ([[each] for each in arrived], batches(sizes, arrived)):
        one = view(params)
        for batch in pieces:
            feed(one, batch, max(NOON, batch[-1].landed))
        views.append(one)
    # What is too late depends on when the watermark is looked at.
    if counted(views[0], arrived) == counted(views[1], arrived):
        assert shown(views[0]) == shown(views[1])
        for one in views:
            # One that was told as final may be active again, and is told of when it is final again.
            finish(one, arrived)
        assert standing(views[0]) == standing(views[1])


def test_earlier_ids_of_an_active_cascade_are_in_its_status_however_events_were_batched() -> None:
    times = [120_000, 120_100, 60_000, 60_100, 130_000, 0, 100, 59_000]
    arrived = [make(number, NOON + time, value="60000", source="replay") for number, time in enumerate(times)]
    params = Params(60_000, 2, 100_000_000_000)
    expected: list[str] = []
    for count in range(1, len(times) + 1):
        for cascade in naive.cascades([each.entry for each in arrived[:count]], 60_000, 2, Decimal(100_000)):
            if cascade.cascade_id not in expected:
                expected.append(cascade.cascade_id)
    for sizes in ([1], [3], [8]):
        one = view(params)
        for batch in batches(sizes, arrived):
            feed(one, batch, batch[-1].landed)
        (status,) = [values for key, values in shown(one).items() if key.startswith("liq:cascade:status")]
        assert status["start_time"] == str(NOON)
        assert {*status["supersedes"].split(","), status["cascade_id"]} == {*expected}
    assert len(expected) == 3


def test_an_event_a_day_ahead_ends_neither_the_hour_nor_a_cascade() -> None:
    one = view()
    feed(one, [make(number, NOON + number, value="60000") for number in range(6)], NOON + 10)
    feed(one, [make(99, NOON + 24 * HOUR, landed=NOON + 20, symbol="ETHUSDT")], NOON + 20)
    assert one.watermark == NOON + 20 + MINUTE
    found = shown(one)
    assert found["liq:levels:BTCUSDT:50000:LONG"]["count"] == "6"
    assert found["liq:levels:ETHUSDT:50000:LONG"]["count"] == "1"


def test_an_event_older_than_the_memory_is_recorded_and_counts_nowhere() -> None:
    one = view()
    feed(one, [make(1, NOON)], NOON)
    late = make(2, NOON - HOUR - MINUTE, landed=NOON + 5)
    feed(one, [late, late], NOON + 5)
    told = {(each.time, each.arrived) for each in one.cascades.records if isinstance(each, LateEvent)}
    assert told == {(NOON - HOUR - MINUTE, NOON + 5)}
    assert one.late == 2
    assert len(shown(one)) == 4


def test_memory_is_let_go_with_the_hour() -> None:
    one = view()
    feed(one, [make(number, NOON + number, symbol=f"C{number % 50}USDT") for number in range(500)], NOON + 500)
    assert (len(one), len(one.names())) == (500, 152)
    feed(one, [], NOON + HOUR + 5 * MINUTE)
    assert (len(one), len(one.names()), len(one.cascades.symbols)) == (0, 0, 0)
    assert one.hour.is_empty and one.largest.is_empty


def test_the_largest_of_the_hour_are_right_however_many_came_and_left() -> None:
    dice, one, kept = random.Random(5), view(), list[naive.Entry]()
    for number in range(60):
        batch = [
            make(
                100 * number + ordinal,
                NOON + number * 2 * MINUTE - dice.choice((0, 0, 0, 40 * MINUTE)),
                # The early ones are the larger: they leave, and others have to take their places.
                value=str(dice.randrange(1, 400) + (10_000 if number in (3, 5) else 0)),
                symbol=f"C{dice.randrange(9)}USDT",
            )
            for ordinal in range(60)
        ]
        feed(one, batch, NOON + number * 2 * MINUTE)
        kept += [each.entry for each in batch]
        assert one.watermark is not None
        key = "liq:hour:largest"
        assert shown(one)[key] == naive.totals(kept, one.watermark)[key]
    assert len(one.largest._kept) + len(one.largest._new) < 1_500
