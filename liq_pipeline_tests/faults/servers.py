"""PostgreSQL and Redis of one line: its own, durable as a user's are, and quick to have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.embedded.server import Server
from liq_pipeline.warehouse.migrate import migrate

PLAIN: Final = "plain"
TIMESCALEDB: Final = "timescaledb"


def _mode() -> Literal["auto", "wheel"]:
    return "wheel" if os.environ.get("LIQ_EMBEDDED") == "wheel" else "auto"


class Template:
    """The data of a PostgreSQL with our schema in a database of each flavour, made once and copied for each line.

    A folder that holds one already is used as it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        is_made = folder.exists()
        server = Postgres(folder, folder.with_suffix(".log"), _mode(), durable=False)
        self.flavours = {PLAIN, TIMESCALEDB} if server.has_timescaledb else {PLAIN}
        if not is_made:
            self._make(server)

    def _make(self, server: Postgres) -> None:
        server.start()
        try:
            for flavour in sorted(self.flavours):
                server.create_database(flavour)
                migrate(server.url(flavour), plain=flavour == PLAIN)
        finally:
            server.stop()
        # A copy that found its port free would have the next copy's.
        (self._folder / "port").unlink()

    def copy(self, folder: Path) -> None:
        """The same data in another folder; files keep their owners."""
        subprocess.run(["cp", "-a", self._folder, folder], check=True)


class Servers:
    """A running PostgreSQL and Redis, which faults may kill and start again."""

    def __init__(self, template: Template, folder: Path) -> None:
        template.copy(folder / "postgres")
        self.postgres = Postgres(folder / "postgres", folder / "postgres.log", _mode())
        self.redis = Redis(folder / "redis", folder / "redis.log", _mode())
        # Servers end with the thread that started them: this one lives as long as they should.
        self.starter = ThreadPoolExecutor(1)

    def named(self, name: str) -> Server:
        """``postgres`` or ``redis``."""
        return {"postgres": self.postgres, "redis": self.redis}[name]

    def start(self) -> None:
        for server in (self.postgres, self.redis):
            self.starter.submit(server.start).result()

    def stop(self) -> None:
        for server in (self.redis, self.postgres):
            server.stop()
        self.starter.shutdown()


@contextmanager
def serving(template: Template, folder: Path) -> Iterator[Servers]:
    """Servers of their own in ``folder``, which is removed at the end."""
    servers = Servers(template, folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
