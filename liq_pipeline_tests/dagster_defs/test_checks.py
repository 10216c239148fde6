"""The checks on real tables: each passes on good rows, and fails on rows that are wrong in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from liq_pipeline import queries, report
from liq_pipeline.dagster_defs.checks import definitions, events, raw
from liq_pipeline.dagster_defs.checks.definitions import CHECKS
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict, looking
from liq_pipeline.liquidation import Market, Side
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events
from liq_pipeline.warehouse.loader import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry, query

ETH = "symbol = 'ETHUSDT'"
FIRST_MEMBER = "(SELECT min(time) FROM liquidations WHERE is_cascade)"


@pytest.fixture(scope="module", params=["plain", "timescaledb"])
def good_day(request: pytest.FixtureRequest, postgres_server: str, timescaledb_version: str | None) -> Iterator[str]:
    """A database with one good day, a burst that is a cascade and single events. Nobody commits changes to it."""
    if request.param == "timescaledb" and timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    burst = [entry(n, NOON + n * 100, value_usd="50000", symbol="ETHUSDT", contract="ETHUSDT") for n in range(8)]
    singles = [entry(n, NOON + n * 600_000) for n in range(20, 30)]
    with fresh_database(postgres_server) as url:
        migrate(url, plain=request.param == "plain")
        with connect(url) as connection:
            insert_rows(connection, [*burst, *singles])
        materialize_events(url, DAY, KEEP)
        for table in rollups.TABLES:
            rollups.materialize(url, table, DAY, KEEP)
        yield url


@contextmanager
def changed(database_url: str, *changes: str | Sequence[Entry], settings: Settings = KEEP) -> Iterator[Look]:
    """A look at the day with these statements executed, and these entries landed; all is undone afterwards."""
    with connect(database_url) as connection:
        for change in changes:
            if isinstance(change, str):
                connection.execute(change.encode())
            else:
                insert_rows(connection, change)
        yield Look(connection, DAY, settings, datetime(2026, 11, 22, tzinfo=UTC))
        connection.rollback()


def check(look: Look, name: str) -> Verdict:
    """The verdict of the check called ``table/name``."""
    table, _, name = name.partition("/")
    return next(item.rule for item in CHECKS[table] if item.name == name)(look)


def after(database_url: str, name: str, *changes: str | Sequence[Entry], settings: Settings = KEEP) -> Verdict:
    """The verdict of ``table/name`` on the changed day."""
    with changed(database_url, *changes, settings=settings) as look:
        return check(look, name)


def _reported(database_url: str, day: date, folder: Path) -> Settings:
    """Settings under which the day has its report."""
    settings = KEEP.model_copy(update={"report_dir": folder})
    with queries.connect(settings, database_url=database_url) as store:
        report.write(settings, day, report.render(report.gather(store, day)))
    return settings


def test_a_good_day_passes_everything_as_the_reader(good_day: str, tmp_path: Path) -> None:
    with looking(good_day, [DAY], _reported(good_day, DAY, tmp_path)) as (look,):
        verdicts = {f"{table}/{item.name}": item.rule(look) for table in CHECKS for item in CHECKS[table]}
    assert {name: verdict.description for name, verdict in verdicts.items() if not verdict.passed} == {}
    assert verdicts["liquidations/matches_raw"].seen["rows"] == 18
    assert verdicts["liquidation_cascades/disjoint"].seen["cascades"] == 1
    assert verdicts["liquidation_cascades/ids_stable"].seen == {"cascades": 1, "wrong": 0}
    assert verdicts["liquidations_raw/ids_stable"].seen == {"read_again": 18, "wrong": 0}


def test_a_day_without_events_passes_everything(good_day: str, tmp_path: Path) -> None:
    day = DAY + timedelta(days=30)
    with looking(good_day, [day], _reported(good_day, day, tmp_path)) as (look,):
        verdicts = [item.rule(look) for declared in CHECKS.values() for item in declared]
    assert [verdict.description for verdict in verdicts if not verdict.passed] == []


def test_a_day_whose_events_retention_took_is_not_judged(good_day: str) -> None:
    with changed(good_day, "DELETE FROM liquidations_raw", "DELETE FROM liquidations") as look:
        for table, declared in CHECKS.items():
            for item in declared:
                verdict = definitions.judged(item, look, gone=True)
                assert verdict.passed, (table, item.name)
                assert "dropped by retention" in verdict.description


def test_the_same_liquidation_under_two_ids_is_a_duplicate(good_day: str) -> None:
    twin = entry(20, NOON + 20 * 600_000, event_id="00000000-0000-0000-0000-000000000001")
    verdict = after(good_day, "liquidations_raw/no_duplicates", [twin])
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["repeated"] == 1


def test_identical_rows_of_one_frame_are_no_duplicates(good_day: str) -> None:
    twin = entry(20, NOON + 20 * 600_000, event_id="00000000-0000-0000-0000-000000000001", ordinal=1)
    assert after(good_day, "liquidations_raw/no_duplicates", [twin]).passed


def test_one_id_at_two_times_is_a_duplicate(good_day: str) -> None:
    columns = (
        "event_id, exchange, market, contract, symbol, side, price, price_kind, quantity, value_usd, limit_price, "
        "received_at, source, feed_semantics, is_cascade, cascade_id, risk_score, is_significant, price_level"
    )
    again = (
        f"INSERT INTO liquidations (time, {columns}) SELECT time + interval '1 second', {columns} FROM liquidations "
        "ORDER BY time LIMIT 1"
    )
    assert not after(good_day, "liquidations/no_duplicates", again).passed


def test_a_value_that_is_not_price_times_quantity_fails_and_blocks(good_day: str) -> None:
    off = f"UPDATE liquidations_raw SET value_usd = value_usd + 0.000001 WHERE {ETH}"
    verdict = after(good_day, "liquidations_raw/value_is_price_times_quantity", off)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.worst == [{"exchange": "binance", "market": "linear", "events": 18, "wrong": 8}]


@pytest.mark.parametrize(("value", "passed"), [("100", True), ("100.000001", False)])
def test_values_of_inverse_contracts_fit_within_the_rounding_of_their_quantity(
    good_day: str, value: str, passed: bool
) -> None:
    inverse = entry(
        1, market=Market.INVERSE, contract="BTCUSD_PERP", symbol="BTCUSD", price="82651.9", limit_price=None,
        quantity="0.001209893541", value_usd=value,
    )  # fmt: skip
    verdict = after(good_day, "liquidations_raw/value_is_price_times_quantity", [inverse])
    assert verdict.passed is passed


def test_swapped_sides_fail_and_block(good_day: str) -> None:
    name, odd = "liquidations_raw/limit_beyond_fill", [entry(n, NOON + n) for n in range(1, 181, 2)]
    assert "not judged" in after(good_day, name).description
    assert after(good_day, name, odd).passed
    swapped = after(good_day, name, odd, "UPDATE liquidations_raw SET side = 'SHORT'")
    assert not swapped.passed
    assert swapped.severe
    assert "swapped" in swapped.description


@pytest.mark.parametrize(
    ("paired", "beyond", "passed", "severe"),
    [(49, 0, True, True), (50, 48, True, True), (456, 450, True, True), (456, 430, False, False), (90, 3, False, True)],
)
def test_of_few_limits_some_may_be_on_the_wrong_side_by_chance(
    paired: int, beyond: int, passed: bool, severe: bool
) -> None:
    row = {"exchange": "binance", "market": "linear", "paired": paired, "beyond": beyond}
    verdict = raw.judge_limits([row], 0.98)
    assert (verdict.passed, verdict.severe) == (passed, severe)


def test_shorts_have_their_limits_above_their_fills(good_day: str) -> None:
    shorts = [entry(n, NOON + n, side=Side.SHORT) for n in range(1, 121, 2)]
    assert after(good_day, "liquidations_raw/limit_beyond_fill", shorts).seen["binance_linear_beyond"] == 1


def test_an_id_that_todays_parser_does_not_give_fails_without_blocking(good_day: str) -> None:
    other = f"UPDATE liquidations_raw SET event_id = md5(event_id::text)::uuid WHERE {ETH}"
    verdict = after(good_day, "liquidations_raw/ids_stable", other)
    assert not verdict.passed
    assert verdict.seen == {"read_again": 18, "wrong": 8}
    assert {row["contract"] for row in verdict.worst} == {"ETHUSDT"}


def test_a_frame_that_todays_parser_refuses_is_named_with_its_reason(good_day: str) -> None:
    first = "(SELECT min(time) FROM liquidations_raw)"
    nothing = f"""UPDATE liquidations_raw SET raw_data = '{{"e": "forceOrder"}}' WHERE time = {first}"""
    (row,) = after(good_day, "liquidations_raw/ids_stable", nothing).worst
    assert row["today"]
    assert row["today"] != row["event_id"]


def test_of_a_busy_day_the_same_sample_is_read_again(good_day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "SAMPLE", 3)
    smallest = "(SELECT event_id FROM liquidations_raw ORDER BY event_id LIMIT 1)"
    with changed(good_day) as look:
        assert check(look, "liquidations_raw/ids_stable").seen["read_again"] in (1, 2, 3)
    wrong = (
        f"""UPDATE liquidations_raw SET raw_data = jsonb_set(raw_data, '{{o,z}}', '"99"') WHERE event_id = {smallest}"""
    )
    assert not after(good_day, "liquidations_raw/ids_stable", wrong).passed


def test_a_price_far_from_its_minutes_median_is_named_and_only_warns(good_day: str) -> None:
    far = f"UPDATE liquidations_raw SET price = price * 1000 WHERE {ETH} AND time = {FIRST_MEMBER}"
    verdict = after(good_day, "liquidations_raw/prices_near_median", far)
    assert not verdict.passed
    assert not verdict.severe
    assert verdict.seen["far"] == 1
    assert [(row["contract"], row["price"]) for row in verdict.worst] == [("ETHUSDT", Decimal(12500))]
    wide = KEEP.model_copy(update={"price_distance": 2000.0})
    assert after(good_day, "liquidations_raw/prices_near_median", far, settings=wide).passed


def test_a_price_of_a_thin_minute_is_compared_with_its_hour_and_of_a_thin_hour_with_nothing(good_day: str) -> None:
    name = "liquidations_raw/prices_near_median"

    def sol(minutes: Sequence[int]) -> list[Entry]:
        return [
            entry(n, NOON + minute * 60_000 + n, symbol="SOL", contract="SOL", price="99" if minute == 50 else "9")
            for n, minute in enumerate(minutes)
        ]

    assert after(good_day, name, sol([1, 50])).passed
    assert after(good_day, name, sol([1, 10, 20, 30, 50])).seen["far"] == 1
    # In its own minute the price is right, however far the hour has moved.
    assert after(good_day, name, sol([1, 10, 20, 30, 50, 50, 50])).passed


def test_a_missing_enriched_row_fails_the_comparison_with_raw(good_day: str) -> None:
    missing = "DELETE FROM liquidations WHERE NOT is_cascade AND time = (SELECT max(time) FROM liquidations)"
    verdict = after(good_day, "liquidations/matches_raw", missing)
    assert not verdict.passed
    assert verdict.severe
    assert (verdict.seen["raw_rows"], verdict.seen["rows"]) == (18, 17)


def test_a_changed_value_fails_the_comparison_with_raw(good_day: str) -> None:
    off = f"UPDATE liquidations SET value_usd = value_usd + 0.000001 WHERE {ETH}"
    assert not after(good_day, "liquidations/matches_raw", off).passed


def test_rows_that_landed_after_the_day_was_read_are_no_failure(good_day: str) -> None:
    verdict = after(good_day, "liquidations/matches_raw", [entry(40, NOON + 1)])
    assert verdict.passed
    assert "1 landed since" in verdict.description


def test_rows_lost_while_others_landed_still_fail_when_the_table_has_more_than_raw() -> None:
    assert not events.judge_match(17, Decimal(1), 18, Decimal(2), 3, 2).passed


def test_an_event_at_another_time_than_it_landed_with_fails_unless_raw_changed_since(good_day: str) -> None:
    moved = f"UPDATE liquidations SET time = time + interval '1 hour' WHERE time = {FIRST_MEMBER}"
    verdict = after(good_day, "liquidations/inside_day", moved)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen == {"rows": 18, "elsewhere": 1}
    reread = after(good_day, "liquidations/inside_day", moved, "UPDATE day_state SET raw_version = raw_version + 1")
    assert not reread.passed
    assert not reread.severe


def test_a_cascade_member_missing_from_the_significant_ones_fails(good_day: str) -> None:
    missing = "DELETE FROM liquidations_significant WHERE time = (SELECT min(time) FROM liquidations_significant)"
    assert not after(good_day, "liquidations_significant/complete", missing).passed


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        (
            f"UPDATE liquidations_significant SET time = time + interval '1 hour' WHERE time = {FIRST_MEMBER}",
            {"rows": 8, "elsewhere": 1, "wrong_sessions": 0},
        ),
        (
            "UPDATE liquidations_significant SET session_type = 'asian'",
            {"rows": 8, "elsewhere": 0, "wrong_sessions": 8},
        ),
    ],
)
def test_a_significant_row_in_another_hour_or_session_than_its_event_fails(
    good_day: str, statement: str, seen: dict[str, int]
) -> None:
    verdict = after(good_day, "liquidations_significant/inside_day", statement)
    assert not verdict.passed
    assert verdict.seen == seen


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM liquidation_cascades",
        "UPDATE liquidation_cascades SET event_count = event_count + 1",
        "UPDATE liquidation_cascades SET total_value_usd = total_value_usd + 0.000001",
        "UPDATE liquidations SET is_cascade = false, cascade_id = NULL WHERE is_cascade",
    ],
)
def test_a_cascade_that_differs_from_its_members_fails_and_blocks(good_day: str, statement: str) -> None:
    verdict = after(good_day, "liquidation_cascades/members_add_up", statement)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["wrong"] == 1


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        (
            f"UPDATE liquidations SET is_cascade = false, cascade_id = NULL WHERE time = {FIRST_MEMBER}",
            {"cascades": 1, "meeting": 0, "strangers": 1, "astray": 0, "wrong_symbols": 1},
        ),
        (
            "UPDATE liquidation_cascades SET cascade_end = cascade_start + interval '500 milliseconds'",
            {"cascades": 1, "meeting": 0, "strangers": 0, "astray": 2, "wrong_symbols": 1},
        ),
        (
            "INSERT INTO liquidation_cascades SELECT (json_populate_record(c, json_build_object("
            "'cascade_start', cascade_start + interval '300 milliseconds', 'cascade_id', gen_random_uuid()))).*"
            " FROM liquidation_cascades AS c",
            {"cascades": 2, "meeting": 1, "strangers": 0, "astray": 0, "wrong_symbols": 1},
        ),
    ],
    ids=["a stranger within", "members astray", "two that meet"],
)
def test_cascades_are_apart_and_all_within_them_are_members(
    good_day: str, statement: str, seen: dict[str, int]
) -> None:
    verdict = after(good_day, "liquidation_cascades/disjoint", statement)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen == seen
    assert [row["symbol"] for row in verdict.worst] == ["ETHUSDT"]


def test_a_cascade_id_that_its_start_does_not_give_fails_without_blocking(good_day: str) -> None:
    other = "UPDATE liquidation_cascades SET cascade_id = md5('other')::uuid"
    verdict = after(good_day, "liquidation_cascades/ids_stable", other)
    assert not verdict.passed
    assert verdict.worst[0]["symbol"] == "ETHUSDT"
    settings = KEEP.model_copy(update={"cascade_min_events": 7})
    stale = after(good_day, "liquidation_cascades/ids_stable", other, settings=settings)
    assert stale.passed
    assert "stale" in stale.description


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE liquidation_cascades SET hour = hour + interval '1 hour'",
        "UPDATE liquidation_cascades SET duration_seconds = duration_seconds + 0.001",
    ],
)
def test_a_cascade_in_another_hour_than_its_start_or_of_another_duration_fails(good_day: str, statement: str) -> None:
    assert not after(good_day, "liquidation_cascades/inside_day", statement).passed


def test_a_cascade_over_midnight_passes_on_both_its_days_in_whatever_order_they_are_made(warehouse_url: str) -> None:
    midnight, tomorrow = NOON + 12 * 3_600_000, DAY + timedelta(days=1)
    names = ("liquidation_cascades/members_add_up", "liquidation_cascades/disjoint")

    def verdicts(day: date) -> list[Verdict]:
        with looking(warehouse_url, [day], KEEP) as (look,):
            return [check(look, name) for name in names]

    for at in (midnight - 3_000, midnight + 1_000):
        with connect(warehouse_url) as connection:
            insert_rows(connection, [entry(at + n, at + n, value_usd="50000") for n in range(6)])
        for day in (tomorrow, DAY, tomorrow):
            materialize_events(warehouse_url, day, KEEP)
            assert all(verdict.passed for verdict in verdicts(day)), verdicts(day)
    assert query(warehouse_url, "SELECT max(event_count) FROM liquidation_cascades") == [(12,)]
    assert [verdict.seen["cascades"] for verdict in verdicts(tomorrow)] == [0, 1]
    query(warehouse_url, "UPDATE liquidations SET is_cascade = false, cascade_id = NULL WHERE symbol = 'BTCUSDT'")
    assert not any(verdict.passed for verdict in verdicts(DAY))
    # The day after sees strangers in a cascade that is not its own.
    assert not verdicts(tomorrow)[1].passed


@pytest.mark.parametrize("table", rollups.TABLES)
def test_a_rollup_that_is_off_by_a_micro_dollar_fails_and_blocks(good_day: str, table: str) -> None:
    off = f"UPDATE {table} SET total_value_usd = total_value_usd + 0.000001 WHERE {ETH}"
    verdict = after(good_day, f"{table}/adds_up", off)
    assert not verdict.passed
    assert verdict.severe
    assert verdict.seen["wrong_groups"] == 1


@pytest.mark.parametrize("table", rollups.TABLES)
def test_errors_that_cancel_in_the_total_still_fail(good_day: str, table: str) -> None:
    assert not after(good_day, f"{table}/adds_up", f"UPDATE {table} SET symbol = 'SOLUSDT' WHERE {ETH}").passed


@pytest.mark.parametrize(
    "column", ["event_count", "total_value_usd", "max_value_usd", "cascade_count", "significant_count"]
)
def test_totals_that_are_not_those_of_the_hours_fail_and_block(good_day: str, column: str) -> None:
    verdict = after(good_day, "liquidations_hourly/totals", f"UPDATE liquidation_totals SET {column} = {column} + 1")
    assert not verdict.passed
    assert verdict.severe


@pytest.mark.parametrize(("table", "column"), rollups.TABLES.items())
@pytest.mark.parametrize(("by", "misaligned"), [("4 hours", 0), ("10 minutes", 1)])
def test_a_bucket_that_is_moved_fails_though_the_day_adds_up(
    good_day: str, table: str, column: str, by: str, misaligned: int
) -> None:
    first = f"(SELECT min({column}) FROM {table} WHERE {ETH})"
    moved = f"UPDATE {table} SET {column} = {column} + interval '{by}' WHERE {ETH} AND {column} = {first}"
    with changed(good_day, moved) as look:
        assert check(look, f"{table}/adds_up").passed
        verdict = check(look, f"{table}/inside_day")
    assert not verdict.passed
    assert verdict.severe
    assert bool(verdict.seen["misaligned"]) is bool(misaligned)


@pytest.mark.parametrize("name", ["adds_up", "inside_day", "totals"])
def test_a_day_rewritten_after_its_rollup_is_a_warning_that_does_not_block(good_day: str, name: str) -> None:
    gone = (f"DELETE FROM {table} WHERE {ETH}" for table in ("liquidations", "liquidations_significant"))
    rewritten = "UPDATE day_state SET materialization = materialization + 1"
    verdict = after(good_day, f"liquidations_hourly/{name}", rewritten, *gone)
    assert not verdict.passed
    assert not verdict.severe
    assert "rewritten" in verdict.description


def test_the_worst_day_of_several_speaks_for_all() -> None:
    verdicts = [
        (DAY, Verdict(True, "good")),
        (DAY + timedelta(days=1), Verdict(False, "strange", severe=False)),
        (DAY + timedelta(days=2), Verdict(False, "wrong", {"rows": 3})),
    ]
    key = dg.AssetCheckKey(dg.AssetKey("liquidations"), "matches_raw")
    result = definitions.worst(key, verdicts)
    assert (result.passed, result.description, result.severity) == (False, "wrong", dg.AssetCheckSeverity.ERROR)
    assert result.metadata["day"].value == "2025-12-12"
    assert definitions.worst(key, verdicts[:2]).severity is dg.AssetCheckSeverity.WARN


def test_the_worst_rows_are_a_table_whatever_contracts_are_called() -> None:
    verdict = Verdict(False, "far", worst=[{"contract": "A|B", "price": Decimal("1.5")}])
    shown = definitions.result(dg.AssetKey("liquidations_raw"), "prices_near_median", verdict).metadata["worst"]
    assert shown.value == "| contract | price |\n| --- | --- |\n| A&#124;B | 1.5 |"
