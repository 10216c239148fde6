"""A plain database becomes one on TimescaleDB, with every row it holds: in one transaction, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from psycopg import errors, sql

from liq_pipeline.errors import SchemaError, ServerError
from liq_pipeline.warehouse import locks, migrate, roles
from liq_pipeline.warehouse.connection import Connection, connect

_SKIPPED: Final = "SELECT version FROM schema_version WHERE skipped ORDER BY version"
_DONE: Final = "UPDATE schema_version SET skipped = false, applied_at = now() WHERE version = %s"
# Of views only continuous aggregates are ours; here they stand beside the tables they replace.
_RELATIONS: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname <> 'schema_version'
    AND (relkind IN ('r', 'p') OR relkind = 'v' AND pg_get_viewdef(oid) ~ '_materialized_hypertable_\\d')
ORDER BY oid"""
# Whole rows as text, whatever their order: a column that changed its place, type or scale would be seen, too.
_CONTENT: Final = sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} AS t")
_FULL: Final = migrate.FOLDER / "to_timescaledb"


class Content(NamedTuple):
    """What a table holds: how many rows, and a sum over digests of them that no order changes."""

    rows: int
    digest: Decimal


@dataclass(frozen=True)
class MoveReport:
    """Rows by table, the same before and after; ``applied`` names the files that had been skipped."""

    rows: dict[str, int]
    applied: tuple[str, ...]


def to_timescaledb(database_url: str, announce: Callable[[str], None] = lambda _: None) -> MoveReport:
    """Apply what was skipped when the database was made plain, to tables that are full by now.

    Everybody else waits while it runs, and it needs as much free disk again as the tables take. Every row is compared
    before and after. An interruption at any point leaves the database as it was. Raises ServerError where TimescaleDB
    is not to be had, SchemaError where the schema is not this program's.
    """
    migrate.check(database_url)
    with (
        connect(database_url, autocommit=True) as connection,
        locks.session_lock(connection, locks.MIGRATE),
        locks.session_lock(connection, locks.LOADER),
    ):
        skipped = [version for (version,) in connection.execute(_SKIPPED).fetchall()]
        if not skipped:
            return MoveReport({}, ())
        if not migrate.offer_timescaledb(database_url):
            raise ServerError(_not_offered(connection))
        with _refused_in_words(connection), connection.transaction():
            roles.become_owner(connection)
            _lock_all(connection)
            before = _contents(connection)
            announce(f"{sum(content.rows for content in before.values()):,} rows in {len(before)} tables")
            applied = tuple(_apply(connection, migration, announce) for migration in _of(skipped))
            _compare(before, _contents(connection))
            announce("every row is there")
        roles.apply(connection)
        # Without it the first queries would be planned for empty tables.
        connection.execute("ANALYZE")
    return MoveReport({name: content.rows for name, content in before.items()}, applied)


def _of(versions: list[int]) -> Iterator[migrate.Migration]:
    return (migration for migration in migrate.all_migrations() if migration.version in versions)


def _apply(connection: Connection, migration: migrate.Migration, announce: Callable[[str], None]) -> str:
    announce(f"applying {migration.name}")
    # Files made for empty tables have a sibling for full ones.
    full = _FULL / migration.name
    statements = full.read_text("utf-8") if full.is_file() else migration.statements
    connection.execute(statements.encode())
    connection.execute(_DONE, (migration.version,))
    return migration.name


def _lock_all(connection: Connection) -> None:
    names = [sql.Identifier(name) for name in _relations(connection)]
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))


def _relations(connection: Connection) -> list[str]:
    return [name for (name,) in connection.execute(_RELATIONS).fetchall()]


def _contents(connection: Connection) -> dict[str, Content]:
    found = {}
    for name in _relations(connection):
        row = connection.execute(_CONTENT.format(sql.Identifier(name))).fetchone()
        assert row is not None
        found[name] = Content(*row)
    return found


def _compare(before: dict[str, Content], after: dict[str, Content]) -> None:
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        counts = ", ".join(f"{name} {_count(before, name)} before, {_count(after, name)} after" for name in changed)
        raise SchemaError(f"moving to TimescaleDB would have changed rows ({counts}): nothing was moved; report this")


def _count(contents: dict[str, Content], name: str) -> str:
    return f"{contents[name].rows:,} rows" if name in contents else "missing"


@contextlib.contextmanager
def _refused_in_words(connection: Connection) -> Iterator[None]:
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise ServerError(
            f"role {connection.info.user} may not move database {connection.info.dbname}: "
            f"{error.diag.message_primary}; nothing was moved: run this as the tables' owner"
        ) from None
    except (errors.DeadlockDetected, errors.DiskFull, errors.OutOfMemory) as error:
        raise ServerError(
            f"{error.diag.message_primary}: nothing was moved; stop what else works on the database, see that its disk "
            "is half empty and max_locks_per_transaction suffices, and run this again"
        ) from None


def _not_offered(connection: Connection) -> str:
    needed = ".".join(str(part) for part in migrate.MIN_TIMESCALEDB)
    row = connection.execute(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    there = f"TimescaleDB {row[0]} is installed there" if row else "TimescaleDB is not installed there"
    return (
        f"PostgreSQL at {connection.info.host} cannot use TimescaleDB ({there}): install its community edition, "
        f"{needed} or newer, add it to shared_preload_libraries, restart PostgreSQL and let {connection.info.user} "
        "create the extension; nothing was moved"
    )
