"""The view without Redis: after every batch it shows, and at the end it has told, what a naive recomputation says."""

from __future__ import annotations

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
from liq_pipeline_tests.live.naive import HOUR, Shown
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
        expected = {**naive.levels(entries, at), **naive.minutes(entries, at)}
        found = shown(one)
        supersedes = {key: found[key].pop("supersedes") for key in found if key.startswith("liq:cascade")}
        assert found == {**expected, **naive.statuses(entries, at, *definition)}
        for key, ids in supersedes.items():
            assert found[key]["cascade_id"] not in ids.split(",")
    # Nothing comes any more, and the clock goes on; a replay's does not, and one more entry moves it.
    end = make(
        999_999, 10 * HOUR + max((each.entry.liquidation.time for each in arrived), default=NOON), symbol="ENDUSDT"
    )
    feed(one, [end], end.landed)
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
    late = [{record for record in one.cascades.records if isinstance(record, LateEvent)} for one in views]
    if late[0] == late[1]:
        assert shown(views[0]) == shown(views[1])
        assert standing(views[0]) == standing(views[1])
