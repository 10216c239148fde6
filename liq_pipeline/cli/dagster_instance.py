"""Dagster's instance, for commands that record runs in it or read from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance

from liq_pipeline.cli.dagster_home import create_storage, dagster_environment
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.settings import Settings


@contextmanager
def dagster_instance(settings: Settings, servers: Servers) -> Iterator[DagsterInstance]:
    """The instance of DAGSTER_HOME if that is set, otherwise the one `liq up` uses for these servers.

    Changes this process's environment, where Dagster looks for its home and storage.
    """
    if not os.environ.get("DAGSTER_HOME"):
        os.environ |= dagster_environment(Home.prepare(settings.home), servers)
        create_storage(servers.database_url)
    with DagsterInstance.get() as instance:
        # A run writes a hundred events, by default over a connection each; pooled, a day costs half.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield instance
