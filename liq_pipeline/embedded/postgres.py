"""One PostgreSQL cluster of this machine: made, started, recognised after a crash, and stopped."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql

from liq_pipeline.embedded import process
from liq_pipeline.embedded.binaries import Binaries, postgres_binaries
from liq_pipeline.embedded.server import Server
from liq_pipeline.errors import ServerError

_USER: Final = "liq"
_SETTINGS_FILE: Final = "liq.conf"


@dataclass
class Postgres(Server):
    """A cluster; ``durable=False`` may lose or damage it in a power cut."""

    name = "PostgreSQL"
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
    _stop_signal = signal.SIGINT
    _stop_seconds = 30

    @property
    def has_timescaledb(self) -> bool:
        """Whether these binaries come with the TimescaleDB extension, files really present."""
        folders = self.account.run([self.binaries.program("pg_config"), "--sharedir", "--pkglibdir"]).stdout.split("\n")
        return (
            len(folders) >= 2
            and (Path(folders[0]) / "extension" / "timescaledb.control").is_file()
            and (Path(folders[1]) / "timescaledb.so").is_file()
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._clear_leftovers()
        deadline = time.monotonic() + 60
        while True:
            self.port = process.kept_port(self.directory / "port")
            self._configure()
            before = self.log.stat().st_size if self.log.exists() else 0
            self._launch()
            failure = self._wait_until_ready(deadline)
            if failure is None:
                return
            said = self._log_since(before)
            # Backends of a killed server hold its memory for up to some seconds, and a free port can be taken
            # between choosing and binding it; anything else does not mend itself.
            passing = any(text in said for text in ("lock file", "shared memory", "could not bind", "in use"))
            if not passing or time.monotonic() > deadline:
                raise ServerError(f"{self.binaries} in {self.data} does not start: {failure} (log: {self.log})")
            time.sleep(0.3)

    def adopt(self) -> bool:
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            lines = (self.data / "postmaster.pid").read_text().split("\n")
            server = psutil.Process(int(lines[0]))
            if server.pid in {found.pid for found in process.in_folder(self.data)}:
                self.server, self.port = server, int(lines[3])
                return self._answer() is None
        return False

    def create_database(self, name: str) -> None:
        """Create a database if it does not exist."""
        with (
            psycopg.connect(self.url(), autocommit=True) as connection,
            contextlib.suppress(psycopg.errors.DuplicateDatabase),
        ):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _find_binaries(self) -> Binaries:
        return postgres_binaries(self.directory, self.mode, self.account)

    def _initialise(self) -> None:
        if self.data.exists() and any(self.data.iterdir()):
            raise ServerError(f"{self.data} holds something that is no PostgreSQL data: move it away")
        self.account.folder(self.data)
        password_file = self.directory / "initial-password"
        process.write_private(password_file, self.password)
        self.account.own(password_file)
        try:
            made = self.account.run(
                [
                    self.binaries.program("initdb"),
                    f"--pgdata={self.data}",
                    f"--username={_USER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-locale",
                    *([] if self.durable else ["--no-sync"]),
                ]
            )
        finally:
            password_file.unlink(missing_ok=True)
        if made.returncode != 0:
            lines = made.stderr.strip().splitlines() or [f"exit code {made.returncode}"]
            raise ServerError(f"{self.binaries} cannot make its data in {self.data}: {lines[0]}")
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"\ninclude = '{_SETTINGS_FILE}'\n")

    def _configure(self) -> None:
        """Write the settings we answer for; ALTER SYSTEM still wins over all but the command line's."""
        settings = {
            "max_connections": "100",
            "shared_buffers": "128MB",
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            "password_encryption": "scram-sha-256",
        }
        if self.has_timescaledb:
            # Each database that has the extension keeps a worker of its own.
            settings |= {
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
                "max_worker_processes": "40",
                "timescaledb.max_background_workers": "24",
                # A year of daily chunks of every table, each with its index, in one dump or one query of all time.
                "max_locks_per_transaction": "256",
            }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        path = self.data / _SETTINGS_FILE
        path.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self.account.own(path)

    def _launch(self) -> None:
        self.server = process.spawn(
            [
                self.binaries.program("postgres"),
                "-D",
                self.data,
                *("-c", "listen_addresses=127.0.0.1"),
                *("-c", f"port={self.port}"),
                *("-c", "unix_socket_directories="),
            ],
            log=self.log,
            cwd=Path("/"),
            account=self.account,
            end_with=signal.SIGINT if self.with_parent else None,
        )

    def _answer(self) -> str | None:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return " ".join(str(error).split())
        return None

    def _log_since(self, position: int) -> str:
        with self.log.open("rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    def _clear_leftovers(self) -> None:
        """Stop what still works on this data, and remove a pid file that would name a stranger.

        After a crash the recorded pid may belong to another process by now; PostgreSQL would refuse for ever.
        """
        process.stop(process.in_folder(self.data), signal.SIGINT, grace=15)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
