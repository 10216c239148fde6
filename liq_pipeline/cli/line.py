"""The running line: which processes it consists of, in which order they start and stop."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
import psutil

from liq_pipeline.cli.dagster_home import create_storage, exports
from liq_pipeline.cli.milestones import Milestones
from liq_pipeline.embedded import process
from liq_pipeline.embedded.demo import venues_file
from liq_pipeline.embedded.home import MARKER, Home
from liq_pipeline.embedded.redis import check_redis
from liq_pipeline.embedded.servers import Embedded, Servers, embedded
from liq_pipeline.embedded.supervise import Child, Supervised, Supervisor
from liq_pipeline.errors import ServerError
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.catalogue import VENUES

# -P: a folder of the caller's that is called like a package of ours must not be imported instead.
_PYTHON: Final = (sys.executable, "-P", "-m")


@dataclass
class Line:
    """PostgreSQL, Redis, the demo's exchanges, and Dagster's code server, daemon and webserver of one home."""

    settings: Settings
    home: Home
    port: int
    demo: bool
    servers: Embedded = field(init=False)
    children: list[Child] = field(init=False, default_factory=list)
    environment: dict[str, str] = field(init=False, default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """Of the Dagster UI."""
        return f"http://127.0.0.1:{self.port}"

    def run(self) -> None:
        """Start everything and look after it until a signal raises here; then stop everything.

        Raises ServerError or SettingsError, with the fix, when something cannot be started.
        """
        began = time.monotonic()
        _say(f"home {self.home.path}")
        self._refuse_second_daemon()
        self._stop_leftovers("an earlier start")
        if not process.is_free(self.port):
            raise ServerError(f"port {self.port} is in use{_listener(self.port)}: choose another with --port")
        self.servers = embedded(self.settings, self.home, with_parent=True)
        try:
            new_storage = self._start_servers()
            if self.demo:
                self._start_venues()
            self._start_dagster(new_storage)
            self._welcome(time.monotonic() - began)
            self._look_after()
        finally:
            self._stop()

    def _start_servers(self) -> bool:
        """Start and prepare PostgreSQL and Redis; whether Dagster's storage is new."""
        from liq_pipeline.warehouse import policies
        from liq_pipeline.warehouse.migrate import migrate

        found = self.servers.start(_say)
        check_redis(found.redis_url)
        version = migrate(found.database_url)
        policies.apply(found.database_url, self.settings)
        new_storage = create_storage(found.database_url)
        self._use(found)
        _say(f"schema version {version} in place")
        return new_storage

    def _use(self, found: Servers) -> None:
        self.environment.update(os.environ)
        self.environment.update(exports(self.home, found))
        self.environment.update(self.home.environment())
        self.environment["PYTHONUNBUFFERED"] = "1"
        # Alerts link to the page of their run.
        self.environment.setdefault("LIQ_UI_URL", self.address)

    def _start_venues(self) -> None:
        file = venues_file(self.home)
        file.unlink(missing_ok=True)
        # Ports of our choosing: after a restart the collector finds the exchanges where its environment says.
        ports = ",".join(str(process.kept_port(self.home.run / f"port-{venue}")) for venue in VENUES)
        module = [*_PYTHON, "liq_pipeline.simulate.venues", "--seed", "1", "--ports", ports, "--port-file", str(file)]
        self._launch("simulated exchanges", module, file.is_file).wait()
        self.environment.update(json.loads(file.read_text()))
        _say(f"simulated exchanges on loopback ports {ports}")

    def _start_dagster(self, new_storage: bool) -> None:
        began = time.monotonic()
        if new_storage:
            # All of Dagster's processes make missing tables, and fail when they do so at the same time.
            _say("making Dagster's storage")
            self._prepare_storage()
        code_port = process.kept_port(self.home.run / "port-code-server")
        workspace = str(self.home.run / "workspace.yaml")
        Path(workspace).write_text(
            "load_from:\n  - grpc_server:\n"
            f"      host: 127.0.0.1\n      port: {code_port}\n      location_name: liq_pipeline\n"
        )
        code_server = self._launch(
            "code server",
            [
                *(*_PYTHON, "dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(code_port)),
                *("--module-name", "liq_pipeline.definitions", "--location-name", "liq_pipeline"),
                *("--empty-working-directory", "--use-python-environment-entry-point"),
            ],
            lambda: not process.is_free(code_port),
        )
        if not new_storage:
            self._prepare_storage()
        # The webserver and the daemon read the location once when they start: it has to be there by then.
        code_server.wait()
        _say(f"definitions loaded in {time.monotonic() - began:.1f} s, opening the UI")
        self._launch("daemon", [*_PYTHON, "dagster._daemon", "run", "-w", workspace])
        self._launch(
            "webserver",
            [*_PYTHON, "dagster_webserver", "-h", "127.0.0.1", "-p", str(self.port), "-w", workspace],
            lambda: _answers(f"{self.address}/server_info"),
        ).wait()

    def _launch(self, name: str, command: list[str], ready: Callable[[], bool] = lambda: True) -> Child:
        child = Child(name, command, self.environment, self.home.log(name.replace(" ", "-")), ready)
        self.children.append(child)
        child.launch()
        self._record()
        return child

    def _prepare_storage(self) -> None:
        # Runs of a storage on a server of somebody else's may be alive elsewhere.
        own = ["--end-runs"] if self.servers.postgres else []
        prepared = subprocess.run(
            [*_PYTHON, "liq_pipeline.dagster_defs.interrupted", *own],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if prepared.returncode != 0:
            lines = prepared.stderr.strip().splitlines()
            raise ServerError(f"Dagster's storage cannot be prepared: {lines[-1] if lines else prepared.returncode}")
        if int(prepared.stdout or 0):
            _say(f"marked {int(prepared.stdout)} interrupted runs of an earlier start as failed")

    def _record(self) -> None:
        self.home.record({child.name: child.server for child in self.children if child.server is not None})

    def _welcome(self, seconds: float) -> None:
        command = f"LIQ_HOME={self.home.path} liq status"
        _say(f"everything runs, after {seconds:.1f} s")
        click.echo(
            f"\n    Dagster UI   {self.address}\n"
            f"    the tables   {self.address}/assets\n"
            f"    runs         {self.address}/runs\n"
            f"    state        {command}\n"
            f"    logs         {self.home.logs}\n"
            "    stop         Ctrl-C\n"
        )

    def _look_after(self) -> None:
        supervisor = Supervisor(_say, self._came_back)
        milestones = Milestones(self.servers.database_url, self.servers.redis_url, _say)
        looks = 0
        while True:
            supervisor.look([*self.servers.ours(), *self.children])
            if looks % 20 == 0:
                milestones.look()
            if looks % 240 == 0:
                self.home.trim_logs()
            looks += 1
            time.sleep(0.25)

    def _came_back(self, server: Supervised) -> None:
        self._record()
        if isinstance(server, Child):
            return
        before = (self.servers.database_url, self.servers.redis_url)
        found = self.servers.refresh()
        if (found.database_url, found.redis_url) != before:
            _say(f"{server.name} had to move to another port; everything that uses it starts again")
            self._use(found)
            for child in self.children:
                child.stop()

    def _stop(self) -> None:
        _say("stopping")
        by_name = {child.name: child for child in self.children}
        # The daemon first, so that no run begins; then the runs, while the servers they write to still stand.
        for name in ("daemon", "webserver"):
            if name in by_name:
                by_name.pop(name).stop()
        ours = {child.server.pid for child in by_name.values() if child.server is not None}
        process.stop(
            [run for run in self.home.leftovers() if not (run.pid in ours or process.is_resource_tracker(run))],
            grace=15,
        )
        for child in reversed(by_name.values()):
            child.stop()
        self._stop_leftovers("this one")
        self.servers.stop()
        _say("stopped; the data is kept")

    def _stop_leftovers(self, of: str) -> None:
        left = self.home.leftovers()
        if left:
            _say(f"stopping {len(left)} processes left of {of}")
            process.stop(left, grace=10)

    def _refuse_second_daemon(self) -> None:
        """Two daemons on one storage fail each other's runs; `dagster dev` on this home's servers has one."""
        for candidate in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environment = candidate.environ()
                here = environment.get("DAGSTER_HOME") == str(self.home.path / "dagster") and MARKER not in environment
                if here and "dagster._daemon" in " ".join(candidate.cmdline()):
                    raise ServerError(
                        f"a Dagster daemon, pid {candidate.pid}, works on LIQ_HOME={self.home.path} already: "
                        "stop its `dagster dev` first"
                    )


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}  {text}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _listener(port: int) -> str:
    """Who listens on a port, where the system tells."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
            if here and connection.pid:
                return f" by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    return ""
