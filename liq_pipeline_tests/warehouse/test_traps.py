"""What TimescaleDB does to those who take the obvious way: each test shows that way fail, and ours work."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import polars as pl
import psycopg
import pytest
from psycopg import errors

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import days, migrate, policies, rollups
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry, query
from liq_pipeline_tests.warehouse.test_days import burst, land
from liq_pipeline_tests.warehouse.test_rollups import market, materialize, stored_in

HOURLY = "liquidations_hourly"
_REFRESH = (
    f"CALL refresh_continuous_aggregate('{HOURLY}', '2025-12-10+00'::timestamptz, '2025-12-11+00'::timestamptz,"
    " force => true)"
)


def alone(database_url: str, statement: str, options: str = "") -> None:
    """One statement in no transaction, in a session of its own."""
    with psycopg.connect(database_url, autocommit=True, options=options) as connection:
        connection.execute(statement.encode())


def compress(database_url: str) -> None:
    for table in policies.COMPRESSED:
        query(database_url, f"SELECT compress_chunk(chunk) FROM show_chunks('{table}') AS chunk")


def summed(database_url: str, table: str = HOURLY) -> int:
    """Events of the first day that the rollup counts."""
    time_column = rollups.TABLES[table]
    count = "liquidation_count" if table == "liquidation_price_levels" else "event_count"
    bounds = f"{time_column} >= '2025-12-10+00' AND {time_column} < '2025-12-11+00'"
    return int(query(database_url, f"SELECT coalesce(sum({count}), 0) FROM {table} WHERE {bounds}")[0][0])


def landed(database_url: str) -> int:
    bounds = "time >= '2025-12-10+00' AND time < '2025-12-11+00'"
    return int(query(database_url, f"SELECT count(*) FROM liquidations WHERE {bounds}")[0][0])


def test_a_key_without_the_time_is_impossible_so_ours_has_it(timescaledb_url: str) -> None:
    with pytest.raises(psycopg.Error, match="without the column"):
        query(timescaledb_url, "CREATE UNIQUE INDEX ON liquidations_raw (event_id)")
    tables = policies.COMPRESSED
    keys = query(
        timescaledb_url,
        "SELECT indrelid::regclass::text, indisprimary, attname::text FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] WHERE indrelid = ANY(%s::regclass[])",
        list(tables),
    )
    # One index a table: the key, which begins with the time, serves every query in this repository.
    assert sorted(keys) == sorted(
        (table, True, "cascade_start" if table == "liquidation_cascades" else "time") for table in tables
    )


def test_a_version_before_the_floor_is_left_aside() -> None:
    assert [migrate._recent(version) for version in ("2.24.9", "2.25.0", "2.28.3-dev", "3.0.1")] == [
        *(False, True, True, True)
    ]


@pytest.mark.parametrize("table", rollups.TABLES)
def test_an_old_day_that_changed_shows_once_its_own_window_is_refreshed(table: str, timescaledb_url: str) -> None:
    land(timescaledb_url, [*market(1), entry(1, NOON + 86_400_000 * 20)])
    far = DAY + timedelta(20)
    days.materialize_events(timescaledb_url, far, KEEP)
    # A refresh of a day far ahead moves the watermark over the days between, and those stay empty.
    rollups.materialize(timescaledb_url, table, far, KEEP)
    days.materialize_events(timescaledb_url, DAY, KEEP)
    assert summed(timescaledb_url, table) == 0 < landed(timescaledb_url)
    rollups.materialize(timescaledb_url, table, DAY, KEEP)
    assert summed(timescaledb_url, table) == landed(timescaledb_url)
    land(timescaledb_url, [entry(900, NOON)])
    days.materialize_events(timescaledb_url, DAY, KEEP)
    assert summed(timescaledb_url, table) == landed(timescaledb_url) - 1
    rollups.materialize(timescaledb_url, table, DAY, KEEP)
    assert summed(timescaledb_url, table) == landed(timescaledb_url)


def test_a_refresh_covers_exactly_the_utc_day_whatever_the_session_thinks_of_time(timescaledb_url: str) -> None:
    land(timescaledb_url, market(2))
    for day in (DAY, DAY + timedelta(1)):
        days.materialize_events(timescaledb_url, day, KEEP)
    with pytest.raises(errors.ActiveSqlTransaction):
        query(timescaledb_url, _REFRESH)
    naive = f"CALL refresh_continuous_aggregate('{HOURLY}', '2025-12-10', '2025-12-11')"
    alone(timescaledb_url, naive, options="-c timezone=Asia/Kolkata")
    assert summed(timescaledb_url) < landed(timescaledb_url)
    name = timescaledb_url.rpartition("/")[2]
    alone(timescaledb_url, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    for table in rollups.TABLES:
        rollups.materialize(timescaledb_url, table, DAY, KEEP, force=True)
        assert summed(timescaledb_url, table) == landed(timescaledb_url)
    # Nothing of the next day was touched, but for what the naive refresh did.
    assert query(
        timescaledb_url, "SELECT count(*) FROM liquidation_exchange_comparison WHERE period >= '2025-12-11+00'"
    ) == [(0,)]


def test_a_refresh_waits_for_another_that_overlaps(timescaledb_url: str) -> None:
    land(timescaledb_url, market(3))
    materialize(timescaledb_url)
    held = stored_in(timescaledb_url, HOURLY)
    with ThreadPoolExecutor(2) as pool, psycopg.connect(timescaledb_url) as holder:
        # The other refresh has begun, and hangs in its own delete.
        holder.execute(f"LOCK TABLE {held} IN EXCLUSIVE MODE".encode())
        other = pool.submit(alone, timescaledb_url, _REFRESH)
        _wait_for(
            timescaledb_url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CALL%'"
        )
        with pytest.raises(errors.LockNotAvailable):
            alone(timescaledb_url, _REFRESH)
        ours = pool.submit(rollups.materialize, timescaledb_url, HOURLY, DAY, KEEP, force=True)
        with pytest.raises(TimeoutError):
            ours.result(1)
        holder.rollback()
        other.result(20)
        assert ours.result(20).rewritten
    assert summed(timescaledb_url) == landed(timescaledb_url)


def test_neighbouring_days_are_refreshed_in_parallel(timescaledb_url: str) -> None:
    land(timescaledb_url, market(4))
    materialize(timescaledb_url)
    want = {table: query(timescaledb_url, f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5") for table in rollups.TABLES}
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(rollups.materialize, timescaledb_url, table, DAY + timedelta(number), KEEP, force=True)
            for table in rollups.TABLES
            for number in (0, 1)
            for _ in range(3)
        ]
        assert all(job.result(60).rewritten for job in jobs)
    for table, rows in want.items():
        assert query(timescaledb_url, f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5") == rows


def test_a_day_without_its_chunks_keeps_its_rollups(timescaledb_url: str) -> None:
    land(timescaledb_url, market(5))
    materialize(timescaledb_url)
    events = summed(timescaledb_url)
    for table in ("liquidations_raw", "liquidations"):
        query(timescaledb_url, f"SELECT drop_chunks('{table}', older_than => '2025-12-11+00'::timestamptz)")
    with pytest.raises(DayRefusedError, match=f"the events of {DAY} were dropped by retention.*UPDATE day_state"):
        days.materialize_events(timescaledb_url, DAY, KEEP, force=True)
    for table in rollups.TABLES:
        with pytest.raises(DayRefusedError, match="dropped by retention"):
            rollups.materialize(timescaledb_url, table, DAY, KEEP, force=True)
    assert summed(timescaledb_url) == events > 0
    alone(timescaledb_url, _REFRESH)
    assert summed(timescaledb_url) == 0


@pytest.mark.parametrize(
    "naive",
    [
        "DELETE FROM liquidations WHERE time >= '2025-12-10 00:00:01+00' AND time < '2025-12-11+00'",
        "DELETE FROM liquidations WHERE (time AT TIME ZONE 'UTC')::date = '2025-12-10'",
        "DELETE FROM liquidations WHERE time >= '2025-12-10+00' AND time < '2025-12-11+00' RETURNING time",
    ],
)
def test_a_compressed_day_is_replaced_however_many_rows_it_has(naive: str, timescaledb_url: str) -> None:
    land(timescaledb_url, market(6))
    materialize(timescaledb_url)
    compress(timescaledb_url)
    name = timescaledb_url.rpartition("/")[2]
    alone(timescaledb_url, f"ALTER DATABASE {name} SET timescaledb.max_tuples_decompressed_per_dml_transaction = 10")
    with pytest.raises(psycopg.Error, match="tuple decompression limit exceeded"):
        query(timescaledb_url, naive)
    land(timescaledb_url, [entry(901, NOON)])
    before = landed(timescaledb_url)
    days.materialize_events(timescaledb_url, DAY, KEEP)
    assert landed(timescaledb_url) == before + 1
    for table in rollups.TABLES:
        rollups.materialize(timescaledb_url, table, DAY, KEEP)
        assert summed(timescaledb_url, table) == before + 1


def compressed(database_url: str) -> set[str]:
    """Tables that have a compressed chunk of the first day."""
    chunks = (
        "SELECT hypertable_name FROM timescaledb_information.chunks"
        " WHERE is_compressed AND range_start = '2025-12-10+00' AND hypertable_schema = 'public'"
    )
    return {name for (name,) in query(database_url, chunks)}


def test_new_rows_of_a_compressed_day_are_not_searched_for_among_the_deleted_ones(timescaledb_url: str) -> None:
    land(timescaledb_url, market(7))
    materialize(timescaledb_url)
    compress(timescaledb_url)
    assert compressed(timescaledb_url) == set(policies.COMPRESSED)
    days.materialize_events(timescaledb_url, DAY, KEEP, force=True)
    # Inserting into a compressed chunk reads all of its batches for every row, deleted ones too.
    assert compressed(timescaledb_url) == {"liquidations_raw"}


def test_a_reader_that_does_not_end_holds_up_no_compressed_day(
    timescaledb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(timescaledb_url, market(7))
    materialize(timescaledb_url)
    compress(timescaledb_url)
    land(timescaledb_url, [entry(901, NOON)])
    before = landed(timescaledb_url)
    monkeypatch.setattr(days, "_PATIENCE", "SET LOCAL lock_timeout = '100ms'")
    with psycopg.connect(timescaledb_url) as reader:
        reader.execute("SELECT * FROM liquidations")
        days.materialize_events(timescaledb_url, DAY, KEEP)
    assert "liquidations" in compressed(timescaledb_url)
    assert landed(timescaledb_url) == before + 1


def test_a_reader_of_a_compressed_day_waits_for_the_new_one(
    timescaledb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(timescaledb_url, market(7))
    materialize(timescaledb_url)
    compress(timescaledb_url)
    land(timescaledb_url, [entry(901, NOON)])
    before = landed(timescaledb_url)
    readings = []
    with ThreadPoolExecutor(1) as pool:

        def read_before_writing(connection: Connection, table: str, rows: pl.DataFrame) -> None:
            if not readings:
                readings.append(pool.submit(landed, timescaledb_url))
                _wait_for(timescaledb_url, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'relation'")
            written(connection, table, rows)

        written = days._write
        monkeypatch.setattr(days, "_write", read_before_writing)
        days.materialize_events(timescaledb_url, DAY, KEEP)
        assert [reading.result(20) for reading in readings] == [before + 1]


def test_no_policy_is_there_that_nobody_asked_for(timescaledb_url: str) -> None:
    policy_jobs = (
        "SELECT hypertable_name, proc_name, coalesce(config ->> 'drop_after', config ->> 'compress_after')::interval"
        " FROM timescaledb_information.jobs WHERE hypertable_schema = 'public'"
    )
    assert query(timescaledb_url, policy_jobs) == []
    query(timescaledb_url, "CREATE TABLE obvious (time timestamptz NOT NULL) WITH (tsdb.hypertable)")
    assert [name for name, _, _ in query(timescaledb_url, policy_jobs)] == ["obvious"]
    policies.apply(timescaledb_url, Settings())
    kept = {"liquidations_raw": 90, "liquidations": 90}
    derived = ("liquidations_significant", "liquidation_cascades", *rollups.TABLES)
    assert sorted(query(timescaledb_url, policy_jobs)) == sorted(
        [
            *((table, "policy_retention", timedelta(days)) for table, days in kept.items()),
            *((table, "policy_retention", timedelta(365)) for table in derived),
            *((table, "policy_compression", timedelta(7)) for table in policies.COMPRESSED),
        ]
    )


def test_a_cascade_over_midnight_is_right_on_compressed_days(timescaledb_url: str) -> None:
    from liq_pipeline.warehouse.day_rows import day_span
    from liq_pipeline_tests.warehouse.making import as_entry
    from liq_pipeline_tests.warehouse.test_days import assert_reference, rerun_stale

    events = burst(day_span(DAY).end - 100_000, 200)
    land(timescaledb_url, [as_entry(event) for event in events[:15]])
    rerun_stale(timescaledb_url)
    compress(timescaledb_url)
    land(timescaledb_url, [as_entry(event) for event in events[15:]])
    rerun_stale(timescaledb_url)
    assert_reference(timescaledb_url, events)


def _wait_for(database_url: str, statement: str) -> None:
    deadline = time.monotonic() + 30
    while not query(database_url, f"{statement} AND datname = current_database()"):
        assert time.monotonic() < deadline, f"not seen within 30 s: {statement}"
        time.sleep(0.02)
