"""What Dagster's processes need to know, the same for ``liq up`` and ``liq env``: DAGSTER_HOME and its storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

import liq_pipeline
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.errors import ServerError
from liq_pipeline.warehouse.connection import Connection, connect


def repository() -> Path:
    """The clone this package runs from, with workspace.yaml and dagster.yaml at its root."""
    return Path(liq_pipeline.__file__).parent.parent


def dagster_environment(home: Home, servers: Servers) -> dict[str, str]:
    """DAGSTER_HOME, with today's dagster.yaml in it, and DAGSTER_PG_*.

    Dagster's tables are kept in a database of their own beside ours, ``<ours>_dagster``, so that two pipelines on
    one PostgreSQL never share them: two daemons on one storage fail each other's runs.
    """
    folder = home.path / "dagster"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        source = (repository() / "dagster.yaml").read_bytes()
        target = folder / "dagster.yaml"
        if not target.is_file() or target.read_bytes() != source:
            target.write_bytes(source)
    except OSError as error:
        raise ServerError(f"{error.filename}: {error.strerror}: run liq from a clone, with LIQ_HOME writable") from None
    parts = conninfo_to_dict(servers.database_url)
    return {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_PG_HOST": str(parts.get("host") or "127.0.0.1"),
        "DAGSTER_PG_PORT": str(parts.get("port") or 5432),
        "DAGSTER_PG_USERNAME": str(parts.get("user") or os.environ.get("USER", "postgres")),
        "DAGSTER_PG_PASSWORD": str(parts.get("password") or ""),
        "DAGSTER_PG_DB": storage_name(servers.database_url),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def storage_name(database_url: str) -> str:
    """The database of Dagster's storage for a warehouse URL."""
    parts = conninfo_to_dict(database_url)
    return f"{parts.get('dbname') or parts.get('user') or 'postgres'}_dagster"


def has_storage(database_url: str) -> bool:
    """Whether Dagster has a database beside this one, and so may have recorded something."""
    with connect(database_url) as connection:
        return _exists(connection, storage_name(database_url))


def create_storage(database_url: str) -> bool:
    """Create the database of Dagster's storage if it is missing; whether it was.

    Raises ServerError with the statement to run where the role may not.
    """
    name = storage_name(database_url)
    with connect(database_url, autocommit=True) as connection:
        if _exists(connection, name):
            return False
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            return False
        except errors.InsufficientPrivilege:
            user = connection.info.user
            raise ServerError(
                f"role {user} may not create the database {name} for Dagster's own tables: "
                f'run CREATE DATABASE "{name}" OWNER "{user}" as an administrator, then try again'
            ) from None
    return True


def _exists(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def exports(home: Home, servers: Servers) -> Mapping[str, str]:
    """Everything a process needs to work on this home and its servers."""
    return {
        "LIQ_HOME": str(home.path),
        "LIQ_DATABASE_URL": servers.database_url,
        "LIQ_REDIS_URL": servers.redis_url,
        **dagster_environment(home, servers),
    }
