"""A running demo, measured from outside: its processes, its servers, its storage, one sample after another."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
import psycopg

from liq_pipeline.cli.dagster_home import dagster_environment, storage_name
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.home import Home
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing_zone import stream_states

MIB: Final = 1 << 20

Sample = dict[str, float]

# What a command line holds, and whose it is; of several the first. Run workers say what they work on nowhere: the
# shifts of the collector and of the live view, and the days.
_ROLES: Final = (
    ("liq_pipeline.simulate.venues", "venues"),
    ("dagster._daemon", "daemon"),
    ("dagster_webserver", "webserver"),
    ("multiprocessing.", "runs"),
    ("dagster api grpc", "code server"),
    ("postgres", "postgres"),
    ("-server 127.0.0.1", "redis"),
    (" up --demo", "liq up"),
)
ROLES: Final = tuple(role for _, role in _ROLES)
OTHER: Final = "other"

_WAREHOUSE: Final = """
SELECT (SELECT count(*) FROM liquidations_raw),
       (SELECT count(*) FROM feed_gaps WHERE reason <> 'throttled' AND started_at > %(began)s),
       (SELECT count(*) FROM frames_rejected),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
       pg_database_size(current_database())"""
_STORAGE: Final = """
SELECT (SELECT count(*) FROM event_logs), (SELECT count(*) FROM asset_check_executions),
       (SELECT count(*) FROM job_ticks), pg_database_size(current_database())"""


class _Run(NamedTuple):
    run_id: str
    job: str
    status: str


@dataclass
class Watched:
    """The demo of a home that ``liq up`` of process ``pid`` keeps, watched since ``began`` (seconds since 1970)."""

    home: Home
    pid: int
    began: float
    database_url: str
    redis_url: str
    _cpu: dict[int, float] = field(default_factory=dict)
    _at: float = 0.0
    _runs: dict[str, _Run] = field(default_factory=dict)
    """All runs there ever were: those that ended are deleted meanwhile."""

    @classmethod
    def find(cls, home: Path, pid: int, began: float) -> Watched:
        """Also points this process at the demo's Dagster. Raises ServerError when nothing runs in that home."""
        found = servers.locate(Settings(home=home))
        prepared = Home.prepare(home)
        os.environ.update(dagster_environment(prepared, found))
        return cls(prepared, pid, began, found.database_url, found.redis_url)

    def sample(self, now: float) -> Sample:
        """Everything at one time, by name; a MB has 2^20 bytes, memory is the proportional share (PSS)."""
        return {
            "seconds": round(now - self.began, 1),
            **self._processes(now),
            **self._redis(),
            **self._warehouse(),
            **self._dagster(),
            "disk MB": _size(self.home.path) / MIB,
            "temporary files": sum(1 for _ in (self.home.path.parent / "tmp").rglob("*")),
        }

    def _processes(self, now: float) -> Sample:
        memory, times = defaultdict[str, float](float), dict[int, float]()
        files = connections = 0
        for one in self._members():
            with suppress(psutil.Error, OSError):
                memory[_role(" ".join(one.cmdline()))] += _memory(one)
                files += one.num_fds()
                connections += sum(each.status == psutil.CONN_ESTABLISHED for each in one.net_connections("tcp"))
                times[one.pid] = sum(one.cpu_times()[:2])
        used = sum(max(0.0, seconds - self._cpu.get(pid, 0.0)) for pid, seconds in times.items())
        share = 100 * used / (now - self._at) if self._at else 0.0
        self._cpu, self._at = times, now
        return {
            **{f"{role} MB": memory[role] / MIB for role in (*ROLES, OTHER)},
            "processes": len(times),
            "files": files,
            "TCP connections": connections,
            "CPU %": share,
        }

    def _members(self) -> list[psutil.Process]:
        """``liq up``, its servers, whatever carries the mark of the home, and the children of all of them."""
        recorded = json.loads((self.home.run / "servers.json").read_text())
        pids = {self.pid, *(entry["pid"] for entry in recorded.values()), *(one.pid for one in self.home.leftovers())}
        found: dict[int, psutil.Process] = {}
        for pid in pids - {os.getpid()}:
            with suppress(psutil.Error, OSError):
                one = psutil.Process(pid)
                found |= {each.pid: each for each in (one, *one.children(recursive=True))}
        return list(found.values())

    def _redis(self) -> Sample:
        with open_redis(self.redis_url) as client:
            states = stream_states(client)
            memory: dict[str, Any] = client.info("memory")
            clients: dict[str, Any] = client.info("clients")
        return {
            "stream entries": sum(state.length for state in states),
            "backlog": sum(state.uncommitted for state in states),
            "Redis data MB": int(memory["used_memory"]) / MIB,
            "Redis clients": int(clients["connected_clients"]),
        }

    def _warehouse(self) -> Sample:
        with connect(self.database_url) as connection:
            row = connection.execute(_WAREHOUSE, {"began": datetime.fromtimestamp(self.began, UTC)}).fetchone()
        names = ("events", "gaps", "rejected", "PostgreSQL connections", "warehouse MB")
        return _named(names, row)

    def _dagster(self) -> Sample:
        with psycopg.connect(self.database_url, dbname=storage_name(self.database_url)) as connection:
            runs = [_Run(*row) for row in connection.execute("SELECT run_id, pipeline_name, status FROM runs")]
            row = connection.execute(_STORAGE).fetchone()
        self._runs |= {run.run_id: run for run in runs}
        ended = [(run.job, run.status) for run in self._runs.values()]
        return {
            "collector shifts": ended.count(("collector_job", "SUCCESS")),
            "live shifts": ended.count(("live_job", "SUCCESS")),
            "days made": ended.count(("daily_tables", "SUCCESS")),
            "failed runs": sum(status == "FAILURE" for _, status in ended),
            "runs stored": len(runs),
            **_named(("events stored", "verdicts stored", "ticks stored", "Dagster MB"), row),
        }


def _named(names: tuple[str, ...], row: tuple[Any, ...] | None) -> Sample:
    assert row is not None
    return {name: value / MIB if name.endswith(" MB") else value for name, value in zip(names, row, strict=True)}


def _role(command: str) -> str:
    return next((role for part, role in _ROLES if part in command), OTHER)


def _memory(one: psutil.Process) -> float:
    """What a process takes of memory: pages that n share count for 1/n, so that the sum is true."""
    for line in Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) * 1024
    return 0.0


def _size(folder: Path) -> int:
    """Bytes that the files below take on disk; files come and go meanwhile."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(path, name).lstat().st_blocks * 512
    return total
