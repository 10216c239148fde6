from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import days, locks
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline_tests.detection.reference import Event, expected
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, as_entry, entry, query, utc

HOUR = 3_600_000
DAY_MS = 24 * HOUR
TABLES = ("liquidations", "liquidations_significant", "liquidation_cascades")


def land(database_url: str, entries: Sequence[Entry]) -> None:
    with connect(database_url) as connection:
        insert_rows(connection, entries)


def burst(start: int, seconds: int, step: int = 10, usd: str = "60000", symbol: str = "BTCUSDT") -> list[Event]:
    """Events every ``step`` seconds: hot from the fifth on."""
    return [
        Event(
            symbol,
            start + offset * 1000,
            f"{random.Random(f'{symbol}{start + offset * 1000}').getrandbits(128):032x}",
            ("binance", "okx", "bybit")[offset // step % 3],
            offset // step % 4 != 0,
            Decimal("80000.5") + offset % 7,
            Decimal(usd),
        )
        for offset in range(0, seconds, step)
    ]


def rows(database_url: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the three tables, in an order of its own."""
    return {table: query(database_url, f"SELECT * FROM {table} ORDER BY {table}::text") for table in TABLES}


def rerun_stale(database_url: str, with_settings: Settings = KEEP) -> None:
    """What the sensor does; a day stale again and again would never end, so the rounds are bounded."""
    for _ in range(10):
        found = days.stale_days(database_url, with_settings)
        if not found:
            return
        for day, _ in found:
            days.materialize_events(database_url, day, with_settings)
    raise AssertionError(f"still stale: {found}")


def assert_reference(database_url: str, events: Sequence[Event], with_settings: Settings = KEEP) -> None:
    """The three tables hold what the naive reference computes from all events, on whatever day."""
    least = with_settings.significant_usd
    want = expected(
        events,
        with_settings.cascade_window_seconds * 1000,
        with_settings.cascade_min_events,
        with_settings.cascade_min_usd,
    )
    sizes = {cascade.cascade_id: cascade.event_count for cascade in want.cascades}
    members = {event.event_id: member for event, member in want.members.items()}
    enriched = query(
        database_url,
        "SELECT replace(event_id::text, '-', ''), time, price, value_usd, is_cascade, cascade_id::text, risk_score,"
        " is_significant FROM liquidations",
    )
    assert sorted(enriched) == sorted(
        (
            *(event.event_id, utc(event.time), event.price, event.value_usd, event.event_id in members),
            *(
                (members[event.event_id].cascade_id, members[event.event_id].risk_score)
                if event.event_id in members
                else (None, None)
            ),
            event.value_usd >= least,
        )
        for event in events
    )
    significant = query(
        database_url,
        "SELECT replace(event_id::text, '-', ''), cascade_event_count, is_cascade FROM liquidations_significant",
    )
    assert sorted(significant, key=str) == sorted(
        (
            (
                event.event_id,
                sizes[members[event.event_id].cascade_id] if event.event_id in members else None,
                event.event_id in members,
            )
            for event in events
            if event.value_usd >= least or event.event_id in members
        ),
        key=str,
    )
    found = query(
        database_url,
        "SELECT cascade_id::text, symbol, cascade_start, cascade_end, event_count, hot_event_count, total_value_usd,"
        " avg_risk_score, max_risk_score, exchanges_involved, exchange_count, long_count, short_count, max_event_usd,"
        " price_start, price_end, duration_seconds, hour FROM liquidation_cascades",
    )
    assert sorted(found) == sorted(
        (
            *(one.cascade_id, one.symbol, utc(one.cascade_start), utc(one.cascade_end), one.event_count),
            *(one.hot_event_count, one.total_value_usd, one.avg_risk_score, one.max_risk_score),
            *(list(one.exchanges_involved), len(one.exchanges_involved), one.long_count, one.short_count),
            *(one.max_event_usd, one.price_start, one.price_end),
            Decimal(one.cascade_end - one.cascade_start) / 1000,
            utc(one.cascade_start // HOUR * HOUR),
        )
        for one in want.cascades
    )


def test_a_day_holds_what_the_definition_says(warehouse_url: str) -> None:
    events = [
        *burst(NOON, 200),
        *burst(NOON + HOUR, 300, usd="10", symbol="DOGEUSDT"),
        *burst(NOON + HOUR, 50, usd="20000.000001", symbol="SOLUSDT"),
        *burst(NOON + 2 * HOUR, 30, usd="99999.999999"),
        *burst(NOON + 3 * HOUR, 30, usd="100000"),
    ]
    land(warehouse_url, [as_entry(event) for event in events])
    report = days.materialize_events(warehouse_url, DAY, KEEP)
    assert_reference(warehouse_url, events)
    assert (report.rows, report.usd) == (len(events), sum(event.value_usd for event in events))
    assert report.cascades == len(query(warehouse_url, "SELECT 1 FROM liquidation_cascades"))
    assert report.significant == len(query(warehouse_url, "SELECT 1 FROM liquidations_significant"))


def test_every_column_of_an_event_is_carried_over(warehouse_url: str) -> None:
    given = entry(7, contract='q"uo,te\n狗', symbol="狗狗USDT", limit_price="1.5")
    land(warehouse_url, [given, entry(8, limit_price=None)])
    days.materialize_events(warehouse_url, DAY, KEEP)
    columns = (
        "time, event_id, exchange, market, contract, symbol, side, price, price_kind, quantity, value_usd, limit_price,"
        " received_at, source, feed_semantics"
    )
    raw = query(warehouse_url, f"SELECT {columns} FROM liquidations_raw ORDER BY event_id")
    assert query(warehouse_url, f"SELECT {columns} FROM liquidations ORDER BY event_id") == raw and len(raw) == 2


def test_an_unchanged_day_is_not_rewritten_unless_forced(warehouse_url: str) -> None:
    land(warehouse_url, [as_entry(event) for event in burst(NOON, 200)])
    assert days.materialize_events(warehouse_url, DAY, KEEP).rewritten
    before = query(warehouse_url, "SELECT xmin::text, ctid::text FROM liquidations ORDER BY time")
    assert not days.materialize_events(warehouse_url, DAY, KEEP).rewritten
    assert query(warehouse_url, "SELECT xmin::text, ctid::text FROM liquidations ORDER BY time") == before
    held = rows(warehouse_url)
    assert days.materialize_events(warehouse_url, DAY, KEEP, force=True).rewritten
    assert rows(warehouse_url) == held


def test_other_settings_make_a_day_stale_and_then_its_rows(warehouse_url: str) -> None:
    events = burst(NOON, 200)
    land(warehouse_url, [as_entry(event) for event in events])
    days.materialize_events(warehouse_url, DAY, KEEP)
    other = Settings(
        retention_days=0, cascade_min_events=7, cascade_window_seconds=90, significant_usd=Decimal("60000")
    )
    assert [(found.day, "other" in found.reason) for found in days.stale_days(warehouse_url, other)] == [(DAY, True)]
    rerun_stale(warehouse_url, other)
    assert_reference(warehouse_url, events, other)


def test_a_late_event_makes_just_its_day_stale(warehouse_url: str) -> None:
    land(warehouse_url, [entry(1), entry(2, NOON + DAY_MS)])
    rerun_stale(warehouse_url)
    land(warehouse_url, [entry(3)])
    assert days.stale_days(warehouse_url, KEEP) == [(DAY, "rows landed since it was materialized")]
    land(warehouse_url, [entry(2, NOON + DAY_MS)])
    assert [found.day for found in days.stale_days(warehouse_url, KEEP)] == [DAY]


def test_a_cascade_over_two_midnights_is_one_and_belongs_to_the_day_it_started(warehouse_url: str) -> None:
    start = day_span(DAY).end - 120_000
    events = burst(start, 120 + 86_400 + 300, step=50, usd="100000")
    with_settings = Settings(retention_days=0, cascade_min_events=2)
    land(warehouse_url, [as_entry(event) for event in events])
    for day in (DAY + timedelta(2), DAY, DAY + timedelta(1)):
        days.materialize_events(warehouse_url, day, with_settings)
    assert days.stale_days(warehouse_url, with_settings) == []
    found = query(
        warehouse_url, "SELECT event_count, (cascade_start AT TIME ZONE 'UTC')::date FROM liquidation_cascades"
    )
    assert found == [(len(events), DAY)]
    per_day = query(
        warehouse_url,
        "SELECT (time AT TIME ZONE 'UTC')::date, count(*) = count(cascade_id), min(cascade_event_count)"
        " FROM liquidations_significant GROUP BY 1 ORDER BY 1",
    )
    assert per_day == [(DAY + timedelta(n), True, len(events)) for n in range(3)]
    late = burst(events[-1].time + 1_000, 1, usd="1")
    land(warehouse_url, [as_entry(late[0])])
    rerun_stale(warehouse_url, with_settings)
    seen = "SELECT DISTINCT cascade_event_count FROM liquidations_significant"
    assert query(warehouse_url, seen) == [(len(events) + 1,)]


def test_an_event_after_midnight_reaches_the_neighbour_it_changes(warehouse_url: str) -> None:
    midnight = day_span(DAY).end
    early, late = burst(midnight - 100_000, 100), burst(midnight + 5_000, 100)
    land(warehouse_url, [as_entry(event) for event in early])
    days.materialize_events(warehouse_url, DAY, KEEP)
    days.materialize_events(warehouse_url, DAY + timedelta(1), KEEP)
    land(warehouse_url, [as_entry(event) for event in late])
    assert [found.day for found in days.stale_days(warehouse_url, KEEP)] == [DAY + timedelta(1)]
    days.materialize_events(warehouse_url, DAY + timedelta(1), KEEP)
    assert (DAY, f"a cascade over midnight differs from what {DAY + timedelta(1)} holds") in days.stale_days(
        warehouse_url, KEEP
    )
    rerun_stale(warehouse_url)
    assert_reference(warehouse_url, [*early, *late])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Event]], int]:
    """Events around the midnights of four days in up to three landings, and a seed for the orders between."""
    first = day_span(DAY).start
    known: set[tuple[str, int]] = set()
    landings: list[list[Event]] = [[], [], []]
    for _ in range(draw(st.integers(1, 4))):
        midnight = first + draw(st.integers(1, 3)) * DAY_MS
        start = midnight + draw(st.sampled_from([-600_000, -130_000, -60_000, -59_999, -1, 0, 1, 30_000]))
        usd = draw(st.sampled_from(["100000", "60000", "20000", "19999.999999"]))
        symbol = draw(st.sampled_from(["BTCUSDT", "SOLUSDT"]))
        length, step = draw(st.integers(1, 400)), draw(st.sampled_from([3, 15, 59]))
        # Each side of midnight lands for itself: what arrives on one side only is what the other must hear of.
        sides = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
        for event in burst(start, length, step, usd, symbol):
            if (event.symbol, event.time) not in known:
                known.add((event.symbol, event.time))
                landings[sides[event.time >= midnight]].append(event)
    return landings, draw(st.integers(0, 2**32))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_days_in_any_order_with_late_landings_converge_to_the_definition(
    history: tuple[list[list[Event]], int], warehouse_url: str
) -> None:
    query(warehouse_url, f"TRUNCATE liquidations_raw, day_state, {', '.join(TABLES)}")
    landings, seed = history
    order = random.Random(seed)
    four = [DAY + timedelta(n) for n in range(4)]
    for landing in landings:
        land(warehouse_url, [as_entry(event) for event in landing])
        for day in order.sample(four, order.choice([0, 2, 4, 4])):
            days.materialize_events(warehouse_url, day, KEEP)
    rerun_stale(warehouse_url)
    assert_reference(warehouse_url, [event for landing in landings for event in landing])


def test_two_runs_of_a_day_at_once_leave_one_days_rows(warehouse_url: str) -> None:
    events = burst(NOON, 300)
    land(warehouse_url, [as_entry(event) for event in events])
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(days.materialize_events, warehouse_url, DAY, KEEP, force=True) for _ in range(4)]
    assert all(run.result().rewritten for run in runs)
    assert_reference(warehouse_url, events)


def test_a_run_that_waited_for_another_sees_what_landed_meanwhile(warehouse_url: str) -> None:
    events = burst(NOON, 300)
    land(warehouse_url, [as_entry(event) for event in events[:3]])
    with ThreadPoolExecutor(1) as pool, connect(warehouse_url, autocommit=True) as connection:
        with locks.session_lock(connection, locks.DAY, locks.day_key(DAY)):
            run = pool.submit(days.materialize_events, warehouse_url, DAY, KEEP)
            _wait_for_a_waiting_lock(warehouse_url)
            land(warehouse_url, [as_entry(event) for event in events[3:]])
        assert run.result().rows == len(events)
    assert_reference(warehouse_url, events)


def test_readers_see_the_old_day_until_the_new_one_is_whole(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = burst(NOON, 300)
    land(warehouse_url, [as_entry(event) for event in events])
    days.materialize_events(warehouse_url, DAY, KEEP)
    held = rows(warehouse_url)
    land(warehouse_url, [as_entry(event) for event in burst(NOON + HOUR, 300)])
    write, reached, go_on = days._write, threading.Event(), threading.Event()

    def slow(connection: object, table: str, *rest: object) -> None:
        write(connection, table, *rest)  # type: ignore[arg-type]
        if table == TABLES[-1]:
            reached.set()
            assert go_on.wait(20)

    monkeypatch.setattr(days, "_write", slow)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(days.materialize_events, warehouse_url, DAY, KEEP)
        assert reached.wait(20)
        seen = rows(warehouse_url)
        go_on.set()
        run.result()
    assert seen == held
    assert rows(warehouse_url) != held


def test_a_run_that_dies_leaves_the_day_as_it_was(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    land(warehouse_url, [as_entry(event) for event in burst(NOON, 300)])
    days.materialize_events(warehouse_url, DAY, KEEP)
    held = rows(warehouse_url)

    def dying(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(days, "border", dying)
        with pytest.raises(RuntimeError):
            days.materialize_events(warehouse_url, DAY, KEEP, force=True)
    assert rows(warehouse_url) == held
    assert days.materialize_events(warehouse_url, DAY, KEEP, force=True).rewritten


def test_what_lands_while_a_day_is_computed_leaves_it_stale(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(warehouse_url, [entry(1)])
    detect = days.detect

    def landing_meanwhile(*arguments: object) -> object:
        land(warehouse_url, [entry(2)])
        return detect(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(days, "detect", landing_meanwhile)
        assert days.materialize_events(warehouse_url, DAY, KEEP).rows == 1
    assert [found.day for found in days.stale_days(warehouse_url, KEEP)] == [DAY]
    assert days.materialize_events(warehouse_url, DAY, KEEP).rows == 2


@pytest.mark.parametrize(
    ("hour", "day", "session"),
    [
        (0, DAY, "asian"),
        (8, DAY, "european"),
        (16, DAY, "us"),
        (23, DAY, "us"),
        (3, date(2025, 12, 13), "weekend"),
        (20, date(2025, 12, 14), "weekend"),
    ],
)
def test_sessions_are_by_utc_hour_and_the_weekend_comes_first(
    hour: int, day: date, session: str, database_url: str
) -> None:
    from liq_pipeline.warehouse.migrate import migrate

    migrate(database_url, plain=True)
    land(database_url, [entry(1, day_span(day).start + hour * HOUR, value_usd="100000")])
    days.materialize_events(database_url, day, KEEP)
    assert query(database_url, "SELECT session_type FROM liquidations_significant") == [(session,)]


def test_a_day_without_events_is_materialized_empty(warehouse_url: str) -> None:
    report = days.materialize_events(warehouse_url, DAY, KEEP)
    assert (report.rows, report.cascades, report.usd, report.rewritten) == (0, 0, 0, True)
    assert not days.materialize_events(warehouse_url, DAY, KEEP).rewritten
    assert days.stale_days(warehouse_url, KEEP) == []


def test_days_outside_partitions_and_retention_are_refused_and_not_called_stale(warehouse_url: str) -> None:
    early = entry(1, 1_500_000_000_000)
    land(warehouse_url, [early, entry(2, day_span(datetime.now(UTC).date() - timedelta(8)).start)])
    week = Settings(retention_days=7)
    with pytest.raises(DayRefusedError, match=r"2017-07-14 is before LIQ_START_DATE=2023-06-01.*set it to"):
        days.materialize_events(warehouse_url, date(2017, 7, 14), KEEP)
    with pytest.raises(DayRefusedError, match="beyond LIQ_RETENTION_DAYS=7"):
        days.materialize_events(warehouse_url, datetime.now(UTC).date() - timedelta(8), week)
    assert days.stale_days(warehouse_url, week) == []


def test_a_day_whose_cascade_started_beyond_retention_is_refused(warehouse_url: str) -> None:
    oldest = datetime.now(UTC).date() - timedelta(7)
    land(warehouse_url, [as_entry(event) for event in burst(day_span(oldest).start - 100_000, 200)])
    with pytest.raises(DayRefusedError, match=r"holds a cascade that started on .* LIQ_RETENTION_DAYS=7"):
        days.materialize_events(warehouse_url, oldest, Settings(retention_days=7))


def test_days_that_have_not_begun_are_not_called_stale(warehouse_url: str) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(1)
    land(warehouse_url, [entry(1, day_span(tomorrow).start + HOUR)])
    assert days.stale_days(warehouse_url, KEEP) == []


def _wait_for_a_waiting_lock(database_url: str) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = %s"
    while not query(database_url, waiting, locks.DAY):
        assert datetime.now(UTC) < deadline, "nobody waits for the day's lock"
