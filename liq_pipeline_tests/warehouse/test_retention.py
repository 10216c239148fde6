"""Retention: what goes, what stays, and what is never made again of what is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from liq_pipeline.detection.padding import Span
from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import day_rows, days, dropping, loader, policies, reads, retention, rollups
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import KEEP, add, as_entry, entry, query, utc
from liq_pipeline_tests.warehouse.test_days import burst, land, rerun_stale, rows
from liq_pipeline_tests.warehouse.test_upgrade import make_old

HOUR = 3_600_000
TODAY = datetime.now(UTC).date()
WEEK = Settings(retention_days=7, rollup_retention_days=30)
EVENTS = ("liquidations_raw", "liquidations")
DERIVED = ("liquidations_significant", "liquidation_cascades", *rollups.TABLES)


def ago(number: int) -> date:
    return TODAY - timedelta(number)


def noon(day: date) -> int:
    return day_span(day).start + 12 * HOUR


def retain(database_url: str, settings: Settings) -> dropping.Dropped:
    """What a start and the daily job do."""
    policies.apply(database_url, settings)
    return dropping.drop(database_url, settings)


def make(database_url: str, *wanted: date) -> None:
    for day in wanted:
        days.materialize_events(database_url, day, KEEP)
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, day, KEEP)


def filled(database_url: str, *wanted: date) -> None:
    """Days with a cascade at noon each, made."""
    for day in wanted:
        land(database_url, [as_entry(event) for event in burst(noon(day), 100)])
    make(database_url, *wanted)


def days_in(database_url: str, table: str) -> list[date]:
    column = {**retention.EVENTS, **retention.DERIVED}[table]
    found = query(database_url, f"SELECT DISTINCT ({column} AT TIME ZONE 'UTC')::date FROM {table} ORDER BY 1")
    return [day for (day,) in found]


def test_each_table_keeps_exactly_the_days_its_setting_names(warehouse_url: str) -> None:
    filled(warehouse_url, ago(31), ago(30), ago(8), ago(7), ago(0))
    retain(warehouse_url, WEEK)
    assert {table: days_in(warehouse_url, table) for table in EVENTS} == {table: [ago(7), ago(0)] for table in EVENTS}
    kept = [ago(30), ago(8), ago(7), ago(0)]
    assert {table: days_in(warehouse_url, table) for table in DERIVED} == dict.fromkeys(DERIVED, kept)


def test_zero_keeps_everything_and_what_is_made_of_events_is_kept_as_long_as_they_are(warehouse_url: str) -> None:
    filled(warehouse_url, ago(400), ago(40))
    retain(warehouse_url, Settings(retention_days=0))
    retain(warehouse_url, Settings(retention_days=50, rollup_retention_days=0))
    assert days_in(warehouse_url, "liquidations") == [ago(40)]
    assert days_in(warehouse_url, "liquidations_hourly") == [ago(400), ago(40)]
    retain(warehouse_url, Settings(retention_days=50, rollup_retention_days=7))
    assert {table: days_in(warehouse_url, table) for table in DERIVED} == {table: [ago(40)] for table in DERIVED}


def test_a_day_without_its_events_is_refused_after_retention_was_raised_again(warehouse_url: str) -> None:
    filled(warehouse_url, ago(20), ago(2))
    before = {table: query(warehouse_url, f"SELECT * FROM {table} ORDER BY {table}::text") for table in DERIVED}
    retain(warehouse_url, WEEK)
    retain(warehouse_url, KEEP)
    with pytest.raises(DayRefusedError, match=f"the events of {ago(20)} were dropped by retention"):
        days.materialize_events(warehouse_url, ago(20), KEEP, force=True)
    with connect(warehouse_url) as connection:
        late = insert_rows(connection, [entry(1, noon(ago(20))), entry(2, noon(ago(2)))])
        assert [day for day, _ in reads.behind_rollups(connection, KEEP)] == []
    assert (late.new, [position for position, _ in late.conflicts]) == (1, [0])
    assert f"the events of {ago(20)} were dropped by retention" in late.conflicts[0].reason
    for table in rollups.TABLES:
        with pytest.raises(DayRefusedError, match="dropped by retention"):
            rollups.materialize(warehouse_url, table, ago(20), KEEP, force=True)
    other = Settings(retention_days=0, cascade_min_events=2)
    assert [found.day for found in days.stale_days(warehouse_url, other)] == [ago(2)]
    after = {table: query(warehouse_url, f"SELECT * FROM {table} ORDER BY {table}::text") for table in DERIVED}
    assert after == before


def test_a_day_whose_events_go_while_it_is_made_keeps_what_was_made_of_them(
    timescaledb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies take no lock of ours; a setting may be lowered while a day is made under the old one."""
    filled(timescaledb_url, ago(20))
    before = query(timescaledb_url, "SELECT * FROM liquidations_significant ORDER BY time, event_id")
    read = day_rows.read_raw

    def read_late(connection: Connection, span: Span) -> pl.DataFrame:
        policies.apply(timescaledb_url, WEEK)
        return read(connection, span)

    monkeypatch.setattr(day_rows, "read_raw", read_late)
    with pytest.raises(DayRefusedError, match=f"the events of {ago(20)} were dropped by retention"):
        days.materialize_events(timescaledb_url, ago(20), KEEP, force=True)
    assert before
    assert query(timescaledb_url, "SELECT * FROM liquidations_significant ORDER BY time, event_id") == before


