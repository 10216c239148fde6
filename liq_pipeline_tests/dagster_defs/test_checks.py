"""The checks on real tables: each passes on good rows, and fails on rows that are wrong in its own way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from liq_pipeline.dagster_defs.checks import events
from liq_pipeline.dagster_defs.checks.definitions import CHECKS
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict, looking
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import rollups as warehouse_rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events
from liq_pipeline.warehouse.loader import insert_rows
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry, query


def see(database_url: str, rule: Callable[[Look], Verdict], day: date = DAY, settings: Settings = KEEP) -> Verdict:
    with looking(database_url, [day], settings) as (look,):
        return rule(look)


def check(database_url: str, name: str, day: date = DAY, settings: Settings = KEEP) -> Verdict:
    """The verdict of the check called ``table/name``."""
    table, _, name = name.partition("/")
    return see(database_url, next(item.rule for item in CHECKS[table] if item.name == name), day, settings)


@pytest.fixture
def day_url(warehouse_url: str) -> str:
    """A database with one good day: a burst that is a cascade, and single events."""
    burst = [entry(n, NOON + n * 100, value_usd="50000", symbol="ETHUSDT", contract="ETHUSDT") for n in range(8)]
    singles = [entry(n, NOON + n * 600_000) for n in range(20, 30)]
    with connect(warehouse_url) as connection:
        insert_rows(connection, [*burst, *singles])
    materialize_events(warehouse_url, DAY, KEEP)
    for table in warehouse_rollups.TABLES:
        warehouse_rollups.materialize(warehouse_url, table, DAY, KEEP)
    return warehouse_url


def _change(database_url: str, statement: str) -> None:
    with connect(database_url) as connection:
        connection.execute(statement.encode())


def test_a_good_day_passes_everything(day_url: str) -> None:
    verdicts = {f"{table}/{item.name}": see(day_url, item.rule) for table in CHECKS for item in CHECKS[table]}
    assert {name: verdict.description for name, verdict in verdicts.items() if not verdict.passed} == {}
    assert verdicts["liquidations/matches_raw"].seen["rows"] == 18
    assert verdicts["liquidation_cascades/disjoint"].seen["cascades"] == 1
    assert verdicts["liquidations_raw/ids_stable"].seen["read_again"] == 18


def test_a_day_without_events_passes_everything(warehouse_url: str) -> None:
    verdicts = [see(warehouse_url, item.rule) for declared in CHECKS.values() for item in declared]
    assert [verdict.description for verdict in verdicts if not verdict.passed] == []


def test_the_same_liquidation_under_two_ids_is_a_duplicate(day_url: str) -> None:
    twin = entry(20, NOON + 20 * 600_000, event_id="00000000-0000-0000-0000-000000000001")
    with connect(day_url) as connection:
        insert_rows(connection, [twin])
    verdict = check(day_url, "liquidations_raw/no_duplicates")
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["repeated"] == 1


def test_identical_rows_of_one_frame_are_no_duplicates(day_url: str) -> None:
    twin = entry(20, NOON + 20 * 600_000, event_id="00000000-0000-0000-0000-000000000001", ordinal=1)
    with connect(day_url) as connection:
        insert_rows(connection, [twin])
    assert check(day_url, "liquidations_raw/no_duplicates").passed


def test_one_id_at_two_times_is_a_duplicate(day_url: str) -> None:
    columns = (
        "event_id, exchange, market, contract, symbol, side, price, price_kind, quantity, value_usd, limit_price, "
        "received_at, source, feed_semantics, is_cascade, cascade_id, risk_score, is_significant, price_level"
    )
    _change(
        day_url,
        f"INSERT INTO liquidations (time, {columns}) SELECT time + interval '1 second', {columns} FROM liquidations "
        "ORDER BY time LIMIT 1",
    )
    assert not check(day_url, "liquidations/no_duplicates").passed


def test_a_missing_enriched_row_fails_the_comparison_with_raw(day_url: str) -> None:
    _change(day_url, "DELETE FROM liquidations WHERE NOT is_cascade AND time = (SELECT max(time) FROM liquidations)")
    verdict = check(day_url, "liquidations/matches_raw")
    assert not verdict.passed
    assert verdict.severe
    assert (verdict.seen["raw_rows"], verdict.seen["rows"]) == (18, 17)


def test_a_changed_value_fails_the_comparison_with_raw(day_url: str) -> None:
    _change(day_url, "UPDATE liquidations SET value_usd = value_usd + 0.000001 WHERE symbol = 'ETHUSDT'")
    assert not check(day_url, "liquidations/matches_raw").passed


def test_rows_that_landed_after_the_day_was_read_are_no_failure(day_url: str) -> None:
    with connect(day_url) as connection:
        insert_rows(connection, [entry(40, NOON + 1)])
    verdict = check(day_url, "liquidations/matches_raw")
    assert verdict.passed
    assert "1 landed since" in verdict.description


def test_rows_lost_while_others_landed_still_fail_when_the_table_has_more_than_raw() -> None:
    assert not events.judge_match(17, Decimal(1), 18, Decimal(2), 3, 2).passed


def test_a_cascade_member_missing_from_the_significant_ones_fails(day_url: str) -> None:
    _change(
        day_url,
        "DELETE FROM liquidations_significant WHERE time = (SELECT min(time) FROM liquidations_significant)",
    )
    assert not check(day_url, "liquidations_significant/complete").passed


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM liquidation_cascades",
        "UPDATE liquidation_cascades SET event_count = event_count + 1",
        "UPDATE liquidation_cascades SET total_value_usd = total_value_usd + 0.000001",
        "UPDATE liquidations SET is_cascade = false, cascade_id = NULL WHERE is_cascade",
    ],
)
def test_a_cascade_that_differs_from_its_members_fails_and_blocks(day_url: str, statement: str) -> None:
    _change(day_url, statement)
    verdict = check(day_url, "liquidation_cascades/members_add_up")
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["wrong"] == 1


def test_a_cascade_over_midnight_adds_up_on_both_its_days_in_whatever_order_they_are_made(day_url: str) -> None:
    midnight, tomorrow = NOON + 12 * 3_600_000, DAY + timedelta(days=1)
    for at in (midnight - 3_000, midnight + 1_000):
        with connect(day_url) as connection:
            insert_rows(connection, [entry(at + n, at + n, value_usd="50000") for n in range(6)])
        for day in (tomorrow, DAY, tomorrow):
            materialize_events(day_url, day, KEEP)
            assert check(day_url, "liquidation_cascades/members_add_up", day).passed
    assert query(day_url, "SELECT max(event_count) FROM liquidation_cascades") == [(12,)]
    _change(day_url, "UPDATE liquidations SET is_cascade = false, cascade_id = NULL WHERE symbol = 'BTCUSDT'")
    assert not check(day_url, "liquidation_cascades/members_add_up").passed


@pytest.mark.parametrize("table", warehouse_rollups.TABLES)
def test_a_rollup_that_is_off_by_a_micro_dollar_fails_and_blocks(day_url: str, table: str) -> None:
    _change(day_url, f"UPDATE {table} SET total_value_usd = total_value_usd + 0.000001 WHERE symbol = 'ETHUSDT'")
    verdict = check(day_url, f"{table}/adds_up")
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["wrong_groups"] == 1


@pytest.mark.parametrize("table", warehouse_rollups.TABLES)
def test_errors_that_cancel_in_the_total_still_fail(day_url: str, table: str) -> None:
    _change(day_url, f"UPDATE {table} SET symbol = 'SOLUSDT' WHERE symbol = 'ETHUSDT'")
    assert not check(day_url, f"{table}/adds_up").passed


def test_a_day_rewritten_after_its_rollup_is_a_warning_that_does_not_block(day_url: str) -> None:
    with connect(day_url) as connection:
        insert_rows(connection, [entry(41, NOON + 2)])
    materialize_events(day_url, DAY, KEEP)
    verdict = check(day_url, "liquidations_hourly/adds_up")
    assert not verdict.passed
    assert not verdict.severe
