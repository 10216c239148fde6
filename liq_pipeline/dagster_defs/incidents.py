"""What is broken, told from what Dagster records: the only place that opens and heals incidents.

Failed checks and failed runs are news; but not the run that only a blocking check stopped, which the check tells; not
that of a day which may not be made, which somebody asked for by hand and nothing heals; not a shift that was replaced
at once (``upkeep.py``); and not a run that was interrupted and succeeds when it is repeated.
"""

import json
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from liq_pipeline.alerting.delivery import configured
from liq_pipeline.collector import lease
from liq_pipeline.dagster_defs import event_log, upkeep
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.checks.freshness import COLLECTED
from liq_pipeline.dagster_defs.event_log import CheckSeen, Happening, RunEnded
from liq_pipeline.dagster_defs.incident_text import at, cascade_told, check_failed, check_key, healed_keys, run_failed
from liq_pipeline.dagster_defs.jobs import daily_tables
from liq_pipeline.dagster_defs.partitions import daily
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.errors import ServerError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import alerting, outbox
from liq_pipeline.warehouse.alerting import Incident
from liq_pipeline.warehouse.connection import Connection, connect

_RECORDS_A_TICK: Final = 300
_REPEATED: Final = timedelta(minutes=15)
"""How long the repetition of an interrupted run may take before the interruption is told after all."""
_SAME_AS_COLLECTOR: Final = (LANDING_ZONE.to_user_string(), COLLECTED)
"""This check and the incident of the collector look at the same leases, and that one knows why its runs fail."""
_CASCADES_SINCE: Final = timedelta(days=1)

State = dict[str, Any]
"""The cursor: ``place`` in the event log, and what ``upkeep`` has seen of each process."""


def look(
    instance: dg.DagsterInstance,
    connection: Connection,
    settings: Settings,
    redis_url: str,
    state: State | None,
    now: float,
) -> tuple[State, list[RunEnded]]:
    """Take in what happened since ``state`` and tell what is due; the new state, and interrupted runs to repeat.

    The first look starts at the present: what failed before is history.
    """
    found: list[Happening] = []
    place = event_log.newest_record(instance) if state is None else int(state["place"])
    if state is not None:
        found, place = event_log.happenings(instance, place, _RECORDS_A_TICK, now)
    # Before anything is told: a channel that is known later would not be sent it.
    outbox.register(connection, [channel.name for channel in configured(settings)])
    shifts = {process.job for process in upkeep.PROCESSES}
    _take_in(connection, (item for item in found if not (isinstance(item, RunEnded) and item.job in shifts)), now)
    failed = [item for item in found if isinstance(item, RunEnded) and item.job in shifts and item.outcome == "failure"]
    seen = _look_at_processes(connection, settings, redis_url, state, failed, now)
    for alert in alerting.untold_cascades(connection, at(now) - _CASCADES_SINCE):
        subject, text, links, day = cascade_told(alert)
        alerting.notice(connection, f"cascade:{alert.id}", at(now), subject, text, links, day)
    alerting.tell(connection, at(now), settings.alert_severity == "warn", settings.alert_settle_seconds)
    interrupted = [item for item in found if isinstance(item, RunEnded) and _is_repeatable(item)]
    return {"place": place, "processes": seen}, interrupted


def _take_in(connection: Connection, found: Iterable[Happening], now: float) -> None:
    standing = alerting.unsettled(connection)
    for item in found:
        if isinstance(item, CheckSeen):
            if (item.asset, item.check) == _SAME_AS_COLLECTOR:
                continue
            if not item.passed:
                alerting.open_incident(connection, check_failed(item))
                standing.add(check_key(item))
            elif check_key(item) in standing:
                alerting.heal_incident(connection, check_key(item), at(item.at), item.description or "passes")
        elif item.outcome == "success":
            for key in standing.intersection(healed_keys(item)):
                alerting.heal_incident(connection, key, at(item.at), "succeeded")
        elif (tell_at := _tell_run_at(item, now)) is not None:
            incident = run_failed(item)
            alerting.open_incident(connection, incident, tell_at)
            standing.add(incident.key)


def _tell_run_at(run: RunEnded, now: float) -> datetime | None:
    """When a run that did not succeed is told, unless it has healed by then; None for never."""
    if run.outcome in ("stopped by a check", "refused"):
        return None
    if run.outcome == "failure" or "..." in run.partition:
        return at(run.at)
    # What belongs to no day does the same again at its next time.
    return at(now) + _REPEATED if _is_repeatable(run) else None


def _is_repeatable(run: RunEnded) -> bool:
    return run.outcome == "interrupted" and daily.has_partition_key(run.partition)


def _look_at_processes(
    connection: Connection,
    settings: Settings,
    redis_url: str,
    state: State | None,
    failed: Sequence[RunEnded],
    now: float,
) -> dict[str, upkeep.Seen]:
    before: dict[str, upkeep.Seen] = state["processes"] if state is not None else {}
    after = {}
    for job, key, name, leases in upkeep.PROCESSES:
        missing = _missing(redis_url, leases(settings))
        shifts = [run for run in failed if run.job == job]
        after[key], judgement = upkeep.look(before.get(key), shifts, missing, now, settings.alert_down_seconds)
        if judgement.well:
            alerting.heal_incident(connection, key, at(now), judgement.text)
        elif judgement.well is not None:
            links = (f"/runs/{after[key]['last_run']}",) if after[key]["last_run"] else ("/runs",)
            text = f"cannot stay up: {judgement.text}"
            alerting.open_incident(connection, Incident(key, at(now), "ERROR", name, text, links))
    return after


def _missing(redis_url: str, leases: Sequence[str]) -> str | None:
    try:
        away = lease.missing(redis_url, leases)
    except ServerError as error:
        return str(error)
    return f"nobody holds the lease of {', '.join(away)}" if away else None


def to_repeat(instance: dg.DagsterInstance, interrupted: Iterable[RunEnded]) -> list[dg.RunRequest]:
    """A run of all tables for each day whose newest run was interrupted."""
    return [
        dg.RunRequest(
            run_key=f"interrupted:{run.run_id}",
            partition_key=run.partition,
            tags={"liq/reason": f"run {run.run_id[:8]} was interrupted"},
        )
        for run in interrupted
        if _newest_run(instance, run.partition) == run.run_id
    ]


def _newest_run(instance: dg.DagsterInstance, partition: str) -> str | None:
    return next(iter(instance.get_run_ids(dg.RunsFilter(tags={PARTITION_NAME_TAG: partition}), limit=1)), None)


@dg.sensor(
    job=daily_tables,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Notes what is broken and what has healed: checks, runs, a collector or live view that cannot stay up. A day "
        "whose run was interrupted is run again. `liq status` lists what stands."
    ),
)
def incidents(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings, servers = line.settings(), line.servers()
    state = json.loads(context.cursor) if context.cursor else None
    with connect(servers.database_url) as connection:
        state, interrupted = look(context.instance, connection, settings, servers.redis_url, state, time.time())
    return dg.SensorResult(run_requests=to_repeat(context.instance, interrupted), cursor=json.dumps(state))
