"""Real servers for the tests: one private PostgreSQL and Redis per test process, a fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg import sql

from liq_pipeline.embedded.account import server_account
from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.embedded.redis import Redis


def _mode() -> Literal["auto", "wheel"]:
    return "wheel" if os.environ.get("LIQ_EMBEDDED") == "wheel" else "auto"


@pytest.fixture(scope="session", autouse=True)
def reports_directory() -> Iterator[Path]:
    """Where this process's days are reported: not in the home of whoever runs the tests."""
    directory, before = tempfile.mkdtemp(prefix="liq-reports-"), os.environ.get("LIQ_REPORT_DIR")
    os.environ["LIQ_REPORT_DIR"] = directory
    yield Path(directory)
    if before is None:
        del os.environ["LIQ_REPORT_DIR"]
    else:
        os.environ["LIQ_REPORT_DIR"] = before
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def servers_directory() -> Iterator[Path]:
    """A short-lived folder that the servers' account can pass through."""
    directory = Path(tempfile.mkdtemp(prefix="liq-test-"))
    if server_account().lent:
        directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_directory: Path) -> Iterator[str]:
    """URL of the maintenance database: of LIQ_TEST_DATABASE_URL, otherwise of a private server."""
    if configured := os.environ.get("LIQ_TEST_DATABASE_URL"):
        yield configured
        return
    server = Postgres(servers_directory / "postgres", servers_directory / "postgres.log", _mode(), durable=False)
    server.start()
    try:
        yield server.url()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server(servers_directory: Path) -> Iterator[str]:
    """URL of logical database 1 of a private server."""
    server = Redis(servers_directory / "redis", servers_directory / "redis.log", _mode(), durable=False)
    server.start()
    try:
        yield server.url()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def timescaledb_version(postgres_server: str) -> str | None:
    """The version of TimescaleDB the server can create, or None."""
    with psycopg.connect(postgres_server) as connection:
        row = connection.execute(
            "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
            " AND position('timescaledb' in current_setting('shared_preload_libraries')) > 0"
        ).fetchone()
    return None if row is None else str(row[0])


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """URL of a new, empty database, dropped afterwards."""
    name = f"liq_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty plain-PostgreSQL database, dropped afterwards."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["plain", "timescaledb"])
def warehouse_url(
    request: pytest.FixtureRequest, postgres_server: str, timescaledb_version: str | None
) -> Iterator[str]:
    """A fresh database with our schema, on plain PostgreSQL and on TimescaleDB where the server has it."""
    from liq_pipeline.warehouse.migrate import migrate

    with_timescaledb = request.param == "timescaledb"
    if with_timescaledb and timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    with fresh_database(postgres_server) as url:
        migrate(url, plain=not with_timescaledb)
        yield url


@pytest.fixture
def timescaledb_url(postgres_server: str, timescaledb_version: str | None) -> Iterator[str]:
    """A fresh database with our schema on TimescaleDB, for what only exists there."""
    from liq_pipeline.warehouse.migrate import migrate

    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    with fresh_database(postgres_server) as url:
        migrate(url)
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """A flushed logical database of a private Redis."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushdb()
        yield redis_server
        client.flushdb()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say whether the tests on TimescaleDB ran: their absence must not look like success."""
    reports = [
        (outcome, report)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if "[timescaledb" in getattr(report, "nodeid", "")
    ]
    if not reports:
        said = "no test that needs it was selected"
    elif all(outcome == "skipped" for outcome, _ in reports):
        said = "NOT RUN, this PostgreSQL does not have it (LIQ_TEST_DATABASE_URL names one that has)"
    else:
        said = f"ran, {len({report.nodeid for outcome, report in reports if outcome != 'skipped'})} tests"
    terminalreporter.write_line(f"TimescaleDB: {said}")