def test_a_day_that_was_let_go_of_can_be_brought_in_again(warehouse_url: str) -> None:
    filled(warehouse_url, ago(20))
    held = rows(warehouse_url)
    retain(warehouse_url, WEEK)
    retain(warehouse_url, KEEP)
    with connect(warehouse_url) as connection:
        reason = retention.gone(connection, [ago(20)])[ago(20)]
    query(
        warehouse_url,
        "INSERT INTO unmatched_days VALUES ('binance', 'BTCUSDT', %s, 'import:tardis')",
        ago(20),
    )
    query(warehouse_url, reason[reason.index("UPDATE") :])
    assert not query(warehouse_url, "SELECT day FROM unmatched_days")
    filled(warehouse_url, ago(20))
    assert rows(warehouse_url) == held


def test_what_comes_late_for_a_dropped_day_is_kept_as_rejected(warehouse_url: str, redis_url: str) -> None:
    filled(warehouse_url, ago(20))
    retain(warehouse_url, WEEK)
    add(redis_url, [entry(1, noon(ago(20))), entry(2, noon(ago(1)))])
    drained = loader.drain(warehouse_url, redis_url, KEEP)
    assert (drained.new, drained.refused) == (1, 1)
    assert "dropped by retention" in query(warehouse_url, "SELECT reason FROM frames_rejected")[0][0]


def test_only_days_that_had_events_count_as_dropped(warehouse_url: str) -> None:
    days.materialize_events(warehouse_url, ago(20), KEEP)
    filled(warehouse_url, ago(19))
    assert retain(warehouse_url, WEEK).days in ([], [ago(19)])
    with connect(warehouse_url) as connection:
        assert list(retention.gone(connection, [ago(number) for number in range(30)])) == [ago(19)]
    dropped = query(warehouse_url, "SELECT day FROM day_state WHERE events_dropped_at IS NOT NULL")
    assert dropped == [(ago(19),)]
    land(warehouse_url, [entry(1, noon(ago(20)))])
    make(warehouse_url, ago(20))
    assert days_in(warehouse_url, "liquidations") == [ago(20)]


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_day_beside_a_dropped_one_keeps_what_it_shares_with_it(side: str, warehouse_url: str) -> None:
    lost, day = (ago(8), ago(7)) if side == "before" else (ago(8), ago(9))
    midnight = day_span(max(lost, day)).start
    events = burst(midnight - 100_000, 200)
    land(warehouse_url, [as_entry(event) for event in events])
    rerun_stale(warehouse_url)
    held = rows(warehouse_url)
    if side == "before":
        retain(warehouse_url, WEEK)
    else:
        _lose(warehouse_url, lost)
    land(warehouse_url, [entry(1, noon(day))])
    with pytest.raises(DayRefusedError, match=f"{day} may share a cascade with {lost}.*kept as it is"):
        days.materialize_events(warehouse_url, day, KEEP)
    assert rows(warehouse_url)["liquidation_cascades"] == held["liquidation_cascades"]


def test_a_day_beside_a_dropped_one_is_made_again_where_nothing_crossed(warehouse_url: str) -> None:
    midnight = day_span(ago(7)).start
    quiet = [entry(1, midnight - 1000), entry(2, midnight + 1000)]
    land(warehouse_url, [*quiet, *(as_entry(event) for event in burst(noon(ago(7)), 100))])
    rerun_stale(warehouse_url)
    retain(warehouse_url, WEEK)
    land(warehouse_url, [entry(3, noon(ago(7)))])
    days.materialize_events(warehouse_url, ago(7), KEEP)
    assert query(warehouse_url, "SELECT count(*) FROM liquidations") == [(12,)]
    # What comes late near the border may be part of a cascade that nobody can see any more.
    land(warehouse_url, [entry(4, midnight + 59_999)])
    with pytest.raises(DayRefusedError, match="may share a cascade"):
        days.materialize_events(warehouse_url, ago(7), KEEP)


def test_the_first_day_of_all_needs_nothing_before_it(warehouse_url: str) -> None:
    land(warehouse_url, [as_entry(event) for event in burst(day_span(ago(7)).start, 100)])
    retain(warehouse_url, WEEK)
    assert days.materialize_events(warehouse_url, ago(7), WEEK).cascades == 1


