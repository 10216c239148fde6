"""Forgetting what nothing shows any more. Runs and events have no retention of their own (dagster-io/dagster#33785)."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import dagster as dg

from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.superseded import delete_runless, delete_verdicts, shown_runs

_BATCH: Final = 100
_SECONDS: Final = 600.0
"""What is left then waits for the next day: far less than the run may take."""
_ENDED: Final = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class Pruned(NamedTuple):
    """How many runs were deleted and how many were left for lack of time; how many events without a run went."""

    runs: int
    left: int
    events: int


def prune(instance: dg.DagsterInstance, before: datetime, seconds: float = _SECONDS) -> Pruned:
    """Delete the ended runs created before then whose results newer ones superseded, with their events and logs, and
    such events that no run made.

    What is newest of its day stays, however old: deleting a run deletes its materializations, and with them the day's
    status. Stops after so many ``seconds``.
    """
    until = time.monotonic() + seconds
    shown = shown_runs(instance)
    old = instance.get_run_ids(dg.RunsFilter(statuses=_ENDED, created_before=before))
    superseded = [run_id for run_id in reversed(old) if run_id not in shown]
    deleted = 0
    while deleted < len(superseded) and time.monotonic() < until:
        some = superseded[deleted : deleted + _BATCH]
        _delete(instance, some)
        deleted += len(some)
    return Pruned(deleted, len(superseded) - deleted, delete_runless(instance, before))


def _delete(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    # The runs last: what is interrupted before is found again.
    delete_verdicts(instance, run_ids)
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)


@dg.op(description="Delete superseded runs and events of Dagster's own that are older than LIQ_DAGSTER_RETENTION_DAYS.")
def prune_superseded(context: dg.OpExecutionContext, line: Line) -> None:
    days = line.settings().dagster_retention_days
    if days == 0:
        context.log.info("LIQ_DAGSTER_RETENTION_DAYS is 0: everything is kept")
        return
    pruned = prune(context.instance, datetime.now(UTC) - timedelta(days=days))
    context.log.info(
        f"deleted {pruned.runs} runs and {pruned.events} events that were superseded and older than {days} days; "
        f"{pruned.left} runs are left for the next time"
    )
