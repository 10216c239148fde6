"""Dagster's event log, read through one door: its records are optional at every step, and here that ends."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Final, Literal

import dagster as dg
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster_shared.error import SerializableErrorInfo

from liq_pipeline.errors import DayRefusedError

_WATCHED: Final = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_SUCCESS,
)
_SETTLED_SECONDS: Final = 2
"""Ids are given out before they are written: a younger record may still get an older neighbour."""
_SEEN_CHARACTERS: Final = 80

Outcome = Literal["success", "failure", "stopped by a check", "refused", "interrupted"]


@dataclass(frozen=True)
class CheckSeen:
    """One evaluation of a check: of which partition, how it came out, and the numbers it saw."""

    at: float
    run_id: str
    asset: str
    check: str
    partition: str
    passed: bool
    severity: Literal["WARN", "ERROR"]
    description: str
    seen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnded:
    """A run that succeeded or failed: of which job and partition, and what it failed of.

    ``stopped by a check`` failed of nothing but blocking checks, ``refused`` of its day, which may not be made, as one
    beyond retention; ``interrupted`` of nothing of its own: its process was told to end, or gone with its host.
    """

    at: float
    run_id: str
    job: str
    partition: str
    outcome: Outcome
    reason: str


Happening = CheckSeen | RunEnded


def newest_record(instance: dg.DagsterInstance) -> int:
    """The id of the newest event there is; 0 for an empty log."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def happenings(instance: dg.DagsterInstance, after: int, limit: int, now: float) -> tuple[list[Happening], int]:
    """What was evaluated and what ended since record ``after``, in order, and the id of the last record looked at.

    At most ``limit`` records of each kind are read.
    """
    batches = [_records(instance, event_type, after, limit) for event_type in _WATCHED]
    full = [batch[-1].storage_id for batch in batches if len(batch) == limit]
    # Beyond the end of a full batch its kind is not known yet, so the others have to wait.
    last = min(full) if full else None
    records = sorted((record for batch in batches for record in batch), key=lambda record: record.storage_id)
    place, found = after, []
    for record in records:
        if (last is not None and record.storage_id > last) or 0 <= now - record.timestamp < _SETTLED_SECONDS:
            break
        place = record.storage_id
        if (happening := _happening(instance, record.event_log_entry)) is not None:
            found.append(happening)
    return found, place


def _records(
    instance: dg.DagsterInstance, event_type: dg.DagsterEventType, after: int, limit: int
) -> list[dg.EventLogRecord]:
    with warnings.catch_warnings():
        # Deprecated for 2.0, and in 1.13 nothing else reads check evaluations across runs.
        warnings.simplefilter("ignore")
        found = instance.get_event_records(
            dg.EventRecordsFilter(event_type=event_type, after_cursor=after), limit=limit, ascending=True
        )
    return list(found)


def _happening(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> Happening | None:
    event = entry.dagster_event
    if event is None:
        return None
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return _run_ended(instance, entry, event)
    evaluation = event.asset_check_evaluation_data
    return CheckSeen(
        entry.timestamp,
        entry.run_id,
        evaluation.asset_key.to_user_string(),
        evaluation.check_name,
        evaluation.partition or (_partition(instance.get_run_by_id(entry.run_id)) if entry.run_id else ""),
        evaluation.passed,
        evaluation.severity.value,
        evaluation.description or "",
        {} if evaluation.passed else _seen(evaluation),
    )


def _seen(evaluation: dg.AssetCheckEvaluation) -> dict[str, str]:
    """The values a line of text has room for; tables and plots are in the UI."""
    values = {name: str(value.value) for name, value in evaluation.metadata.items()}
    return {
        name: value
        for name, value in values.items()
        if name != "day" and len(value) <= _SEEN_CHARACTERS and "\n" not in value
    }


def _run_ended(instance: dg.DagsterInstance, entry: dg.EventLogEntry, event: dg.DagsterEvent) -> RunEnded:
    run = instance.get_run_by_id(entry.run_id)
    job, partition = run.job_name if run else event.job_name, _partition(run)
    outcome: Outcome = "success"
    reason = ""
    if event.event_type == dg.DagsterEventType.RUN_FAILURE:
        outcome, reason = _failure(instance, entry, event)
    return RunEnded(entry.timestamp, entry.run_id, job, partition, outcome, reason)


def _failure(instance: dg.DagsterInstance, entry: dg.EventLogEntry, event: dg.DagsterEvent) -> tuple[Outcome, str]:
    data = event.event_specific_data
    if not isinstance(data, JobFailureData):
        # Dagster gave the run up from outside, and says why only in what it noted of it before.
        return "failure", _last_note(instance, entry) or event.message or "no reason recorded"
    if data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION:
        return "interrupted", event.message or ""
    steps = instance.get_records_for_run(entry.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    errors = [
        (step.step_key or "", step.step_failure_data.error)
        for record in steps
        if (step := record.event_log_entry.dagster_event) is not None
    ]
    if errors and all(error and error.cls_name == "DagsterAssetCheckFailedError" for _, error in errors):
        return "stopped by a check", event.message or ""
    if errors and all(error and _bottom(error).cls_name == DayRefusedError.__name__ for _, error in errors):
        return "refused", event.message or ""
    told = [f"{step}: {_cause(error)}" for step, error in errors if error] or [
        _cause(data.error) if data.error else event.message or "no reason recorded"
    ]
    return "failure", "; ".join(told)


def _last_note(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> str:
    notes = instance.get_records_for_run(entry.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    said = [
        note.message
        for record in notes
        if record.timestamp <= entry.timestamp and (note := record.event_log_entry.dagster_event) is not None
    ]
    return (said[-1] if said else None) or ""


def _cause(error: SerializableErrorInfo) -> str:
    return " ".join(_bottom(error).message.split())


def _bottom(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """The error that began it: what Dagster wraps around it says nothing."""
    while error.cause is not None:
        error = error.cause
    return error


def _partition(run: dg.DagsterRun | None) -> str:
    """The partition of a run, a range of them, or nothing."""
    tags = run.tags if run else {}
    if partition := tags.get(PARTITION_NAME_TAG):
        return partition
    first, last = (tags.get(tag, "") for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
    return f"{first}...{last}" if first else ""
