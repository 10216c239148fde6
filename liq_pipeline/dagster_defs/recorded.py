"""What Dagster has recorded of our tables: last materializations, and checks that stand failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from liq_pipeline.dagster_defs.tables import MEASURES


class LastMaterialization(NamedTuple):
    """The most recent materialization of a table, whatever its day; None everywhere if there never was one."""

    table: str
    day: str | None
    at: datetime | None
    rows: int | None


class StandingFailure(NamedTuple):
    """A check whose latest evaluation of a day failed."""

    table: str
    check: str
    day: str


class FailingSensor(NamedTuple):
    """A sensor or schedule whose last tick failed, and why."""

    name: str
    error: str


def last_materializations(instance: dg.DagsterInstance) -> list[LastMaterialization]:
    """One per table, in the order the data flows."""
    return [_last(instance, table) for table in MEASURES]


def standing_failures(instance: dg.DagsterInstance) -> list[StandingFailure]:
    """Checks that failed when a day was last looked at, by day; a later success of the same day clears one."""
    from liq_pipeline.definitions import defs

    keys = list(defs.resolve_asset_graph().asset_check_keys)
    latest = instance.event_log_storage.get_asset_check_partition_info(keys)
    return sorted(
        (
            StandingFailure(info.check_key.asset_key.to_user_string(), info.check_key.name, info.partition_key or "")
            for info in latest
            if info.latest_execution_status is AssetCheckExecutionRecordStatus.FAILED
        ),
        key=lambda failure: (failure.day, failure.table, failure.check),
    )


def last_run(instance: dg.DagsterInstance, job: str) -> tuple[datetime, str] | None:
    """When the job's last run began, and how it went in Dagster's words; None if there never was one."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    if not records:
        return None
    return records[0].create_timestamp.replace(tzinfo=UTC), records[0].dagster_run.status.value.lower()


def failing_sensors(instance: dg.DagsterInstance) -> list[FailingSensor]:
    """Sensors and schedules that are on and whose last tick failed: nobody else would say so."""
    from liq_pipeline.definitions import defs

    repository = defs.get_repository_def()
    names = {*(sensor.name for sensor in repository.sensor_defs), *(each.name for each in repository.schedule_defs)}
    found = []
    for state in instance.all_instigator_state():
        if state.name not in names or state.status is InstigatorStatus.STOPPED:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
        ended = [tick for tick in ticks if tick.status is not TickStatus.STARTED]
        if ended and ended[0].status is TickStatus.FAILURE:
            error = ended[0].error
            while error is not None and error.cause is not None:
                error = error.cause
            found.append(FailingSensor(state.name, " ".join(error.message.split()) if error else "no reason recorded"))
    return sorted(found)


def _last(instance: dg.DagsterInstance, table: str) -> LastMaterialization:
    entry = instance.get_latest_materialization_event(dg.AssetKey(table))
    materialization = entry.asset_materialization if entry else None
    if entry is None or materialization is None:
        return LastMaterialization(table, None, None, None)
    rows = materialization.metadata.get("dagster/partition_row_count")
    at = datetime.fromtimestamp(entry.timestamp, UTC)
    return LastMaterialization(table, materialization.partition, at, int(str(rows.value)) if rows is not None else None)
