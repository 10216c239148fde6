"""Databases of earlier schema versions, full of data, become today's without loss."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from liq_pipeline.errors import ServerError
from liq_pipeline.warehouse import days, migrate, reads, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import DAY, KEEP, entry, query
from liq_pipeline_tests.warehouse.test_days import land
from liq_pipeline_tests.warehouse.test_rollups import market, materialize

_EVENTS = ("liquidations_raw", "liquidations", "liquidations_significant", "liquidation_cascades")
_FILLED = (*_EVENTS, *rollups.TABLES, "day_state", "rollup_state", "frames_rejected", "feed_gaps", "feed_coverage")

_TOTALS = "SELECT * FROM liquidation_totals ORDER BY hour, exchange, side"


def make_old(url: str, version: int, *, timescaledb: bool) -> None:
    """Apply the files up to ``version``, as the program of that time did."""
    with connect(url, autocommit=True) as connection:
        assert not timescaledb or migrate.offer_timescaledb(url)
        for migration in list(migrate.all_migrations())[:version]:
            migrate._apply(connection, migration, timescaledb)


def fill_old(url: str, filled: str) -> None:
    """Copy what ``filled`` holds, as far as the older tables have columns for it."""
    with psycopg.connect(filled) as source, psycopg.connect(url) as target:
        for table in _FILLED:
            columns = sql.SQL(", ").join(map(sql.Identifier, columns_of(url, table)))
            parts = {"table": sql.Identifier(table), "columns": columns}
            read = sql.SQL("COPY (SELECT {columns} FROM {table}) TO STDOUT").format(**parts)
            write = sql.SQL("COPY {table} ({columns}) FROM STDIN").format(**parts)
            with source.cursor().copy(read) as out, target.cursor().copy(write) as into:
                for data in out:
                    into.write(data)


def columns_of(url: str, table: str) -> list[str]:
    names = "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
    return [name for (name,) in query(url, names, table)]


def contents(url: str, columns: dict[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(query(url, f"SELECT {', '.join(columns[table])} FROM {table}"), key=repr) for table in _FILLED
    }


def fill(url: str) -> None:
    """Two days, materialized, and rows in the tables beside them."""
    land(url, market(4))
    materialize(url)
    query(url, "INSERT INTO frames_rejected (received_at, exchange, reason, frame) VALUES (now(), 'okx', 'no', '{}')")
    query(url, "INSERT INTO feed_gaps VALUES ('okx', '2025-12-10', '2025-12-11', 'disconnected', NULL)")
    columns = "exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds, event_count, complete"
    query(url, f"INSERT INTO feed_coverage ({columns}) VALUES ('okx', '2025-12-10', 0, 0, 1, 86400, 0, false)")


@pytest.fixture(params=["plain", "timescaledb"])
def flavour(request: pytest.FixtureRequest, timescaledb_version: str | None) -> str:
    if request.param == "timescaledb" and timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    return str(request.param)


@pytest.mark.parametrize("version", [5, 6])
def test_an_older_database_becomes_todays_without_loss(
    database_url: str, postgres_server: str, flavour: str, version: int
) -> None:
    timescaledb = flavour == "timescaledb"
    make_old(database_url, version, timescaledb=timescaledb)
    with fresh_database(postgres_server) as filled:
        migrate.migrate(filled, plain=True)
        fill(filled)
        fill_old(database_url, filled)
    columns = {table: columns_of(database_url, table) for table in _FILLED}
    before = contents(database_url, columns)
    assert all(before.values())

    assert migrate.migrate(database_url) == migrate.required_version()

    assert contents(database_url, columns) == before
    totals = query(database_url, _TOTALS)
    assert totals
    with connect(database_url) as connection:
        assert reads.flavour(connection).timescaledb == timescaledb
    # What was made is what would be made: a day made again is the same, and the line goes on.
    for day in (DAY, DAY + timedelta(1)):
        days.materialize_events(database_url, day, KEEP, force=True)
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, day, KEEP, force=True)
    again = contents(database_url, columns)
    assert {table: again[table] for table in (*_EVENTS, *rollups.TABLES)} == {
        table: before[table] for table in (*_EVENTS, *rollups.TABLES)
    }
    assert query(database_url, _TOTALS) == totals
    land(database_url, [entry(1000)])
    materialize(database_url)
    assert query(database_url, "SELECT sum(event_count) FROM liquidations_hourly") == [
        (len(before["liquidations"]) + 1,)
    ]


def test_a_plain_database_stays_plain_where_the_server_has_timescaledb_by_now(
    database_url: str, timescaledb_version: str | None
) -> None:
    """The files that come now would build on hypertables that are not there."""
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    make_old(database_url, 5, timescaledb=False)
    migrate.migrate(database_url)
    with connect(database_url) as connection:
        found = reads.flavour(connection)
    assert not found.timescaledb and "liq migrate --to-timescaledb" in found.text


def test_a_database_on_timescaledb_never_goes_on_without_it(
    database_url: str, timescaledb_version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not preloaded for once, or no connection left: half of the tables would be plain from then on."""
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    make_old(database_url, 5, timescaledb=True)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "offer_timescaledb", lambda _: False)
        with pytest.raises(ServerError, match="was made on TimescaleDB"):
            migrate.migrate(database_url)
    with connect(database_url) as connection:
        assert migrate.version(connection) == 5
    assert migrate.migrate(database_url) == migrate.required_version()
