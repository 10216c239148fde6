"""What ``liq status`` finds out, and what of it is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis

from liq_pipeline import streams
from liq_pipeline.archive.scan import named
from liq_pipeline.archive.survey import survey
from liq_pipeline.cli import status_alerts
from liq_pipeline.cli.dagster_home import has_storage
from liq_pipeline.cli.dagster_instance import dagster_instance
from liq_pipeline.collector.health import state_of
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.errors import LiqError
from liq_pipeline.live.standing import Standing, standing
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage, migrate, reads, roles, storage
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import READER, connect
from liq_pipeline.warehouse.day_state import read_states, stale
from liq_pipeline.warehouse.landing_zone import StreamState, hash_text, stream_states, uncommitted_events

_HOUR_MS: Final = 3_600_000
_ARRIVING_MS: Final = 60_000
_NEVER: Final = "never collected"
_BEGINNING: Final = ("starting", "connecting")
_LATE: Final = timedelta(minutes=15)
"""Three refreshes of today missed."""

Rows = list[dict[str, Any]]


@dataclass
class Status:
    """Everything shown, ready for JSON; ``problems`` are sentences that name the fix."""

    servers: dict[str, str] = field(default_factory=dict)
    feeds: Rows = field(default_factory=list)
    coverage: Rows = field(default_factory=list)
    live: Rows = field(default_factory=list)
    streams: Rows = field(default_factory=list)
    rejected: Rows = field(default_factory=list)
    tables: Rows = field(default_factory=list)
    storage: Rows = field(default_factory=list)
    policies: Rows = field(default_factory=list)
    stale: Rows = field(default_factory=list)
    failing_checks: Rows = field(default_factory=list)
    incidents: Rows = field(default_factory=list)
    channels_down: Rows = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def gather(settings: Settings, servers: Servers) -> Status:
    """Ask every part; one that does not answer is a problem, and the others are still shown."""
    status = Status()
    parts: tuple[Callable[[Status, Settings, Servers], None], ...] = (_database, _redis, _archive, _dagster)
    for part in parts:
        try:
            part(status, settings, servers)
        except LiqError as error:
            # One server that is away is one problem, whoever asked it.
            if str(error) not in status.problems:
                status.problems.append(str(error))
    return status


def _database(status: Status, settings: Settings, servers: Servers) -> None:
    with connect(servers.database_url) as connection:
        version = migrate.version(connection)
        status.servers["PostgreSQL"] = connection.info.parameter_status("server_version") or "unknown"
        status.servers["schema"] = f"version {version}, this program needs {migrate.required_version()}"
    migrate.check(servers.database_url)
    now = datetime.now(UTC)
    with connect(servers.database_url, role=READER) as connection:
        status.servers["tables"] = reads.flavour(connection).text
        status.servers["roles"] = roles.said(connection)
        states = read_states(connection, last=now.date())
        found = [*stale(states, settings), *coverage.stale(connection, settings, now)]
        seen = reads.coverage_of(connection, now.date())
        behind = reads.behind_rollups(connection, settings)
        rejections = reads.rejections(connection, now - timedelta(days=1))
        sizes = storage.sizes(connection)
    with connect(servers.database_url) as connection:
        # Not as the reader, who is not shown why a policy failed.
        policies = storage.policies(connection)
    status.stale += [{"day": str(item.day), "reason": item.reason} for item in found]
    status.coverage += [_coverage(item) for item in seen]
    status.stale += [{"day": str(item.day), "reason": f"{item.table} was not summed again"} for item in behind]
    status.rejected += [{**vars(item), "newest": item.newest.isoformat()} for item in rejections]
    status.storage += [asdict(size) for size in sizes]
    status.policies += [
        {**asdict(run), "last_run": _minute(run.last_run), "next_run": _minute(run.next_run)} for run in policies
    ]
    status.problems += [
        f"TimescaleDB's policy on {run.table} ({run.does}) failed: {run.error or 'see the log of PostgreSQL'}; it is "
        "tried again by itself, mend what the message names"
        for run in policies
        if run.outcome == "failed"
    ]
    old = [item for item in status.stale if item["day"] < str(now.date())]
    told = status_alerts.look(servers.database_url)
    status.incidents += told.incidents
    status.channels_down += told.channels
    status.problems += told.problems
    if old:
        status.problems.append(
            f"{len(old)} past days are stale, {old[0]['day']} ({old[0]['reason']}) the first: the sensor stale_days "
            f"runs them again, or run `liq materialize --from {old[0]['day']} --to {old[-1]['day']}`"
        )


def _coverage(item: reads.FeedCoverage) -> dict[str, Any]:
    seconds = ("longest_gap_seconds", "healed_seconds", "throttled_seconds")
    return {
        **asdict(item),
        "coverage": f"{100 * item.coverage:.2f} %" if item.collected else _NEVER,
        **{name: float(getattr(item, name)) for name in seconds},
    }


def _minute(at: datetime | None) -> str | None:
    return at.isoformat(timespec="minutes") if at else None


def _redis(status: Status, settings: Settings, servers: Servers) -> None:
    with open_redis(servers.redis_url) as client:
        info: dict[str, Any] = client.info("server")
        status.servers["Redis"] = (
            f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"
        )
        memory: dict[str, Any] = client.info("memory")
        if 0 < int(memory.get("maxmemory") or 0) < memory["used_memory"]:
            # Then no lease can be taken either, and what follows is its consequence.
            status.problems.append(
                f"Redis is full and takes nothing: it uses {memory['used_memory']:,} bytes, and maxmemory is "
                f"{int(memory['maxmemory']):,}: raise it, or lower LIQ_STREAM_HOURS"
            )
        now = time.time_ns() // 1_000_000
        for feed in settings.exchanges:
            row = _feed(client, feed, now)
            status.feeds.append(row)
            for seen in status.coverage:
                if seen["feed"] == feed and row["collected"] and seen["coverage"] == _NEVER:
                    # The day was summed before, as it is every few minutes.
                    seen["coverage"] = "not summed yet"
            if not row["collected"]:
                status.problems.append(f"nobody collects {feed}: start `liq up`, or `liq collect --exchanges {feed}`")
            elif row["state"] != "live" and (row["state"] not in _BEGINNING or row["error"]):
                status.problems.append(f"feed {feed} is {row['state']}: {row['error'] or 'no reason recorded'}")
        states = stream_states(client)
        if (waiting := uncommitted_events(states)) > settings.backlog_entries:
            status.problems.append(
                f"{waiting:,} entries wait in Redis for the database, more than LIQ_BACKLOG_ENTRIES="
                f"{settings.backlog_entries:,}: it drains by itself once the database keeps up; see whether runs of "
                "daily_tables fail or wait, and whether the database is slow or locked"
            )
        status.live.append(_live_view(status, standing(client), states, now))
        status.streams += [
            {
                "stream": state.key,
                "entries": state.length,
                "uncommitted": state.uncommitted,
                "oldest": datetime.fromtimestamp(state.first_ms / 1000, UTC).isoformat(timespec="seconds"),
            }
            for state in states
        ]


def _live_view(status: Status, view: Standing, states: Sequence[StreamState], now: int) -> dict[str, Any]:
    arriving = any(now - state.last_ms < _ARRIVING_MS for state in states if state.key != streams.REJECTED)
    if arriving and not view.runs:
        status.problems.append("no live view runs though events arrive: start `liq up`, or `liq live`")
    if view.runs and view.database:
        status.problems.append(f"{view.unrecorded} records of the live view wait for the database: {view.database}")
    if view.runs and view.redis:
        status.problems.append(f"Redis does not take what the live view shows: {view.redis}")
    at = None if view.watermark is None else datetime.fromtimestamp(view.watermark / 1000, UTC)
    return {
        "state": view.state,
        "watermark": at and at.isoformat(timespec="seconds"),
        "behind_seconds": None if view.watermark is None else round((now - view.watermark) / 1000, 1),
        "lag_ms": view.lag_ms,
        "events_per_second": view.rate,
        "events_in_memory": view.memory,
        "active_cascades": view.active,
        "unrecorded": view.unrecorded,
    }


def _feed(client: redis.Redis, feed: str, now: int) -> dict[str, Any]:
    health = hash_text(client, streams.feed_key(feed))
    collected = bool(client.exists(streams.lease_key(feed)))

    def ago(name: str) -> float | None:
        return round((now - int(health[name])) / 1000, 1) if health.get(name) else None

    return {
        "feed": feed,
        "collected": collected,
        "state": state_of(health, collected),
        "last_frame_seconds_ago": ago("last_frame_at"),
        "last_event_seconds_ago": ago("last_event_at"),
        "covered_percent": round(100 * _covered(client, feed, now), 1),
        **{name: int(health.get(name) or 0) for name in ("events", "frames", "rejected", "reconnects")},
        "error": health.get("error", ""),
    }


def _covered(client: redis.Redis, feed: str, now: int) -> float:
    """The share of the last hour that was covered, 0 to 1; an hour ago is where it ends, however new the feed is."""
    start = now - _HOUR_MS
    entries: list[tuple[bytes, dict[bytes, bytes]]] = client.xrange(  # type: ignore[assignment]
        streams.coverage_key(feed), min=str(start)
    )
    covered = streams.covered(streams.decode_span(fields) for _, fields in entries)
    return sum(max(0, min(end, now) - max(begin, start)) for begin, end in covered) / _HOUR_MS


def _archive(status: Status, settings: Settings, servers: Servers) -> None:
    if settings.archive_dir is None:
        return
    if to_mend := survey(settings.archive_dir, settings, servers.database_url).to_mend():
        status.problems.append(
            f"{len(to_mend)} files below LIQ_ARCHIVE_DIR cannot be imported, {named(*to_mend[0])} the first: "
            "`liq archive status` lists them"
        )


def _dagster(status: Status, settings: Settings, servers: Servers) -> None:
    from liq_pipeline.dagster_defs.recorded import failing_sensors, last_materializations, last_run, standing_failures

    if not os.environ.get("DAGSTER_HOME") and not has_storage(servers.database_url):
        # Asking must not make what it asks about.
        status.problems.append("Dagster has recorded nothing here: start `liq up`, or run `liq materialize`")
        return
    with dagster_instance(settings, servers) as instance:
        tables = last_materializations(instance)
        failures = standing_failures(instance)
        sensors = failing_sensors(instance)
        dropped = last_run(instance, "retention_job")
    status.tables += [
        {
            "table": item.table,
            "day": item.day,
            "at": item.at.isoformat(timespec="seconds") if item.at else None,
            "rows": item.rows,
        }
        for item in tables
    ]
    if status.storage and not status.policies:
        # Plain PostgreSQL has no policies: Dagster drops.
        at, outcome = dropped or (None, None)
        status.policies.append(
            {
                "table": "all",
                "does": "retention_job of Dagster",
                "last_run": _minute(at),
                "outcome": outcome,
                "error": None,
                "next_run": None,
            }
        )
    status.problems += [
        f"{sensor.name} fails: {sensor.error}: its page in the UI, below Automation, shows since when"
        for sensor in sensors
    ]
    status.failing_checks += [failure._asdict() for failure in failures]
    if failures:
        first = failures[0]
        status.problems.append(
            f"{len(failures)} checks fail, {first.table}/{first.check} of {first.day} the first: "
            "its page in the UI says what to do"
        )
    if problem := _not_drained(status.streams, next(item.at for item in tables if item.table == "liquidations_raw")):
        status.problems.append(problem)


def _not_drained(rows: Rows, drained: datetime | None) -> str | None:
    waiting = [row for row in rows if row["uncommitted"]]
    oldest = min((datetime.fromisoformat(row["oldest"]) for row in waiting), default=None)
    since = max((at for at in (oldest, drained) if at), default=None)
    if oldest is None or since is None or datetime.now(UTC) - since < _LATE:
        return None
    return (
        f"{sum(row['uncommitted'] for row in waiting)} entries wait in Redis, and nothing was moved to the database "
        f"since {since:%Y-%m-%d %H:%M} UTC: start `liq up`, or run `liq materialize` for today"
    )
