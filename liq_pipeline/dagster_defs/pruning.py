"""Forgetting old shifts. Event logs have no retention of their own (dagster-io/dagster#33785)."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

KEEP: Final = timedelta(days=14)
_JOBS: Final = ("collector_job", "live_job")
_BATCH: Final = 100
_ENDED: Final = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def prune(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the ended shifts of the collector and the live view created before ``before``; how many there were.

    Only those: deleting a run deletes its materializations, and with them a table's partition status.
    """
    deleted = 0
    for job in _JOBS:
        old = dg.RunsFilter(job_name=job, statuses=_ENDED, created_before=before)
        while run_ids := instance.get_run_ids(old, limit=_BATCH):
            for run_id in run_ids:
                instance.delete_run(run_id)
            deleted += len(run_ids)
    return deleted


@dg.op(description="Delete runs of the collector and the live view that ended and are older than 14 days.")
def prune_collector_runs(context: dg.OpExecutionContext) -> None:
    deleted = prune(context.instance, datetime.now(UTC) - KEEP)
    context.log.info(f"deleted {deleted} shifts older than {KEEP.days} days")
