"""How a day's events arrived: venue shares against their history, and clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from liq_pipeline.dagster_defs.checks.deliveries import clock_skew, judge_delays, judge_shares, venue_shares
from liq_pipeline.dagster_defs.checks.rules import Look
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.loader import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry

USUAL = {"binance": 500, "bybit": 400, "okx": 100}


def test_shares_as_they_usually_are_pass() -> None:
    verdict = judge_shares({"binance": 260, "bybit": 190, "okx": 40}, [USUAL] * 10, 0.25)
    assert verdict.passed
    assert verdict.seen["binance"] == round(260 / 490, 4)


def test_a_venue_that_fell_silent_or_counts_twice_is_named_with_its_usual_share() -> None:
    verdict = judge_shares({"binance": 500, "okx": 100}, [USUAL] * 10, 0.25)
    assert not verdict.passed
    assert not verdict.severe
    assert verdict.description.startswith("binance has 83.3% of the events, usually 50.0%; bybit has 0.0%")
    assert [row["exchange"] for row in verdict.worst] == ["binance", "bybit"]


def test_a_venue_whose_share_always_varied_may_vary_more_than_the_setting() -> None:
    swinging = [{"binance": 500 + 300 * (-1) ** n, "bybit": 500} for n in range(10)]
    assert judge_shares({"binance": 50, "bybit": 900}, swinging, 0.25).passed
    assert not judge_shares({"binance": 50, "bybit": 900}, [USUAL] * 10, 0.25).passed


@pytest.mark.parametrize(
    ("events", "history"),
    [({}, [USUAL] * 10), ({"binance": 199}, [USUAL] * 10), ({"binance": 900}, [USUAL] * 4)],
)
def test_few_events_or_a_short_history_are_not_judged(events: dict[str, int], history: list[dict[str, int]]) -> None:
    verdict = judge_shares(events, history, 0.25)
    assert verdict.passed
    assert "too few" in verdict.description


def _row(streamed: int = 100, ahead: int = 0, late: int = 0, exchange: str = "okx") -> dict[str, Any]:
    delays = {"least_delay": timedelta(seconds=-3), "delays": timedelta(seconds=streamed)}
    return {"exchange": exchange, "streamed": streamed, "ahead": ahead, "late": late, **delays}


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (_row(ahead=1), True),
        (_row(ahead=2), False),
        (_row(late=50), True),
        (_row(late=51), False),
        (_row(streamed=19, ahead=19), True),
        (_row(streamed=0), True),
    ],
)
def test_a_clock_is_wrong_when_events_come_before_their_time_and_a_feed_slow_when_half_come_late(
    row: dict[str, Any], passed: bool
) -> None:
    verdict = judge_delays([row], 2, 60)
    assert verdict.passed is passed
    assert passed or not verdict.severe


def test_both_are_counted_from_the_tables(database_url: str) -> None:
    migrate(database_url, plain=True)
    history = [
        (DAY - timedelta(days=ago), exchange, events)
        # The fifteenth day before is beyond the history, and says something else.
        for ago in (*range(1, 15), 15)
        for exchange, events in ({"binance": 300, "bybit": 300} if ago < 15 else {"okx": 9_000_000}).items()
    ]
    with connect(database_url) as connection:
        insert_rows(connection, [entry(n, NOON + n) for n in range(400)])
        connection.execute("UPDATE liquidations_raw SET received_at = time - interval '3 seconds' WHERE price > 60")
        connection.execute("UPDATE liquidations_raw SET source = 'import:tardis' WHERE price > 62")
        connection.cursor().executemany(
            "INSERT INTO liquidation_exchange_comparison VALUES (%s, 'BTCUSDT', %s, %s, 1, 1, 0, 0, 0, 0)", history
        )
        look = Look(connection, DAY, KEEP, datetime.now(UTC))
        shares, clocks = venue_shares(look), clock_skew(look)
        connection.rollback()
    assert shares.seen == {"events": 400, "binance": 1.0, "days_of_history": 14}
    assert [row["usual"] for row in shares.worst] == ["50.0%", "50.0%"]
    assert clocks.seen["streamed"] == 397
    assert clocks.seen["binance_least_delay_seconds"] == -3
    assert "binance's events arrived over 2 s before their time" in clocks.description
