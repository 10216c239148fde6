"""Least privilege: the roles of ``sql/roles.sql``, and whether they are in place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg import errors

import liq_pipeline
from liq_pipeline.warehouse.connection import LOADER, OWNER, READER, Connection, right_to_become

_FILE: Final = Path(liq_pipeline.__file__).parent.parent / "sql" / "roles.sql"
_STATE: Final = """
SELECT name,
       to_regrole(name) IS NOT NULL,
       coalesce(pg_has_role(session_user, to_regrole(name), 'MEMBER'), false),
       coalesce(has_table_privilege(to_regrole(name), 'schema_version', 'SELECT'), false)
FROM unnest(%s::text[]) WITH ORDINALITY AS roles (name, place) ORDER BY place"""

_OWNER: Final = """
SELECT rolname FROM pg_roles
WHERE rolname = %(role)s AND pg_has_role(session_user, oid, %(right)s)
    AND has_schema_privilege(oid, current_schema(), 'CREATE')
    AND NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relowner = session_user::regrole
            AND relkind IN ('r', 'p', 'v')
    )"""


def apply(connection: Connection) -> bool:
    """Create the roles and give them what they need, as far as that is missing; whether they are in place.

    False, and nothing changed, where the connected role may not create roles or give away its tables: everything
    works without them, as that role. ``connection`` is in autocommit.
    """
    try:
        with connection.transaction():
            connection.execute(_FILE.read_bytes())
    except errors.InsufficientPrivilege:
        return False
    return True


def become_owner(connection: Connection) -> None:
    """Be the role that owns the tables, for the rest of the transaction, so that new ones are its own from the start.

    Where tables have stayed with the user, whose files those are to change, it stays the user.
    """
    row = connection.execute(_OWNER, {"role": OWNER, "right": right_to_become(connection)}).fetchone()
    if row:
        connection.execute("SELECT set_config('role', %s, true)", row)


def said(connection: Connection) -> str:
    """Which roles are in use, or why none is and what to run, in words."""
    user = connection.info.user
    rows = connection.execute(_STATE, ([OWNER, LOADER, READER],)).fetchall()
    if missing := [name for name, exists, _, _ in rows if not exists]:
        return f"not separated: {user} may not create {', '.join(missing)}; run sql/roles.sql as an administrator"
    if foreign := [name for name, _, member, _ in rows if not member]:
        return f"not separated: GRANT {', '.join(foreign)} TO {user} as an administrator, then run `liq migrate`"
    if bare := [name for name, _, _, granted in rows if not granted]:
        return f"not separated: {', '.join(bare)} has no rights here yet; run `liq migrate`"
    return f"{OWNER} owns, {LOADER} lands, {READER} reads"
