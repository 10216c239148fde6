from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.errors import SchemaError, ServerError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import migrate, policies, reads, retention
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.warehouse.making import query


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    first = migrate.migrate(database_url)
    before = query(database_url, "SELECT version, name, skipped, applied_at FROM schema_version")
    assert migrate.migrate(database_url) == first == migrate.required_version()
    assert query(database_url, "SELECT version, name, skipped, applied_at FROM schema_version") == before
    migrate.check(database_url)


def test_processes_that_migrate_at_once_apply_each_file_once(database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(migrate.migrate, [database_url] * 4))
    assert set(versions) == {migrate.required_version()}
    applied = query(database_url, "SELECT version FROM schema_version ORDER BY version")
    assert applied == [(number,) for number in range(1, migrate.required_version() + 1)]


def test_an_empty_database_names_the_command_that_brings_it_up(database_url: str) -> None:
    with pytest.raises(SchemaError, match=r"schema is version 0, this program needs \d+: run `liq up`"):
        migrate.check(database_url)


def test_an_old_schema_is_refused_until_it_is_migrated(database_url: str) -> None:
    migrate.migrate(database_url)
    query(database_url, "DELETE FROM schema_version WHERE version = (SELECT max(version) FROM schema_version)")
    with pytest.raises(SchemaError, match="this program needs"):
        migrate.check(database_url)


def test_a_newer_database_is_left_alone(database_url: str) -> None:
    migrate.migrate(database_url)
    query(database_url, "INSERT INTO schema_version (version, name, skipped) VALUES (999, 'later.sql', false)")
    for action in (migrate.check, migrate.migrate):
        with pytest.raises(SchemaError, match=r"schema is version 999.*upgrade liq"):
            action(database_url)


def test_a_missing_database_is_one_line_with_the_fix(postgres_server: str) -> None:
    url = re.sub(r"/[^/]*$", "/no_such_database", postgres_server)
    with pytest.raises(ServerError, match='database "no_such_database" does not exist: create the database') as raised:
        migrate.check(url)
    assert "\n" not in str(raised.value)


def test_an_unknown_user_is_one_line_without_the_password(postgres_server: str) -> None:
    url = re.sub(r"//([^@/]*@)?", "//no_such_user:s3cr3t@", postgres_server, count=1)
    with pytest.raises(ServerError, match="correct the user") as raised:
        migrate.check(url)
    assert "\n" not in str(raised.value) and "s3cr3t" not in str(raised.value)


def test_a_stopped_server_is_one_line_with_the_fix() -> None:
    with pytest.raises(ServerError, match=r"port 1.*refused.*start PostgreSQL") as raised:
        migrate.check("postgresql://liq:s3cr3t@127.0.0.1:1/liquidations")
    assert "\n" not in str(raised.value) and "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgresql://liq:s3@cr3t@host/x", "postgresql://liq:s3 cr3t@host/x?a=b=c"])
def test_a_password_with_unescaped_characters_is_not_shown(url: str) -> None:
    with pytest.raises(ServerError, match=r"\(hidden\) is not a PostgreSQL URL") as raised:
        migrate.check(url)
    assert "cr3t" not in str(raised.value)


def test_a_role_without_rights_is_told_which_it_needs(database_url: str) -> None:
    role = "liq_" + database_url.rpartition("/")[2][-12:]
    query(database_url, f"CREATE ROLE {role} LOGIN PASSWORD 's3cr3t'")
    try:
        query(database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = re.sub(r"//([^@/]*@)?", f"//{role}:s3cr3t@", database_url, count=1)
        with pytest.raises(ServerError, match=f"role {role} may not change database.*GRANT") as raised:
            migrate.migrate(url)
        assert "s3cr3t" not in str(raised.value)
    finally:
        query(database_url, f"DROP ROLE {role}")


def test_the_flavour_is_said_in_words(warehouse_url: str, request: pytest.FixtureRequest) -> None:
    with connect(warehouse_url) as connection:
        flavour = reads.flavour(connection)
        hypertables = connection.execute("SELECT to_regclass('timescaledb_information.hypertables')").fetchone()
    assert flavour.timescaledb == ("timescaledb" in request.node.name)
    assert flavour.text.startswith("TimescaleDB 2." if flavour.timescaledb else "plain PostgreSQL")
    if flavour.timescaledb:
        assert hypertables is not None and hypertables[0] is not None
        chunks = "SELECT time_interval::text, count(*) FROM timescaledb_information.dimensions GROUP BY 1"
        assert query(warehouse_url, chunks) == [("1 day", 7)]


def test_the_apache_only_edition_is_treated_as_plain_and_said(
    servers_directory: Path, timescaledb_version: str | None
) -> None:
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    server = Postgres(servers_directory / "apache", servers_directory / "apache.log", durable=False)
    if not server.has_timescaledb:
        pytest.skip("the PostgreSQL this machine starts by itself has no TimescaleDB")
    server.start()
    try:
        server.stop()
        with (server.data / "postgresql.conf").open("a") as configuration:
            configuration.write("timescaledb.license = 'apache'\n")
        server.start()
        migrate.migrate(server.url())
        with connect(server.url()) as connection:
            flavour = reads.flavour(connection)
        assert not flavour.timescaledb and "Apache-only edition" in flavour.text
        assert query(server.url(), "SELECT relkind::text FROM pg_class WHERE relname = 'liquidations_hourly'") == [
            ("r",)
        ]
        policies.apply(server.url(), Settings())
    finally:
        server.stop()


def test_a_side_that_is_none_is_refused_by_the_database(warehouse_url: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        query(
            warehouse_url,
            "INSERT INTO liquidations_raw SELECT now(), gen_random_uuid(), 'x', 'linear', 'c', 's', 'BUY', 1, 'fill',"
            " 1, 1, null, now(), 'stream', 'f', 1, 0, '{}'",
        )


def test_every_column_of_the_tables_says_what_it_is(warehouse_url: str) -> None:
    undescribed = query(
        warehouse_url,
        "SELECT attrelid::regclass::text, attname FROM pg_attribute"
        " WHERE attrelid = ANY(%s::regclass[]) AND attnum > 0 AND col_description(attrelid, attnum) IS NULL",
        [*retention.EVENTS, *retention.DERIVED, "day_state", "frames_rejected"],
    )
    assert undescribed == []
