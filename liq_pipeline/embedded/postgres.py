"""One PostgreSQL cluster of this machine: made, started, recognised after a crash, and stopped."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import psutil
import psycopg
from psycopg import sql

from liq_pipeline.embedded import process
from liq_pipeline.embedded.account import Account, server_account
from liq_pipeline.embedded.binaries import Binaries, postgres_binaries
from liq_pipeline.errors import ServerError

_USER: Final = "liq"
_SETTINGS_FILE: Final = "liq.conf"


@dataclass
class Postgres:
    """A cluster in ``directory`` (its data, password, port and the record of its binaries).

    ``durable=False`` trades safety after a power cut for speed: for tests. ``with_parent=False`` lets the server
    outlive this process.
    """

    directory: Path
    log: Path
    mode: Literal["auto", "wheel"] = "auto"
    durable: bool = True
    with_parent: bool = True
    account: Account = field(default_factory=server_account)
    binaries: Binaries = field(init=False)
    name: str = field(init=False, default="PostgreSQL")
    port: int = field(init=False, default=0)
    password: str = field(init=False, default="")
    server: psutil.Process | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.binaries = postgres_binaries(self.directory, self.mode, self.account)
        self.password = process.kept_secret(self.directory / "password")

    @property
    def data(self) -> Path:
        return self.directory / "data"

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

    def running(self) -> bool:
        return process.alive(self.server)

    def start(self) -> None:
        """Make the cluster if there is none and start it; returns when it answers.

        Raises ServerError with the end of the server's log when it does not come up within a minute.
        """
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

    def stop(self) -> None:
        """Stop the server: sessions are cut off, everything committed is written. Without effect if it is down."""
        if self.running():
            assert self.server is not None
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
            process.stop([self.server], signal.SIGINT, grace=30)
        self.server = None

    def adopt(self) -> bool:
        """Take over the server another process left running on this data; whether there was one that answers."""
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

    def _wait_until_ready(self, deadline: float) -> str | None:
        failure: str | None = "it was given no time"
        while time.monotonic() < deadline:
            if not self.running():
                return process.tail(self.log)
            failure = self._answer()
            if failure is None:
                return None
            if "password authentication" in failure:
                return f"{failure}; {self.directory / 'password'} is not this cluster's"
            time.sleep(0.03)
        self.stop()
        return failure

    def _answer(self) -> str | None:
        """None if the server lets us in, otherwise what it said."""
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
