"""Roles: what each may do, on databases where they can be made and where they cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import days, loader, reads, roles, rollups
from liq_pipeline.warehouse.connection import LOADER, OWNER, READER, connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, add, entry, query

_RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"


@pytest.fixture(scope="module")
def bare_server(servers_directory: Path) -> Iterator[str]:
    """A server none of whose databases has our roles: they belong to a whole server and outlive every test."""
    server = Postgres(servers_directory / "bare", servers_directory / "bare.log", "auto", durable=False)
    server.start()
    try:
        yield server.url()
    finally:
        server.stop()


def as_user(url: str, user: str, database: str) -> str:
    return re.sub(r"//[^@]*@(.*)/.*$", rf"//{user}:s3cr3t@\1/{database}", url)


def test_the_pipeline_owns_every_table_and_readers_read_it(warehouse_url: str) -> None:
    relations = {name for (name,) in query(warehouse_url, _RELATIONS)}
    owned = f"{_RELATIONS} AND pg_get_userbyid(relowner) = '{OWNER}'"
    assert {name for (name,) in query(warehouse_url, owned)} == relations
    with connect(warehouse_url, role=READER) as connection:
        for name in relations:
            connection.execute(f"SELECT FROM {name}".encode())


@pytest.mark.parametrize("role", [READER, LOADER])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM liquidations_raw",
        "UPDATE liquidations_raw SET side = 'LONG'",
        "TRUNCATE liquidations_raw",
        "DELETE FROM liquidations",
        "DELETE FROM day_state",
        "DELETE FROM frames_rejected",
        "DROP TABLE liquidations",
        "CREATE TABLE other ()",
    ],
)
def test_readers_and_the_loader_change_nothing_that_was_landed(warehouse_url: str, role: str, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege), connect(warehouse_url, role=role) as connection:
        connection.execute(statement.encode())


def test_readers_land_nothing(warehouse_url: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege), connect(warehouse_url, role=READER) as connection:
        connection.execute("INSERT INTO day_state (day) VALUES ('2025-12-10')")


def test_a_table_made_later_is_readable_at_once(warehouse_url: str) -> None:
    query(warehouse_url, "CREATE TABLE later ()")
    with connect(warehouse_url, role=READER) as connection:
        connection.execute("SELECT FROM later")


def test_a_role_lasts_over_a_transaction_that_failed(database_url: str) -> None:
    migrate(database_url, plain=True)
    with connect(database_url, role=READER) as connection:
        with pytest.raises(errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        connection.rollback()
        assert connection.execute("SELECT current_user").fetchone() == (READER,)


def test_a_database_without_rights_for_the_role_is_used_as_the_user(database_url: str) -> None:
    with connect(database_url, role=READER) as connection:
        assert connection.execute("SELECT current_user = session_user").fetchone() == (True,)


def test_databases_of_one_server_make_the_roles_at_the_same_time(bare_server: str) -> None:
    names = [f"at_once_{number}" for number in range(4)]
    for name in names:
        query_alone(bare_server, f"CREATE DATABASE {name}")
    urls = [re.sub(r"/[^/]*$", f"/{name}", bare_server) for name in names]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda url: migrate(url, plain=True), urls))
        for url in urls:
            with connect(url) as connection:
                assert roles.said(connection) == "liq_pipeline owns, liq_loader lands, liq_reader reads"
    finally:
        for name in names:
            query_alone(bare_server, f"DROP DATABASE {name}")
        for role in (OWNER, LOADER, READER):
            query_alone(bare_server, f"DROP ROLE {role}")


def query_alone(url: str, statement: str) -> None:
    """Outside a transaction, as CREATE DATABASE wants it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def the_line(url: str, redis_url: str) -> None:
    """From the stream to a rollup."""
    add(redis_url, [entry(number, NOON + number) for number in range(3)])
    assert loader.drain(url, redis_url, Settings(retention_days=0)).new == 3
    days.materialize_events(url, DAY, KEEP)
    assert rollups.materialize(url, "liquidations_hourly", DAY, KEEP).rewritten
    assert query(url, "SELECT sum(event_count) FROM liquidations_hourly") == [(3,)]


def test_a_user_who_may_not_create_roles_does_without_and_is_told(bare_server: str, redis_url: str) -> None:
    query_alone(bare_server, "CREATE ROLE simple LOGIN PASSWORD 's3cr3t'")
    query_alone(bare_server, "CREATE DATABASE simple OWNER simple")
    url = as_user(bare_server, "simple", "simple")
    try:
        migrate(url)
        the_line(url, redis_url)
        with connect(url, role=READER) as connection:
            said = roles.said(connection)
        assert said.startswith("not separated: simple may not create liq_pipeline, liq_loader, liq_reader")
    finally:
        query_alone(bare_server, "DROP DATABASE simple WITH (FORCE)")
        query_alone(bare_server, "DROP ROLE simple")


def test_a_user_who_may_create_roles_and_no_more_gets_them(bare_server: str, redis_url: str) -> None:
    query_alone(bare_server, "CREATE ROLE maker LOGIN CREATEROLE PASSWORD 's3cr3t'")
    query_alone(bare_server, "CREATE DATABASE maker OWNER maker")
    url = as_user(bare_server, "maker", "maker")
    try:
        migrate(url)
        migrate(url)
        the_line(url, redis_url)
        with connect(url, role=READER) as connection:
            assert roles.said(connection) == "liq_pipeline owns, liq_loader lands, liq_reader reads"
            assert connection.execute("SELECT current_user").fetchone() == (READER,)
            assert reads.flavour(connection).text
    finally:
        query_alone(bare_server, "DROP DATABASE maker WITH (FORCE)")
        for role in (OWNER, LOADER, READER):
            query_alone(bare_server, f"DROP ROLE {role}")
        query_alone(bare_server, "DROP ROLE maker")
