"""Connections to PostgreSQL, with errors that name the server and the fix and never a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from liq_pipeline.errors import ServerError

Connection = psycopg.Connection[tuple[Any, ...]]

OWNER: Final = "liq_pipeline"
LOADER: Final = "liq_loader"
READER: Final = "liq_reader"
"""Roles that ``sql/roles.sql`` makes where it may."""

# Each side notices within a minute that the other's host is gone: a loader's lock is not held for the dead for hours,
# and nobody waits as long for an answer of a server that failed over.
_SETTINGS: Final = (
    "-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning"
    " -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)
_KEEPALIVES: Final[dict[str, Any]] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_BECOME: Final = """
SELECT set_config('role', rolname, false) FROM pg_roles
WHERE rolname = %(role)s AND pg_has_role(session_user, oid, %(right)s)
    AND has_table_privilege(oid, to_regclass('schema_version'), 'SELECT')"""
_FIXES: Final = (
    ("authentication failed", "correct the user and password in LIQ_DATABASE_URL"),
    ("no password supplied", "put the password into LIQ_DATABASE_URL"),
    ('role "', "correct the user in LIQ_DATABASE_URL"),
    ("does not exist", "create the database, or correct its name in LIQ_DATABASE_URL"),
    ("too many clients", "raise max_connections or stop other clients"),
    ("", "start PostgreSQL, or correct the address in LIQ_DATABASE_URL"),
)


@contextmanager
def connect(database_url: str, *, autocommit: bool = False, role: str | None = None) -> Iterator[Connection]:
    """A connection in UTC that is committed at the end, rolled back on an error, and always closed.

    ``role`` gives up all rights but that role's, where the database has it and the user may.
    Raises ServerError when the server cannot be reached or logged in to, and when it goes away in between.
    """
    where = _where(database_url)
    try:
        connection = psycopg.connect(
            make_conninfo("", **_KEEPALIVES | conninfo_to_dict(database_url)),
            autocommit=True,
            connect_timeout=10,
            application_name="liq",
            options=_SETTINGS,
        )
    except psycopg.OperationalError as error:
        reason = _one_line(error, database_url)
        fix = next(fix for symptom, fix in _FIXES if symptom in reason)
        raise ServerError(f"{where}: {reason}: {fix}") from None
    try:
        with connection:
            if role is not None:
                # Before the first transaction, whose rollback would take it back.
                connection.execute(_BECOME, {"role": role, "right": right_to_become(connection)})
            connection.autocommit = autocommit
            yield connection
    except psycopg.OperationalError as error:
        raise ServerError(
            f"{where}: {_one_line(error, database_url)}: what was not committed is repeated by the next run"
        ) from error


def right_to_become(connection: Connection) -> str:
    """What lets a user take on a role: since PostgreSQL 16 a member may have been refused it."""
    return "SET" if connection.info.server_version >= 160000 else "MEMBER"


def _where(database_url: str) -> str:
    try:
        parts = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    # libpq takes what follows an unescaped @ or / of a password for the host and quotes it in its messages.
    if "@" in str(parts.get("host", "")):
        raise ServerError(
            "LIQ_DATABASE_URL (hidden) is not a PostgreSQL URL; write it like "
            "postgresql://user:password@host:5432/liquidations, special characters in the password as %XX"
        )
    host, port = parts.get("host") or "the local socket", parts.get("port") or 5432
    return f"PostgreSQL at {host} port {port}, database {parts.get('dbname') or parts.get('user') or '(default)'}"


def _one_line(error: psycopg.Error, database_url: str) -> str:
    """The server's own sentence: the last line of libpq's message, and no secret in it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = lines[-1 if "FATAL" in lines[-1] else 0] if lines else type(error).__name__
    text = text.rsplit("FATAL:", 1)[-1].removeprefix("connection failed:").strip()
    password = conninfo_to_dict(database_url).get("password")
    return text.replace(str(password), "(hidden)") if password else text
