"""PostgreSQL: whether it is reached, of the right version and schema, and keeps what it has committed."""

from __future__ import annotations

import time
from typing import Final

from liq_pipeline.doctor.clock import compared
from liq_pipeline.doctor.finding import Findings, fine, note, wrong
from liq_pipeline.errors import LiqError
from liq_pipeline.warehouse import migrate, reads, roles
from liq_pipeline.warehouse.connection import Connection, connect

_FEW_CONNECTIONS: Final = 20
"""Dagster's processes and a handful of runs take about a dozen."""
_SERVER: Final = """
SELECT current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
       current_setting('synchronous_commit') <> 'off', current_setting('max_connections')::integer,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), pg_is_in_recovery()"""
_TIMESCALEDB: Final = """
SELECT default_version, position('timescaledb' in current_setting('shared_preload_libraries')) > 0
FROM pg_available_extensions WHERE name = 'timescaledb'"""


def examine(database_url: str) -> Findings:
    """Everything about one database; one finding if it cannot be asked."""
    try:
        with connect(database_url, autocommit=True) as connection:
            yield from _server(connection)
            before = time.time()
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            yield from compared("PostgreSQL", float(row[0]) if row else before, before, time.time())
            yield from _schema(connection, database_url)
    except LiqError as error:
        yield wrong("PostgreSQL", str(error))


def _server(connection: Connection) -> Findings:
    text = f"PostgreSQL {connection.info.parameter_status('server_version')}"
    if connection.info.server_version < migrate.MIN_SERVER:
        yield wrong("PostgreSQL", text, "use version 15 or newer")
        return
    row = connection.execute(_SERVER).fetchone()
    assert row is not None
    fsync, full_pages, waits, most, used, standby = row
    if standby:
        yield wrong("PostgreSQL", f"{text} is a standby, which takes no writes", "name the primary in LIQ_DATABASE_URL")
    if not (fsync and full_pages):
        yield wrong(
            "PostgreSQL",
            "fsync or full_page_writes is off: a crash can corrupt everything",
            "set both to on in postgresql.conf",
        )
    if not waits:
        yield wrong(
            "PostgreSQL",
            "synchronous_commit is off: events that Redis has trimmed can be lost in a crash",
            "set it to on in postgresql.conf, or for this database",
        )
    if most - used < _FEW_CONNECTIONS:
        yield note("PostgreSQL", f"{used} of {most} connections are in use", "raise max_connections")
    yield fine("PostgreSQL", f"{text}, {used} of {most} connections in use")
    offered = connection.execute(_TIMESCALEDB).fetchone()
    if offered and not offered[1]:
        yield note(
            "TimescaleDB",
            f"{offered[0]} is installed but not loaded, and the tables are plain",
            "add timescaledb to shared_preload_libraries and restart PostgreSQL",
        )


def _schema(connection: Connection, database_url: str) -> Findings:
    if migrate.version(connection) == 0:
        yield note("schema", "there is none yet", "`liq up` makes it, or `liq migrate`")
        return
    try:
        migrate.check(database_url)
    except LiqError as error:
        yield wrong("schema", str(error))
        return
    yield fine("schema", f"version {migrate.required_version()}, {reads.flavour(connection).text}")
    said = roles.said(connection)
    if said.startswith("not separated"):
        yield note("roles", *said.rsplit("; ", 1)) if "; " in said else note("roles", said, "run `liq migrate`")
    else:
        yield fine("roles", said)
