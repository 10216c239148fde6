"""What starts runs by looking: the collector's shifts, and the days that are stale."""

import json
import time
from datetime import UTC, datetime

import dagster as dg

from liq_pipeline.collector import lease
from liq_pipeline.dagster_defs.collecting import Shift
from liq_pipeline.dagster_defs.jobs import collector_job, daily_tables
from liq_pipeline.dagster_defs.requests import shift_requests, stale_requests, young_day
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.streams import REJECTED
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.day_state import read_states, stale
from liq_pipeline.warehouse.landing_zone import stream_states
from liq_pipeline.warehouse.reads import behind_rollups


@dg.sensor(
    job=collector_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Keeps the feeds collected: asks for the next shift a minute before it begins, and for the rest of the present "
        "one when the lease in Redis says that nobody collects."
    ),
)
def collector_sensor(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings = line.settings()
    due, last_rescue = shift_requests(
        time.time_ns() // 1_000_000,
        lease_held=lease.held(line.servers().redis_url, settings.exchanges),
        last_rescue_ms=int(context.cursor or 0),
    )
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key,
                run_config=dg.RunConfig(ops={"collect_shift": Shift(until_ms=request.until_ms)}),
                tags={"liq/shift": str(request.shift)},
            )
            for request in due
        ],
        cursor=str(last_rescue),
    )


@dg.sensor(
    job=daily_tables,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Runs days again whose rows, settings or neighbours changed since they were materialized, a few at a time, "
        "and today as soon as it has events."
    ),
)
def stale_days(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings, servers = line.settings(), line.servers()
    now = datetime.now(UTC)
    with connect(servers.database_url) as connection:
        states = read_states(connection, last=now.date())
        behind = behind_rollups(connection)
    asked: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    due, asked = stale_requests(states, stale(states, settings), behind, asked, now.date())
    today = next((state for state in states if state.day == now.date()), None)
    if young := young_day(int(now.timestamp() * 1000), _landed(servers.redis_url), today):
        due.append(young)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key, partition_key=request.day.isoformat(), tags={"liq/reason": request.reason}
            )
            for request in due
        ],
        cursor=json.dumps(asked),
    )


def _landed(redis_url: str) -> tuple[int, int] | None:
    """When the oldest and the newest entry of the event streams landed, UTC milliseconds; None while there is none."""
    with open_redis(redis_url) as client:
        states = [state for state in stream_states(client) if state.key != REJECTED]
    return (min(state.first_ms for state in states), max(state.last_ms for state in states)) if states else None
