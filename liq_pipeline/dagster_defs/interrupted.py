"""Before Dagster's processes start: ``python -m liq_pipeline.dagster_defs.interrupted [--end-runs]``.

Makes the storage's tables once, before several processes try to at the same time. With ``--end-runs`` also ends the
runs that a killed ``liq up`` left as running: Dagster's default launcher does not look after its workers, so they
would hold their places until their ``dagster/max_runtime``, and the collector's own would keep new shifts waiting.
Only for a storage that nobody else uses, while no daemon runs.
"""

from __future__ import annotations

import sys

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.events import JobFailureData, RunFailureReason

_REASON = "Its process was gone when liq started again."


def end_interrupted_runs(instance: DagsterInstance) -> int:
    """Mark every run that claims to be running as failed, or as cancelled where that had been asked; how many."""
    running = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    runs = instance.get_runs(RunsFilter(statuses=running))
    for run in runs:
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, _REASON)
        else:
            # What tells it, like the run that a stopping ``liq up`` ends itself, from one that failed by its own doing.
            interrupted = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
            instance.report_run_failed(run, _REASON, interrupted)
    return len(runs)


def main() -> None:
    with DagsterInstance.get() as instance:
        if "--end-runs" in sys.argv[1:]:
            print(end_interrupted_runs(instance))  # noqa: T201 - the answer to the process that started this one


if __name__ == "__main__":
    main()
