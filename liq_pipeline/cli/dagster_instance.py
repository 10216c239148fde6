"""Dagster's instance, for commands that record runs in it or read from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liq_pipeline.cli.dagster_home import create_storage, dagster_environment
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.settings import Settings

if TYPE_CHECKING:
    from liq_pipeline.dagster_defs.instance import DagsterInstance


@contextmanager
def dagster_instance(settings: Settings, servers: Servers) -> Iterator[DagsterInstance]:
    """The instance of DAGSTER_HOME if that is set, otherwise the one `liq up` uses for these servers.

    Changes this process's environment, where Dagster looks for its home and storage.
    """
    from liq_pipeline.dagster_defs.instance import open_instance

    if not os.environ.get("DAGSTER_HOME"):
        os.environ |= dagster_environment(Home.prepare(settings.home), servers)
        create_storage(servers.database_url)
    with open_instance() as instance:
        yield instance
