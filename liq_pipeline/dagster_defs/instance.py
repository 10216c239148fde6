"""Dagster's instance for a command that records runs in it or reads from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance

__all__ = ["DagsterInstance", "open_instance"]


@contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """The instance of DAGSTER_HOME and DAGSTER_PG_*, with pooled connections."""
    with DagsterInstance.get() as instance:
        # A run writes a hundred events, by default over a connection each; pooled, a day costs half.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield instance
