"""The checks of feed_coverage and feed_gaps, on days that collectors' claims made and on rows that contradict them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import redis

from liq_pipeline.dagster_defs.checks.coverage import above_threshold, gaps_add_up, judge_coverage
from liq_pipeline.dagster_defs.checks.rules import Look
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import DAY
from liq_pipeline_tests.warehouse.test_coverage import END, HOUR, OKX, START, claim, heal, materialize, note


@pytest.fixture(scope="module")
def half_a_day(postgres_server: str, redis_server: str) -> Iterator[str]:
    """A database with a day that OKX was collected from noon on, with an hour of troubles."""
    with fresh_database(postgres_server) as url, redis.Redis.from_url(redis_server) as client:
        migrate(url, plain=True)
        client.flushdb()
        claim(redis_server, START + 12 * HOUR, START + 20 * HOUR)
        claim(redis_server, START + 21 * HOUR, END)
        note(redis_server, "silent", START + 20 * HOUR, START + 20 * HOUR + 600_000)
        materialize(url, redis_server)
        client.flushdb()
        yield url


@contextmanager
def changed(database_url: str, *changes: str) -> Iterator[Look]:
    """A look at the day after these statements, which are undone."""
    with connect(database_url) as connection:
        for change in changes:
            connection.execute(change.encode())
        yield Look(connection, DAY, OKX, datetime.now(UTC))
        connection.rollback()


def test_a_feed_is_held_to_the_hours_since_its_first_collector(half_a_day: str, redis_url: str) -> None:
    with changed(half_a_day) as look:
        verdict = above_threshold(look)
        assert not verdict.passed
        assert not verdict.severe
        assert verdict.seen == {"okx": round(11 / 12, 6)}
        assert verdict.worst[0]["silent_seconds"] == 600
        look.settings = OKX.model_copy(update={"coverage_threshold": 0.9})
        assert above_threshold(look).passed
        assert gaps_add_up(look).passed


def test_what_was_healed_counts_as_seen(half_a_day: str, redis_url: str) -> None:
    heal(half_a_day, START + 20 * HOUR, START + 21 * HOUR, END + HOUR)
    materialize(half_a_day, redis_url)
    with changed(half_a_day) as look:
        assert above_threshold(look).passed
        assert gaps_add_up(look).passed


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM feed_gaps WHERE reason = 'silent'",
        "UPDATE feed_gaps SET ended_at = ended_at + interval '1 second' WHERE reason = 'silent'",
        "UPDATE feed_gaps SET reason = 'overloaded' WHERE reason = 'silent'",
        "UPDATE feed_gaps SET started_at = started_at - interval '1 hour' WHERE reason = 'down'",
        "UPDATE feed_coverage SET covered_seconds = covered_seconds + 1",
        "DELETE FROM feed_coverage",
        f"INSERT INTO feed_gaps SELECT exchange, '{DAY} 13:00Z', '{DAY} 13:01Z', 'down' FROM feed_coverage",
    ],
)
def test_gaps_that_do_not_make_up_the_day_with_what_was_covered_fail(half_a_day: str, statement: str) -> None:
    with changed(half_a_day, statement) as look:
        verdict = gaps_add_up(look)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.worst[0]["exchange"] == "okx"


def test_a_day_of_nothing_passes(half_a_day: str) -> None:
    with changed(half_a_day, "DELETE FROM feed_coverage", "DELETE FROM feed_gaps") as look:
        assert above_threshold(look).passed
        assert gaps_add_up(look).passed


def _feed(elapsed: int, uncollected: int, covered: int, feed: str = "okx:inverse") -> dict[str, Any]:
    reasons = {name: Decimal(0) for name in ("down_seconds", "silent_seconds", "overloaded_seconds", "healed_seconds")}
    return {
        **reasons, "exchange": feed, "elapsed_seconds": Decimal(elapsed), "uncollected_seconds": Decimal(uncollected),
        "covered_seconds": Decimal(covered), "gap_count": 1, "longest_gap_seconds": Decimal(1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feed", "passed", "said"),
    [
        (_feed(86_400, 0, 82_080), True, "1 feeds seen"),
        (_feed(86_400, 0, 82_079), False, "okx:inverse 94.999%"),
        (_feed(86_400, 86_400, 0), True, "okx:inverse never collected"),
        (_feed(3_599, 0, 0), True, "okx:inverse collected for less than an hour"),
        (_feed(86_400, 82_801, 0), True, "okx:inverse collected for less than an hour"),
        (_feed(3_600, 0, 0), False, "okx:inverse 0.000%"),
        (_feed(86_400, 0, 0, "bybit"), True, "no feed of LIQ_EXCHANGES to judge"),
    ],
)
def test_only_feeds_that_are_configured_and_were_collected_for_an_hour_are_judged(
    feed: dict[str, Any], passed: bool, said: str
) -> None:
    verdict = judge_coverage([feed], ("binance", "okx:inverse"), 0.95)
    assert verdict.passed is passed
    assert said in verdict.description
