"""What is kept of claims and heals, and the days' coverage that is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.errors import DayRefusedError
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage, days, rollups
from liq_pipeline.warehouse.connection import LOADER, READER, connect
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import DAY, NOON, entry, query
from liq_pipeline_tests.warehouse.test_days import land

SECOND, HOUR = 1_000, 3_600_000
START, END = day_span(DAY)
OKX = Settings(retention_days=0, exchanges=("okx",))
NEXT = DAY + timedelta(1)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    """One for all tests here that are not about its flavour: making it takes longer than they do."""
    with fresh_database(postgres_server) as url:
        migrate(url, plain=True)
        yield url


@pytest.fixture
def url(database: str) -> str:
    """The same, empty."""
    query(database, "TRUNCATE feed_spans, feed_notes, feed_heals, feed_positions, coverage_state, feed_gaps")
    query(database, "TRUNCATE feed_coverage, liquidations_raw, day_state")
    return database


def claim(url: str, start: int, end: int, feed: str = "okx", part: int = 0, parts: int = 1) -> None:
    fields = {"connection": "c", "from": start, "to": end, "part": part, "parts": parts}
    with redis.Redis.from_url(url) as client:
        client.xadd(streams.coverage_key(feed), fields)  # type: ignore[arg-type]


def note(url: str, reason: str, start: int, end: int, feed: str = "okx") -> None:
    with redis.Redis.from_url(url) as client:
        client.xadd(streams.troubles_key(feed), {"reason": reason, "from": start, "to": end})


def heal(url: str, start: int, end: int, at: int, feed: str = "okx") -> None:
    with connect(url, role=LOADER) as connection:
        coverage.record_heal(connection, feed, start, end, at)


def materialize(
    url: str, redis_url: str, day: date = DAY, settings: Settings = OKX, now: int = END + HOUR
) -> coverage.CoverageReport:
    return coverage.materialize(url, redis_url, day, settings, now)


def gaps(url: str, feed: str = "okx") -> list[tuple[Any, ...]]:
    """Start and end in seconds since the day began, reason, and whether healed."""
    statement = "SELECT started_at, ended_at, reason, healed_at FROM feed_gaps WHERE exchange = %s ORDER BY 1"
    return [
        (*(round(at.timestamp() - START / 1000, 3) for at in row[:2]), row[2], row[3] is not None)
        for row in query(url, statement, feed)
    ]


def row(url: str, columns: str, feed: str = "okx", day: date = DAY) -> tuple[Any, ...]:
    (found,) = query(url, f"SELECT {columns} FROM feed_coverage WHERE exchange = %s AND day = %s", feed, day)
    return found


def stale(url: str, now: int) -> list[date]:
    with connect(url, role=READER) as connection:
        return [item.day for item in coverage.stale(connection, OKX, datetime.fromtimestamp(now / 1000, UTC))]


def trade(number: int, time: int, exchange: str = "okx", source: str = "stream", **changes: Any) -> streams.Entry:
    changes = {"contract": "BTC-USDT-SWAP", "feed_semantics": "throttled-1s", **changes}
    return entry(number, time, exchange=exchange, **changes)._replace(source=source)


def test_a_heal_is_noted_once_and_makes_the_days_it_touches_stale(warehouse_url: str) -> None:
    for later in (0, HOUR):
        heal(warehouse_url, NOON, NOON + 13 * HOUR, NOON + 14 * HOUR + later)
    healed_at = datetime.fromtimestamp((NOON + 14 * HOUR) / 1000, UTC)
    assert query(warehouse_url, "SELECT feed, healed_at FROM feed_heals") == [("okx", healed_at)]
    days = query(warehouse_url, "SELECT day, version, materialized_version FROM coverage_state ORDER BY day")
    assert days == [(DAY, 1, None), (NEXT, 1, None)]


def test_a_day_is_what_was_claimed_and_its_gaps_say_why(warehouse_url: str, redis_url: str) -> None:
    claim(redis_url, START - 5 * SECOND, START + 10 * HOUR)
    claim(redis_url, START + 10 * HOUR + 3 * SECOND, START + 20 * HOUR)
    claim(redis_url, START + 21 * HOUR, END + 5 * SECOND)
    note(redis_url, "silent", START + 20 * HOUR, START + 20 * HOUR + 600 * SECOND)
    note(redis_url, "overloaded", START + 20 * HOUR + 600 * SECOND, START + 21 * HOUR)
    land(warehouse_url, [trade(number, START + number * 1_500) for number in range(7)])
    report = materialize(warehouse_url, redis_url)
    assert gaps(warehouse_url) == [
        (0.0, 9.0, "throttled", False),
        (36_000.0, 36_003.0, "down", False),
        (72_000.0, 72_600.0, "silent", False),
        (72_600.0, 75_600.0, "overloaded", False),
    ]
    seconds = "covered_seconds, down_seconds, silent_seconds, overloaded_seconds, throttled_seconds, elapsed_seconds"
    assert row(warehouse_url, seconds) == (86_400 - 3_603, 3, 600, 3_000, 9, 86_400)
    assert row(warehouse_url, "coverage, gap_count, longest_gap_seconds, event_count, saturation, complete") == (
        (Decimal(86_400 - 3_603) / 86_400).quantize(Decimal("1e-9"), "ROUND_DOWN"), 3, 3_000, 7, 1, False,
    )  # fmt: skip
    assert row(warehouse_url, "collected, uncollected_seconds, feed_semantics") == (True, 0, "throttled-1s")
    assert report.claims.entries == 5 and report.feeds[0].seen.longest == 3_000_000

    inverse = trade(9, NOON, market=Market.INVERSE, symbol="BTCUSD", contract="BTC-USD-SWAP")
    land(warehouse_url, [inverse, trade(10, END)])
    days.materialize_events(warehouse_url, DAY, OKX)
    rollups.materialize(warehouse_url, "liquidation_exchange_comparison", DAY, OKX)
    materialize(warehouse_url, redis_url)
    labelled = "SELECT symbol, event_count, coverage > 0, complete, feed_semantics FROM exchange_comparison(%s, %s)"
    assert sorted(query(warehouse_url, labelled, DAY, DAY)) == [
        ("BTCUSD", 1, False, False, "throttled-1s"),
        ("BTCUSDT", 7, True, False, "throttled-1s"),
    ]


def test_a_day_made_again_after_redis_has_forgotten_is_the_same(url: str, redis_url: str) -> None:
    claim(redis_url, START, START + 10 * HOUR)
    note(redis_url, "silent", START + 10 * HOUR, START + 11 * HOUR)
    materialize(url, redis_url)
    before = gaps(url), row(url, "*")
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    materialize(url, redis_url)
    assert (gaps(url), row(url, "*")) == before
    # A Redis that begins anew counts its ids from the start.
    with redis.Redis.from_url(redis_url) as client:
        fields = {"connection": "c", "from": START + 11 * HOUR, "to": END, "part": 0, "parts": 1}
        client.xadd(streams.coverage_key("okx"), fields, id="5-1")  # type: ignore[arg-type]
    materialize(url, redis_url)
    assert gaps(url) == [(36_000.0, 39_600.0, "silent", False)]


def test_claims_are_read_once_and_reading_them_again_changes_nothing(url: str, redis_url: str) -> None:
    claim(redis_url, START, START + HOUR)
    assert materialize(url, redis_url).claims.days == {DAY}
    assert materialize(url, redis_url).claims.entries == 0
    query(url, "DELETE FROM feed_positions")
    again = materialize(url, redis_url).claims
    assert (again.entries, again.days) == (1, set())


def test_a_claim_over_midnight_is_on_both_days_to_the_millisecond(url: str, redis_url: str) -> None:
    claim(redis_url, END - 1_234, END + 4_321)
    materialize(url, redis_url)
    materialize(url, redis_url, NEXT, now=END + 25 * HOUR)
    assert row(url, "covered_seconds") == (Decimal("1.234"),)
    assert row(url, "covered_seconds", day=NEXT) == (Decimal("4.321"),)


def test_parts_cover_together_and_a_hand_over_to_another_division_leaves_no_gap(url: str, redis_url: str) -> None:
    claim(redis_url, START, NOON, "bybit")
    claim(redis_url, NOON - 5 * SECOND, END, "bybit", part=0, parts=2)
    claim(redis_url, NOON - SECOND, END - HOUR, "bybit", part=1, parts=2)
    materialize(url, redis_url)
    assert gaps(url, "bybit") == [(82_800.0, 86_400.0, "down", False)]
    assert row(url, "complete, feed_semantics", "bybit") == (True, "complete")


def test_what_no_collector_can_have_claimed_is_counted_and_left_out(url: str, redis_url: str) -> None:
    claim(redis_url, START + HOUR, START)
    claim(redis_url, 0, START)
    claim(redis_url, START, START + HOUR, part=2, parts=2)
    claim(redis_url, 10**17, 10**17 + 5)
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(streams.coverage_key("okx"), {"from": "yesterday"})
    report = materialize(url, redis_url)
    assert (report.claims.entries, report.claims.absurd) == (5, 5)
    assert query(url, "SELECT * FROM feed_spans") == []


def test_today_is_measured_until_a_minute_ago(url: str, redis_url: str) -> None:
    claim(redis_url, START, NOON - 10 * SECOND)
    materialize(url, redis_url, now=NOON)
    assert row(url, "elapsed_seconds, coverage, gap_count") == (43_140, 1, 0)
    materialize(url, redis_url, now=NOON + HOUR)
    assert row(url, "elapsed_seconds, gap_count, longest_gap_seconds") == (46_740, 1, 3_550)
    materialize(url, redis_url, NEXT, now=END + SECOND)
    assert row(url, "elapsed_seconds, coverage, gap_count", day=NEXT) == (0, 1, 0)


def test_a_feed_never_collected_is_told_from_one_that_was_down(url: str, redis_url: str) -> None:
    claim(redis_url, NOON, END)
    land(url, [trade(1, START + HOUR, "binance", "import:tardis", feed_semantics="throttled-1s-largest")])
    materialize(url, redis_url)
    assert row(url, "collected, uncollected_seconds, coverage") == (True, 43_200, Decimal("0.5"))
    columns = "collected, uncollected_seconds, covered_seconds, gap_count, event_count, feed_semantics"
    assert row(url, columns, "binance") == (False, 86_400, 0, 1, 1, "throttled-1s-largest")
    materialize(url, redis_url, NEXT, now=END + 25 * HOUR)
    assert row(url, "collected, uncollected_seconds, coverage", day=NEXT) == (True, 0, 0)
    assert query(url, "SELECT exchange FROM feed_coverage WHERE day = %s", NEXT) == [("okx",)]


def test_a_gap_is_healed_when_all_of_it_is_and_the_seconds_say_how_much(url: str, redis_url: str) -> None:
    claim(redis_url, START, NOON)
    claim(redis_url, NOON + 2 * HOUR, END)
    materialize(url, redis_url)
    assert stale(url, END + HOUR) == []
    heal(url, NOON - HOUR, NOON + HOUR, END + HOUR)
    assert stale(url, END + HOUR) == [DAY]
    materialize(url, redis_url)
    assert gaps(url) == [(43_200.0, 50_400.0, "down", False)]
    assert row(url, "healed_seconds, covered_seconds") == (3_600, 79_200)
    heal(url, NOON + HOUR, NOON + 2 * HOUR, END + 2 * HOUR)
    materialize(url, redis_url)
    healed_at = datetime.fromtimestamp((END + 2 * HOUR) / 1000, UTC)
    assert query(url, "SELECT healed_at FROM feed_gaps") == [(healed_at,)]
    assert row(url, "healed_seconds, covered_seconds") == (7_200, 79_200)


def test_days_are_stale_while_more_is_known_or_nothing_was_made_of_them(url: str, redis_url: str) -> None:
    claim(redis_url, START, NOON)
    materialize(url, redis_url, now=NOON)
    later = END + 2 * 24 * HOUR
    assert stale(url, NOON) == stale(url, END + 600 * SECOND) == []
    assert stale(url, later) == [DAY, NEXT]
    materialize(url, redis_url, DAY, now=later)
    materialize(url, redis_url, NEXT, now=later)
    assert stale(url, later) == []
    # Redis was away while the collector went on, and what it buffered came after midnight.
    claim(redis_url, NOON, NOON + HOUR)
    coverage.drain_claims(url, redis_url)
    assert stale(url, later) == [DAY]


def shared(feeds: Iterable[str], start: int, end: int, every: int) -> list[streams.Entry]:
    return [
        trade(feed_number * 10**6 + number, time, feed)
        for feed_number, feed in enumerate(feeds)
        for number, time in enumerate(range(start, end, every))
    ]


def test_a_venue_without_events_while_others_burst_was_silent_until_history_fills_it(url: str, redis_url: str) -> None:
    for feed in ("okx", "binance"):
        claim(redis_url, START, END, feed)
    land(url, shared(("okx", "binance"), START, START + HOUR, 20 * SECOND))
    land(url, shared(("binance",), START + 2 * HOUR, START + 3 * HOUR, 20 * SECOND))
    land(url, [trade(9, START + 4 * HOUR)])
    materialize(url, redis_url)
    silence = (START + HOUR - 20 * SECOND, START + 4 * HOUR)
    expected = [((at - START) / 1000) for at in silence]
    assert gaps(url) == [(*expected, "silent", False)] and gaps(url, "binance") == []
    assert row(url, "silent_seconds, covered_seconds") == (10_820, 75_580)
    # What history brings does not show that anything was delivered.
    land(url, [trade(10, START + 2 * HOUR, source="import:okx_rest")])
    heal(url, *silence, END)
    materialize(url, redis_url)
    assert gaps(url) == [(*expected, "silent", True)]
    patient = OKX.model_copy(update={"silent_expected_events": 100_000})
    materialize(url, redis_url, settings=patient)
    assert gaps(url) == []


def test_a_venue_silent_all_day_is_known_by_the_days_before(url: str, redis_url: str) -> None:
    for feed in ("okx", "binance"):
        claim(redis_url, START, END, feed)
        claim(redis_url, END, END + 24 * HOUR, feed)
    land(url, shared(("okx", "binance"), START, END, 600 * SECOND))
    land(url, shared(("binance",), END, END + HOUR, 20 * SECOND))
    materialize(url, redis_url)
    materialize(url, redis_url, NEXT, now=END + 25 * HOUR)
    assert row(url, "silent_seconds, coverage", day=NEXT) == (86_400, 0)
    assert row(url, "silent_seconds", "binance", NEXT) == (0,)


def test_events_of_several_meanings_are_labelled_with_each(url: str, redis_url: str) -> None:
    land(url, [trade(1, NOON, feed_semantics="b"), trade(2, NOON, feed_semantics="a", market=Market.INVERSE)])
    land(url, [trade(3, NOON, feed_semantics="complete")])
    materialize(url, redis_url)
    assert row(url, "complete, feed_semantics, event_count") == (False, "b,complete", 2)
    assert row(url, "feed_semantics, event_count", "okx:inverse") == ("a", 1)


def test_a_day_beyond_retention_keeps_what_was_made_of_it(url: str, redis_url: str) -> None:
    with pytest.raises(DayRefusedError, match="LIQ_RETENTION_DAYS"):
        materialize(url, redis_url, settings=Settings())
