"""Dagster's event log, read through one door: its records are optional at every step, and here that ends."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import dagster as dg

_WATCHED: Final = (dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.RUN_FAILURE)


@dataclass(frozen=True)
class CheckFailure:
    """A check that did not pass, on the day it looked at."""

    record_id: int
    at: float
    run_id: str
    asset: str
    check: str
    severity: str
    day: str
    description: str
    seen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFailure:
    """A run that failed."""

    record_id: int
    at: float
    run_id: str
    job: str
    day: str
    reason: str


Failure = CheckFailure | RunFailure


def newest_record(instance: dg.DagsterInstance) -> int:
    """The id of the newest event there is; 0 for an empty log."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def failures_after(
    instance: dg.DagsterInstance, event_type: dg.DagsterEventType, after: int, limit: int
) -> tuple[list[Failure], int]:
    """The failures among the next ``limit`` records of a kind, and the id of the last record looked at."""
    records = _records(instance, event_type, after, limit)
    failures = [failure for record in records if (failure := _failure(instance, record)) is not None]
    return failures, records[-1].storage_id if records else after


def _records(
    instance: dg.DagsterInstance, event_type: dg.DagsterEventType, after: int, limit: int
) -> Sequence[dg.EventLogRecord]:
    assert event_type in _WATCHED
    with warnings.catch_warnings():
        # Deprecated for 2.0, and in 1.13 nothing else reads check evaluations across runs.
        warnings.simplefilter("ignore")
        return instance.get_event_records(
            dg.EventRecordsFilter(event_type=event_type, after_cursor=after), limit=limit, ascending=True
        )


def _failure(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> Failure | None:
    entry = record.event_log_entry
    event = entry.dagster_event
    if event is None:
        return None
    if event.event_type == dg.DagsterEventType.RUN_FAILURE:
        run = instance.get_run_by_id(entry.run_id)
        error = event.job_failure_data.error
        return RunFailure(
            record.storage_id,
            entry.timestamp,
            entry.run_id,
            run.job_name if run else event.job_name,
            _day(run),
            " ".join((error.message if error else event.message or "").split()),
        )
    evaluation = event.asset_check_evaluation_data
    if evaluation.passed:
        return None
    return CheckFailure(
        record.storage_id,
        entry.timestamp,
        entry.run_id,
        evaluation.asset_key.to_user_string(),
        evaluation.check_name,
        evaluation.severity.value,
        evaluation.partition or _day(instance.get_run_by_id(entry.run_id)),
        evaluation.description or "",
        {name: str(value.value) for name, value in evaluation.metadata.items()},
    )


def _day(run: dg.DagsterRun | None) -> str:
    return run.tags.get("dagster/partition", "no day") if run else "no day"
