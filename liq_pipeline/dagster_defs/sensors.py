"""What starts runs by looking: shifts of what never ends, days that are stale, and gaps that history may fill."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
import msgspec

from liq_pipeline import exchanges
from liq_pipeline.collector import lease
from liq_pipeline.dagster_defs.heal_requests import Asked, heal_due
from liq_pipeline.dagster_defs.jobs import DAY_SECONDS, collector_job, daily_tables, heal_job, live_job
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.requests import DayRequest, shift_requests, stale_requests, young_day
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.shifts import MAX_RUNTIME, Shift, max_runtime
from liq_pipeline.healing.gaps import Gap, unhealed
from liq_pipeline.settings import Settings
from liq_pipeline.streams import LIVE, REJECTED
from liq_pipeline.warehouse import coverage
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import READER, connect
from liq_pipeline.warehouse.day_state import read_states, stale
from liq_pipeline.warehouse.landing_zone import stream_states
from liq_pipeline.warehouse.reads import behind_rollups

_START_SECONDS: Final = 120
"""How long a shift may take from its request to its process on a busy machine; run monitoring's limit, too."""
_LEASE_SECONDS: Final = 15
"""How long from its process to its lease."""
_STARTING: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_UNFINISHED: Final = [*_STARTING, dg.DagsterRunStatus.CANCELING]
_RUNS_LOOKED_AT: Final = 200


def _shifts(
    kind: str, job: dg.JobDefinition, op: str, leases: Callable[[Settings], Sequence[str]], description: str
) -> dg.SensorDefinition:
    """Keeps a job running, one shift after another; ``leases`` are those that its process holds."""

    @dg.sensor(
        name=f"{kind}_sensor",
        job=job,
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext, line: Line) -> list[dg.RunRequest]:
        settings, now_ms = line.settings(), time.time_ns() // 1_000_000
        held = lease.held(line.servers().redis_url, leases(settings))
        starting = not held and _is_starting(context.instance, job.name)
        due = shift_requests(kind, now_ms, settings.shift_seconds * 1000, lease_held=held, starting=starting)
        return [
            dg.RunRequest(
                run_key=request.run_key,
                run_config=dg.RunConfig(ops={op: Shift(until_ms=request.until_ms)}),
                tags={"liq/shift": str(request.shift), MAX_RUNTIME: max_runtime(request.until_ms, now_ms)},
            )
            for request in due
        ]

    return sensor


collector_sensor: Final = _shifts(
    "collector",
    collector_job,
    "collect_shift",
    lambda settings: settings.exchanges,
    "Keeps the feeds collected: asks for the next shift a minute before it begins, and for the rest of the present "
    "one when the lease in Redis says that nobody collects.",
)


live_sensor: Final = _shifts(
    "live",
    live_job,
    "live_shift",
    lambda settings: (LIVE,),
    "Keeps the live view: asks for the next shift a minute before it begins, and for the rest of the present one when "
    "the lease in Redis says that no view runs.",
)


def _is_starting(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a shift was asked for and its process has not had the time to take its lease.

    The age is bounded because a run's status cannot be trusted: that of a killed worker stays as it was.
    """
    now = datetime.now(UTC)
    recent = dg.RunsFilter(job_name=job, statuses=_STARTING, created_after=now - timedelta(seconds=_START_SECONDS))
    started = (record.start_time for record in instance.get_run_records(recent))
    return any(at is None or now.timestamp() - at < _LEASE_SECONDS for at in started)


@dg.sensor(
    job=daily_tables,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Runs days again whose rows, settings, neighbours or coverage changed since they were materialized, a few at a "
        "time, and today as soon as it has events."
    ),
)
def stale_days(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings, servers = line.settings(), line.servers()
    now = datetime.now(UTC)
    with connect(servers.database_url, role=READER) as connection:
        states = read_states(connection, last=now.date())
        behind = behind_rollups(connection, settings)
        unseen = coverage.stale(connection, settings, now)
    asked: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    stale_now = [*unseen, *stale(states, settings)]
    under_way = days_under_way(context.instance) if stale_now or behind else ()
    due, asked = stale_requests(states, stale_now, behind, asked, under_way, now)
    today = next((state for state in states if state.day == now.date()), None)
    if young := young_day(int(now.timestamp() * 1000), _landed(servers.redis_url), today):
        due.append(young)
    return dg.SensorResult(run_requests=day_runs(due), cursor=json.dumps(asked))


@dg.sensor(
    job=heal_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks the venues that publish a history about gaps of their feeds as soon as they are known, and again at "
        "growing distances while they are not filled."
    ),
)
def unhealed_gaps(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    now_ms = time.time_ns() // 1_000_000
    gaps = _fillable(line.settings(), line.servers().database_url, now_ms)
    asked = msgspec.json.decode(context.cursor, type=Asked) if context.cursor else Asked()
    key, asked = heal_due(gaps, asked, now_ms)
    return dg.SensorResult(
        run_requests=[] if key is None else [dg.RunRequest(run_key=key)],
        skip_reason=None if key else f"{len(gaps)} gaps to fill, none of them due" if gaps else "no gap to fill",
        cursor=msgspec.json.encode(asked).decode(),
    )


def _fillable(settings: Settings, database_url: str, now_ms: int) -> list[Gap]:
    """The gaps of the feeds collected that their venues' history may still reach."""
    kept = {feed: history.kept_ms for feed in settings.exchanges if (history := exchanges.history(feed))}
    if not kept:
        return []
    with connect(database_url, role=READER) as connection:
        return [gap for feed, kept_ms in kept.items() for gap in unhealed(connection, feed, now_ms - kept_ms, now_ms)]


def day_runs(due: Iterable[DayRequest]) -> list[dg.RunRequest]:
    """The runs of ``daily_tables`` that are asked for, each with why."""
    return [
        dg.RunRequest(
            run_key=request.run_key, partition_key=request.day.isoformat(), tags={"liq/reason": request.reason}
        )
        for request in due
    ]


def days_under_way(instance: dg.DagsterInstance) -> set[date]:
    """Days with a run that was asked for and has not ended, of the newest runs.

    The age is bounded as that of a starting collector is, here by the time a run may take.
    """
    unfinished = dg.RunsFilter(statuses=_UNFINISHED, created_after=datetime.now(UTC) - timedelta(seconds=DAY_SECONDS))
    partitions = (run.tags.get("dagster/partition") for run in instance.get_runs(unfinished, limit=_RUNS_LOOKED_AT))
    return {day_of(key) for key in partitions if key}


def _landed(redis_url: str) -> tuple[int, int] | None:
    """When the oldest and the newest entry of the event streams landed, UTC milliseconds; None while there is none."""
    with open_redis(redis_url) as client:
        states = [state for state in stream_states(client) if state.key != REJECTED]
    return (min(state.first_ms for state in states), max(state.last_ms for state in states)) if states else None
