"""The days of a range one after another in this process, each a recorded run of ``daily_tables`` with its checks.

The same rows, runs, partitions and check results as a backfill from the UI leaves, without a process a day.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import dagster as dg

from liq_pipeline.dagster_defs.tables import FORCE_TAG

# A run made here has no code location of its own; this is how the UI finds the job and assets it belongs to.
_LOCATION_TAGS = {".dagster/repository": "__repository__@liq_pipeline"}


class DayRun(NamedTuple):
    """One recorded run: its day, whether it succeeded, and what failed otherwise."""

    day: date
    run_id: str
    success: bool
    failures: tuple[str, ...]


def materialize_day(instance: dg.DagsterInstance, day: date, *, force: bool = False) -> DayRun:
    """Run ``daily_tables`` for one day; failures are reported, not raised.

    Raises dagster.DagsterUnknownPartitionError for a day that is no partition.
    """
    from liq_pipeline.definitions import defs

    result = defs.resolve_job_def("daily_tables").execute_in_process(
        instance=instance,
        partition_key=day.isoformat(),
        raise_on_error=False,
        tags={**_LOCATION_TAGS, "liq/reason": "liq materialize", **({FORCE_TAG: "true"} if force else {})},
        # The command line shows its own progress; the events are recorded either way.
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return DayRun(day, result.run_id, result.success, tuple(_failures(result)))


def _failures(result: dg.ExecuteInProcessResult) -> list[str]:
    failed_checks = [
        f"check {check.asset_key.to_user_string()}/{check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed
    ]
    failed_steps = [_reason(event) for event in result.all_events if event.is_step_failure]
    return failed_checks or failed_steps


def _reason(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {' '.join(error.message.split()) if error else 'failed'}"
