"""What Dagster has recorded of our tables: last materializations, and checks that stand failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
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


def _last(instance: dg.DagsterInstance, table: str) -> LastMaterialization:
    entry = instance.get_latest_materialization_event(dg.AssetKey(table))
    materialization = entry.asset_materialization if entry else None
    if entry is None or materialization is None:
        return LastMaterialization(table, None, None, None)
    rows = materialization.metadata.get("dagster/partition_row_count")
    at = datetime.fromtimestamp(entry.timestamp, UTC)
    return LastMaterialization(table, materialization.partition, at, int(str(rows.value)) if rows is not None else None)
