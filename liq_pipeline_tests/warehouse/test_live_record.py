"""What live views record, told in every order, repeatedly and by several of them at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations

import pytest

from liq_pipeline.live.records import (
    Blind,
    CascadeState,
    Correction,
    Crossed,
    FinalCascade,
    LateEvent,
    Levels,
    Record,
    SeedEvent,
)
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import live_record
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.live_record import LiveRecord
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import KEEP, NOON, entry, query, utc

LATE = "00000000-0000-0000-0000-00000000000a"


@pytest.fixture
def plain_url(database_url: str) -> str:
    """A database with our schema; these tables are plain ones on every flavour."""
    migrate(database_url, plain=True)
    return database_url


def cascade_id(number: int) -> str:
    return f"00000000-0000-5000-8000-{number:012}"


def cascade(number: int, start: int, end: int, events: int, symbol: str = "BTCUSDT") -> CascadeState:
    return CascadeState(
        cascade_id(number),
        symbol,
        start,
        end,
        events,
        hot_event_count=2,
        total_value=events * 50_000_000_001,
        max_event=50_000_000_001,
        avg_risk=345_678,
        max_risk=910_000,
        exchanges=("binance", "okx"),
        long_count=events - 1,
        short_count=1,
        price_start="90000.5",
        price_end="0.00001234",
    )


def final(number: int, start: int, end: int, events: int, symbol: str = "BTCUSDT") -> FinalCascade:
    return FinalCascade(cascade(number, start, end, events, symbol), end + 60_000, (cascade_id(99),))


def record(database_url: str, *items: Record, watermark: int = NOON, landed: int = NOON) -> None:
    LiveRecord(database_url, KEEP).record(items, watermark=watermark, landed=landed)


def standing(database_url: str) -> list[tuple[str, int]]:
    return query(
        database_url,
        "SELECT cascade_id::text, event_count FROM live_cascades WHERE replaced_by IS NULL ORDER BY cascade_start",
    )  # type: ignore[return-value]


def test_a_final_is_stored_with_every_column_exactly(warehouse_url: str) -> None:
    record(warehouse_url, final(1, NOON, NOON + 61_500, 7))
    assert query(
        warehouse_url,
        "SELECT cascade_id::text, event_count, symbol, cascade_start, cascade_end, duration_seconds::text,"
        " total_value_usd::text, avg_risk_score::text, max_risk_score::text, exchanges_involved, exchange_count,"
        " long_count, short_count, hot_event_count, max_event_usd::text, price_start::text, price_end::text,"
        " definition, supersedes::text[], finalized_at, late_event_id, replaced_by, corrected_at FROM live_cascades",
    ) == [
        (
            *(cascade_id(1), 7, "BTCUSDT", utc(NOON), utc(NOON + 61_500), "61.500"),
            *("350000.000007", "0.345678", "0.910000", ["binance", "okx"], 2, 6, 1, 2, "50000.000001"),
            *("90000.5", "0.00001234", "60000|5|100000", [cascade_id(99)], utc(NOON + 121_500), None, None, None),
        )
    ]


def test_finals_and_corrections_leave_the_same_rows_in_whatever_order_and_however_often_they_come(
    plain_url: str,
) -> None:
    one, two = final(1, NOON, NOON + 1_000, 5), final(2, NOON + 90_000, NOON + 91_000, 6)
    grown = final(1, NOON, NOON + 1_000, 6)
    merged = final(3, NOON - 500, NOON + 91_000, 13)
    others = (final(4, NOON + 500, NOON + 600, 20, "ETHUSDT"), final(5, NOON + 91_001, NOON + 92_000, 30))
    told: list[Record] = [
        one,
        two,
        Correction("BTCUSDT", (cascade_id(1),), (grown,), LATE, 1, NOON + 200_000),
        Correction("BTCUSDT", (cascade_id(1), cascade_id(2)), (merged,), LATE, 2, NOON + 300_000),
        *others,
    ]
    expected = [(cascade_id(3), 13), (cascade_id(4), 20), (cascade_id(5), 30)]
    for order in [told, told[::-1], [*told[3:], *told], *map(list, list(permutations(told))[100:700:100])]:
        query(plain_url, "TRUNCATE live_cascades")
        record(plain_url, *order)
        record(plain_url, *order)
        assert standing(plain_url) == expected
        replaced = "SELECT event_count FROM live_cascades WHERE corrected_at IS NOT NULL AND replaced_by IS NOT NULL"
        assert sorted(query(plain_url, replaced)) == [(5,), (6,), (6,)]


def test_a_final_told_again_keeps_when_it_was_recorded(plain_url: str) -> None:
    at = "SELECT recorded_at FROM live_cascades"
    record(plain_url, final(1, NOON, NOON + 1_000, 5))
    first = query(plain_url, at)
    record(plain_url, replace(final(1, NOON, NOON + 1_000, 5), finalized_at=NOON + 999_000, supersedes=()))
    assert query(plain_url, at) == first


def test_cascades_of_other_settings_do_not_replace_each_other(plain_url: str) -> None:
    other = Settings(retention_days=0, cascade_min_events=3)
    record(plain_url, final(1, NOON, NOON + 1_000, 5))
    LiveRecord(plain_url, other).record([final(2, NOON, NOON + 1_000, 9)], watermark=NOON, landed=NOON)
    assert [count for _, count in standing(plain_url)] == [5, 9]


def test_late_events_and_blind_spans_are_kept_once(plain_url: str) -> None:
    items = [LateEvent(LATE, "okx", "BTCUSDT", NOON, NOON + 9_000_000), Blind(0, NOON, "first start")]
    record(plain_url, *items)
    record(plain_url, *items)
    assert query(plain_url, "SELECT event_id::text, symbol, time, arrived_at FROM live_late_events") == [
        (LATE, "BTCUSDT", utc(NOON), utc(NOON + 9_000_000))
    ]
    assert query(plain_url, "SELECT started_at, ended_at, reason FROM live_blind_spans") == [
        (utc(0), utc(NOON), "first start")
    ]


def test_how_far_it_came_never_goes_back_and_is_known_before_the_first_event(plain_url: str) -> None:
    recorder = LiveRecord(plain_url, KEEP)
    assert recorder.landed() is None
    for watermark, landed in ((None, NOON), (NOON + 5, NOON + 9), (NOON + 3, NOON + 8), (None, NOON + 1)):
        LiveRecord(plain_url, KEEP).record([], watermark=watermark, landed=landed)
    assert recorder.landed() == NOON + 9
    assert query(plain_url, "SELECT watermark FROM live_state") == [(utc(NOON + 5),)]


def _crossed(start: int, end: int, kind: str = "usd", level: int = 0, number: int = 1) -> Crossed:
    return Crossed(kind, level, cascade(number, start, end, 5), end)  # type: ignore[arg-type]


def test_a_cascade_alerts_once_a_level_and_kind_whatever_its_id_and_however_many_tell_it(plain_url: str) -> None:
    now = time.time_ns() // 1_000_000
    told = [
        _crossed(now - 5_000, now - 4_000),
        _crossed(now - 7_000, now - 1_000, number=2),  # The same, with an earlier member and grown since.
        _crossed(now - 4_000, now - 4_000, kind="risk"),
        _crossed(now - 900_000, now - 800_000, number=3),
    ]
    with ThreadPoolExecutor(4) as views:
        list(views.map(lambda _: record(plain_url, *told), range(4)))
    rows = query(
        plain_url,
        "SELECT symbol, kind, level, cascade_start, event_count, total_value_usd::text, risk::text, exchanges"
        " FROM cascade_alerts ORDER BY id",
    )
    rest = (5, "250000.000005", "0.910000", ["binance", "okx"])
    assert rows == [
        ("BTCUSDT", "usd", 10_000_000, utc(now - 5_000), *rest),
        ("BTCUSDT", "risk", KEEP.alert_cascade_risk[0], utc(now - 4_000), *rest),
        ("BTCUSDT", "usd", 10_000_000, utc(now - 900_000), *rest),
    ]


def test_a_cascade_of_the_past_alerts_nobody(plain_url: str) -> None:
    record(plain_url, _crossed(NOON, NOON + 1_000))
    assert query(plain_url, "SELECT count(*) FROM cascade_alerts") == [(0,)]


def test_levels_are_told_to_the_view_in_its_units() -> None:
    settings = Settings(alert_cascade_risk=("0.25", "0.9"), alert_cascade_usd=())  # type: ignore[arg-type]
    assert live_record.levels(settings) == Levels(risk=(250_000, 900_000), usd=())


def test_seeds_are_the_events_of_the_streams_as_they_arrived(plain_url: str) -> None:
    given = [entry(1, NOON + 5), entry(2, NOON + 3, exchange="okx", value_usd="12.345678"), entry(3, NOON + 10)]
    healed = entry(4, NOON + 4)._replace(source="import:okx_rest")
    imported = entry(5, NOON + 4)._replace(source="import:tardis")
    with connect(plain_url) as connection:
        insert_rows(connection, [*given, healed, imported])
    seeded = list(LiveRecord(plain_url, KEEP).seed(NOON, NOON + 10))
    assert seeded == [
        SeedEvent(
            *(event.time, event.event_id, event.exchange, event.symbol, True, event.price, event.quantity),
            *(round(float(event.value_usd) * 1_000_000), landed.received_at, landed.source),
        )
        for landed in (given[1], healed, given[0])
        for event in (landed.liquidation,)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_told_is_kept_whole_or_not_at_all(plain_url: str, count: int) -> None:
    broken = replace(final(9, NOON, NOON, 1), supersedes=("no uuid",))
    with pytest.raises(Exception, match="uuid"):
        record(plain_url, *[final(n, NOON + n * 1_000_000, NOON + n * 1_000_000, 5) for n in range(count)], broken)
    assert standing(plain_url) == []
    assert query(plain_url, "SELECT count(*) FROM live_state") == [(0,)]
