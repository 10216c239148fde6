"""A plain database moves to TimescaleDB with everything it holds."""

from __future__ import annotations

import psycopg
import pytest

from liq_pipeline.errors import SchemaError, ServerError
from liq_pipeline.warehouse import migrate, moving, reads
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import entry, query
from liq_pipeline_tests.warehouse.test_days import land
from liq_pipeline_tests.warehouse.test_rollups import market, materialize

_TABLES = (
    *("liquidations_raw", "liquidations", "liquidations_significant", "liquidation_cascades"),
    *("liquidations_hourly", "liquidation_price_levels", "liquidation_exchange_comparison"),
    *("day_state", "rollup_state", "frames_rejected"),
)
_SCHEMA = """
SELECT format('%s.%s %s', table_name, column_name, data_type) FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'schema_version'
UNION ALL
SELECT format('%s by %s of %s', hypertable_name, column_name, time_interval) FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public'
UNION ALL
SELECT format('%s %s', view_name, view_definition) FROM timescaledb_information.continuous_aggregates
UNION ALL
SELECT format('%s %s', indexname, indexdef) FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'schema_version'
ORDER BY 1"""


@pytest.fixture
def plain_url(database_url: str, timescaledb_version: str | None) -> str:
    """A plain database full of days on a server that has TimescaleDB."""
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    migrate.migrate(database_url, plain=True)
    land(database_url, market(1))
    materialize(database_url)
    return database_url


def contents(url: str) -> dict[str, list[str]]:
    return {table: [row for (row,) in query(url, f"SELECT t::text FROM {table} AS t ORDER BY 1")] for table in _TABLES}


def is_timescaledb(url: str) -> bool:
    with connect(url) as connection:
        return reads.flavour(connection).timescaledb


def test_every_row_is_there_after_the_move_and_the_line_goes_on(plain_url: str) -> None:
    before = contents(plain_url)
    report = moving.to_timescaledb(plain_url)
    assert contents(plain_url) == before and is_timescaledb(plain_url)
    assert {table: report.rows[table] for table in _TABLES} == {table: len(rows) for table, rows in before.items()}
    land(plain_url, [entry(1000)])
    materialize(plain_url)
    (hourly,) = query(plain_url, "SELECT sum(event_count) FROM liquidations_hourly")
    assert hourly == (len(before["liquidations"]) + 1,)


def test_a_moved_database_has_the_schema_of_one_made_on_timescaledb(plain_url: str, postgres_server: str) -> None:
    moving.to_timescaledb(plain_url)
    with fresh_database(postgres_server) as made:
        migrate.migrate(made)
        assert query(plain_url, _SCHEMA) == query(made, _SCHEMA)
    assert query(plain_url, "SELECT count(*) FROM schema_version WHERE skipped") == [(0,)]


def test_a_day_whose_rows_all_moved_away_is_not_taken_for_dropped(plain_url: str) -> None:
    query(plain_url, "INSERT INTO day_state (day, raw_version) VALUES ('2025-11-30', 2)")
    query(
        plain_url,
        "INSERT INTO day_state (day, raw_version, events_dropped_at) VALUES ('2025-11-29', 2, now())",
    )
    before = contents(plain_url)
    moving.to_timescaledb(plain_url)
    assert contents(plain_url) == before
    missing = "SELECT day::text FROM day_state WHERE events_are_missing(day) ORDER BY day"
    assert query(plain_url, missing) == [("2025-11-29",)]


def test_moving_twice_changes_nothing_more(plain_url: str) -> None:
    moving.to_timescaledb(plain_url)
    before = contents(plain_url)
    assert moving.to_timescaledb(plain_url) == moving.MoveReport({}, ())
    assert contents(plain_url) == before


@pytest.mark.parametrize("point", ["rows in", "applying 0005", "every row is there"])
def test_an_interrupted_move_leaves_the_database_as_it_was(plain_url: str, point: str) -> None:
    before = contents(plain_url)

    def interrupt(text: str) -> None:
        if point in text:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            query(plain_url, f"{others} AND datname = current_database()")

    with pytest.raises((ServerError, psycopg.OperationalError)):
        moving.to_timescaledb(plain_url, interrupt)
    assert contents(plain_url) == before and not is_timescaledb(plain_url)
    moving.to_timescaledb(plain_url)
    assert contents(plain_url) == before and is_timescaledb(plain_url)


def test_a_move_that_would_change_a_row_is_taken_back(plain_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(plain_url)
    real = moving._apply

    def lossy(connection: psycopg.Connection, migration: migrate.Migration, announce: object) -> str:  # type: ignore[type-arg]
        connection.execute(
            "DELETE FROM liquidations_raw WHERE event_id = (SELECT min(event_id::text)::uuid FROM liquidations_raw)"
        )
        return real(connection, migration, print)

    monkeypatch.setattr(moving, "_apply", lossy)
    with pytest.raises(SchemaError, match=r"liquidations_raw 108 rows before, 10\d rows after.*nothing was moved"):
        moving.to_timescaledb(plain_url)
    assert contents(plain_url) == before and not is_timescaledb(plain_url)


def test_without_timescaledb_the_fix_is_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.migrate(database_url, plain=True)
    monkeypatch.setattr(migrate, "offer_timescaledb", lambda *_: False)
    with pytest.raises(ServerError, match=r"add it to shared_preload_libraries.*nothing was moved"):
        moving.to_timescaledb(database_url)
