"""The schema: numbered SQL files in ``sql/``, applied in order, each once.

``NNNN_name.sql`` runs everywhere; ``NNNN_name.timescaledb.sql`` only where the database has TimescaleDB, and is
recorded as skipped elsewhere, so a database keeps the flavour it was made with until it is moved (``moving.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg import errors

import liq_pipeline
from liq_pipeline.errors import SchemaError, ServerError
from liq_pipeline.warehouse import locks, roles
from liq_pipeline.warehouse.connection import Connection, connect

FOLDER: Final = Path(liq_pipeline.__file__).parent.parent / "sql"
MIN_SERVER: Final = 150000
MIN_TIMESCALEDB: Final = (2, 25)
"""Before it, fast deletes on compressed chunks fail once a continuous aggregate exists."""

_VERSION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    skipped    boolean     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""

# The Apache-only edition has neither continuous aggregates nor compression nor policies.
_USABLE: Final = """
SELECT extversion FROM pg_extension
WHERE extname = 'timescaledb' AND current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache'"""

_APPLIED: Final = "SELECT bool_and(NOT skipped) FROM schema_version WHERE name LIKE '%.timescaledb.sql'"
"""Whether the files for TimescaleDB were applied; null before the first of them."""


class Migration(NamedTuple):
    """One file: its number, its name, its SQL, and whether it needs TimescaleDB."""

    version: int
    name: str
    statements: str
    needs_timescaledb: bool


def migrate(database_url: str, *, plain: bool = False) -> int:
    """Bring the schema to this program's version and return it; safe to repeat and to run twice at once.

    TimescaleDB is used where the server offers at least 2.25 and the role may create the extension when the database
    is made; ``plain`` leaves it aside, and what was made plain stays so until it is moved. Raises ServerError, or
    SchemaError when the database is newer than this program.
    """
    migrations = list(all_migrations())
    with connect(database_url, autocommit=True) as connection:
        if connection.info.server_version < MIN_SERVER:
            raise ServerError(f"PostgreSQL is {connection.info.server_version // 10000}: version 15 or newer is needed")
        try:
            with locks.session_lock(connection, locks.MIGRATE):
                current = version(connection)
                if current > migrations[-1].version:
                    raise SchemaError(_newer(current, migrations[-1].version))
                if current < migrations[-1].version:
                    roles.apply(connection)
                    timescaledb = not plain and _use_timescaledb(connection, database_url)
                    for migration in migrations[current:]:
                        _apply(connection, migration, timescaledb)
                roles.apply(connection)
        except errors.InsufficientPrivilege as error:
            raise ServerError(
                f"role {connection.info.user} may not change database {connection.info.dbname}: "
                f"{error.diag.message_primary}; GRANT ALL ON SCHEMA public, or make the role the database's owner"
            ) from None
    return migrations[-1].version


def check(database_url: str) -> None:
    """Raise SchemaError, with the fix, unless the schema is the one this program works with; ServerError likewise."""
    needed = required_version()
    with connect(database_url) as connection:
        current = version(connection)
    if current < needed:
        raise SchemaError(f"schema is version {current}, this program needs {needed}: run `liq up` to bring it up")
    if current > needed:
        raise SchemaError(_newer(current, needed))


def required_version() -> int:
    """The schema version this program works with."""
    return max(migration.version for migration in all_migrations())


def version(connection: Connection) -> int:
    """The schema version of the database; 0 before the first migration."""
    row = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    return int(row[0]) if row else 0


def _newer(current: int, needed: int) -> str:
    return f"schema is version {current}, this program needs {needed}: the database is newer, upgrade liq"


def all_migrations() -> Iterator[Migration]:
    """The files in order; raises SchemaError where one is missing."""
    paths = sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not paths:
        raise SchemaError(f"no migrations in {FOLDER}: run liq from a clone of the repository, installed by ./liq")
    for number, path in enumerate(paths, start=1):
        if int(path.name[:4]) != number:
            raise SchemaError(f"{path} should be number {number:04}: migrations are numbered without gaps")
        yield Migration(number, path.name, path.read_text("utf-8"), path.name.endswith(".timescaledb.sql"))


def _use_timescaledb(connection: Connection, database_url: str) -> bool:
    """Whether files for TimescaleDB are to be applied: as those before them were, else where it is to be had."""
    applied = None
    if version(connection):
        applied = connection.execute(_APPLIED).fetchone()
    # Where one was skipped, those after it would count on what it would have made.
    if applied and applied[0] is False:
        return False
    offered = offer_timescaledb(database_url)
    if applied and applied[0] and not offered:
        raise ServerError(
            f"database {connection.info.dbname} was made on TimescaleDB, which cannot be used there now: let the "
            "server preload its community edition and take one more connection, then start again; nothing was changed"
        )
    return offered


def _apply(connection: Connection, migration: Migration, timescaledb: bool) -> None:
    skipped = migration.needs_timescaledb and not timescaledb
    with connection.transaction():
        roles.become_owner(connection)
        connection.execute(_VERSION_TABLE)
        if not skipped:
            connection.execute(migration.statements.encode())
        connection.execute(
            "INSERT INTO schema_version (version, name, skipped) VALUES (%s, %s, %s)",
            (migration.version, migration.name, skipped),
        )


def offer_timescaledb(database_url: str) -> bool:
    """Create the extension if that is possible; whether the database then has an edition and version we can use."""
    try:
        # Its own connection: a library that is not preloaded ends the session that asks for it, and only a session
        # that has loaded it knows the edition.
        with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as attempt:
            attempt.execute("SET client_min_messages = error")
            available = "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
            row = attempt.execute(available).fetchone()
            if row and _recent(row[0]):
                attempt.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            row = attempt.execute(_USABLE).fetchone()
            return row is not None and _recent(row[0])
    except psycopg.Error:
        return False  # Not preloaded, or not for this role: plain tables hold the same, and `liq status` says which.


def _recent(text: str) -> bool:
    return tuple(int(part) for part in text.split("-")[0].split(".")[:2]) >= MIN_TIMESCALEDB