def test_rejected_frames_coverage_and_what_live_views_recorded_are_kept_as_long_as_rollups(warehouse_url: str) -> None:
    for number in (31, 30):
        query(
            warehouse_url,
            "INSERT INTO frames_rejected (received_at, reason, frame) VALUES (%s, 'no JSON', '')",
            utc(noon(ago(number))),
        )
        query(
            warehouse_url,
            "INSERT INTO live_late_events (event_id, symbol, time, arrived_at)"
            " VALUES (gen_random_uuid(), 'BTCUSDT', %s, now())",
            utc(noon(ago(number))),
        )
        query(
            warehouse_url,
            "INSERT INTO feed_gaps (exchange, started_at, ended_at, reason) VALUES ('okx', %s, now(), 'down')",
            utc(noon(ago(number))),
        )
        query(
            warehouse_url,
            "INSERT INTO feed_coverage (exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds,"
            " event_count, complete) VALUES ('okx', %s, 0, 0, 1, 86400, 0, false)",
            ago(number),
        )
    retain(warehouse_url, WEEK)
    assert query(warehouse_url, "SELECT day FROM feed_coverage") == [(ago(30),)]
    assert query(warehouse_url, "SELECT (started_at AT TIME ZONE 'UTC')::date FROM feed_gaps") == [(ago(30),)]
    assert query(warehouse_url, "SELECT (received_at AT TIME ZONE 'UTC')::date FROM frames_rejected") == [(ago(30),)]
    assert query(warehouse_url, "SELECT (time AT TIME ZONE 'UTC')::date FROM live_late_events") == [(ago(30),)]


def test_policies_are_changed_only_where_settings_are(timescaledb_url: str) -> None:
    jobs = (
        "SELECT job_id, config FROM timescaledb_information.jobs"
        " WHERE hypertable_schema = 'public' AND proc_name = 'policy_{}' ORDER BY 1"
    )
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(policies.apply, [timescaledb_url] * 3, [WEEK] * 3))
    first = {kind: query(timescaledb_url, jobs.format(kind)) for kind in ("retention", "compression")}
    assert (len(first["retention"]), len(first["compression"])) == (7, 4)
    policies.apply(timescaledb_url, Settings(retention_days=8, rollup_retention_days=30))
    changed = query(timescaledb_url, jobs.format("retention"))
    assert [job for job, _ in changed] == [job for job, _ in first["retention"]]
    assert [config["drop_after"] for _, config in changed] == ["8 days"] * 2 + ["30 days"] * 5
    policies.apply(timescaledb_url, KEEP)
    assert query(timescaledb_url, jobs.format("retention")) == []
    assert query(timescaledb_url, jobs.format("compression")) == first["compression"]


def test_policies_that_no_worker_ran_are_run_by_the_daily_job(timescaledb_url: str) -> None:
    policies.apply(timescaledb_url, WEEK)
    query(timescaledb_url, "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
    filled(timescaledb_url, ago(20), ago(6))
    land(timescaledb_url, [entry(5, noon(ago(7)) + 11 * HOUR), entry(6, noon(ago(9)))])
    dropped = dropping.drop(timescaledb_url, WEEK)
    assert dropped.days == [ago(20), ago(9)]
    assert len(dropped.policies) == 11 and "policy_retention of liquidations_raw" in dropped.policies
    assert days_in(timescaledb_url, "liquidations_raw") == [ago(7), ago(6)]


def _lose(database_url: str, day: date) -> None:
    """As if retention had taken just this day: settings were raised, and older days came in later."""
    span = day_span(day)
    for table in EVENTS:
        query(database_url, f"DELETE FROM {table} WHERE time >= %s AND time < %s", utc(span.start), utc(span.end))
    query(database_url, "UPDATE day_state SET events_dropped_at = now() WHERE day = %s", day)


def test_rollups_of_days_without_events_become_part_of_the_aggregates(
    database_url: str, timescaledb_version: str | None
) -> None:
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    make_old(database_url, 8, timescaledb=True)
    old = (utc(noon(ago(200))), "okx", "BTCUSDT", "LONG", 3, 6, 2, 3, 1, 1, 5, 0, None)
    query(database_url, f"INSERT INTO liquidations_hourly VALUES ({', '.join(['%s'] * len(old))})", *old)
    migrate(database_url)
    filled(database_url, ago(5))
    assert query(database_url, "SELECT * FROM liquidations_hourly WHERE hour < now() - interval '100 days'") == [old]
    described = (
        "SELECT obj_description(oid), col_description(oid, 6) FROM pg_class WHERE relname = 'liquidations_hourly'"
    )
    assert query(database_url, described) == [("liquidations by hour, exchange, symbol and side.", "USD, exact.")]
