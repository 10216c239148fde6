"""Dagster's instance for a command that records runs in it or reads from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterError, DagsterInstance
from dagster_postgres.utils import DagsterPostgresException

from liq_pipeline.errors import ServerError

__all__ = ["DagsterInstance", "open_instance"]


@contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """The instance of DAGSTER_HOME and DAGSTER_PG_*, with pooled connections.

    Raises ServerError when its folder or storage cannot be used.
    """
    try:
        opened = DagsterInstance.get()
    except (DagsterError, DagsterPostgresException) as error:
        raise ServerError(
            f"Dagster's instance of DAGSTER_HOME={os.environ.get('DAGSTER_HOME')} cannot be opened: "
            f"{' '.join(str(error).split())}: unset DAGSTER_HOME to use the one `liq up` makes, or correct it and "
            "DAGSTER_PG_*"
        ) from error
    with opened as instance:
        # A run writes a hundred events, by default over a connection each; pooled, a day costs half.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield instance
