"""Which of Dagster's records nothing shows any more, told by its own tables.

The UI shows of each day the newest materialization of a table and the newest verdict of a check, with the run that made
them; of an asset without days its newest event. A day is computed hundreds of times before it ends, so nearly all that
is stored has been superseded. Dagster has no interface that asks this of a whole storage; the columns used here are
those of ``dagster._core.storage.event_log.schema`` and ``…runs.schema`` of 1.13.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

_EVENTS: Final = SqlEventLogStorageTable.c
_CHECKS: Final = AssetCheckExecutionsTable.c
_OF_AN_ASSET: Final = (_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
_OF_A_CHECK: Final = (_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)


def shown_runs(instance: dg.DagsterInstance) -> set[str]:
    """Runs with the newest event of its kind of an asset and day, the newest verdict of a check and day, or the newest
    run of their job."""
    with _events(instance).index_connection() as connection:
        events = sa.select(_EVENTS.run_id).where(_among(_EVENTS.id, _newest_events()))
        checks = sa.select(_CHECKS.run_id).where(_among(_CHECKS.id, _newest_verdicts(_CHECKS.id)))
        found = {row[0] for query in (events, checks) for row in connection.execute(query)}
    with _runs(instance).connect() as connection:
        newest = sa.select(sa.func.max(RunsTable.c.id).label("id")).group_by(RunsTable.c.pipeline_name)
        of_jobs = sa.select(RunsTable.c.run_id).where(_among(RunsTable.c.id, newest))
        found |= {row[0] for row in connection.execute(of_jobs)}
    return found - {RUNLESS_RUN_ID}


def delete_verdicts(instance: dg.DagsterInstance, run_ids: Collection[str]) -> None:
    """Delete the rows of checks of runs about to be deleted: Dagster deletes a run's events and leaves these."""
    with _events(instance).index_connection() as connection:
        connection.execute(sa.delete(AssetCheckExecutionsTable).where(_CHECKS.run_id.in_(run_ids)))


def delete_runless(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete observations, evaluations and changes of state that no run made and newer ones superseded; how many.

    ``before`` is aware; what is younger is kept.
    """
    # Dagster stores UTC without saying so.
    old = before.astimezone(UTC).replace(tzinfo=None)
    events = sa.and_(
        _EVENTS.run_id == RUNLESS_RUN_ID,
        _EVENTS.timestamp < old,
        ~_among(_EVENTS.id, _newest_events()),
        ~_among(_EVENTS.id, _newest_verdicts(_CHECKS.evaluation_event_storage_id)),
    )
    checks = sa.and_(
        _CHECKS.run_id == RUNLESS_RUN_ID,
        _CHECKS.evaluation_event_timestamp < old,
        ~_among(_CHECKS.id, _newest_verdicts(_CHECKS.id)),
    )
    tags = AssetEventTagsTable.c.event_id.in_(sa.select(_EVENTS.id).where(events))
    with _events(instance).index_transaction() as connection:
        connection.execute(sa.delete(AssetEventTagsTable).where(tags))
        deleted = connection.execute(sa.delete(SqlEventLogStorageTable).where(events)).rowcount
        connection.execute(sa.delete(AssetCheckExecutionsTable).where(checks))
    return int(deleted)


def _newest_events() -> sa.Select[Any]:
    """Ids of the newest event of each asset, kind of event, and day."""
    return sa.select(sa.func.max(_EVENTS.id).label("id")).where(_EVENTS.asset_key.is_not(None)).group_by(*_OF_AN_ASSET)


def _newest_verdicts(column: sa.Column[Any]) -> sa.Select[Any]:
    """A column of the newest row of each check and day, planned or evaluated."""
    newest = sa.select(sa.func.max(_CHECKS.id).label("id")).group_by(*_OF_A_CHECK)
    return sa.select(column.label("id")).where(_among(_CHECKS.id, newest))


def _among(column: sa.Column[Any], ids: sa.Select[Any]) -> sa.Exists:
    # Not ``column IN ids``: of NOT IN over more ids than fit its memory PostgreSQL makes a loop over all pairs.
    found = ids.subquery()
    return sa.exists().where(found.c.id == column)


def _events(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(f"Dagster's events are in a {type(storage).__name__}: only storages in SQL can be pruned")
    return storage


def _runs(instance: dg.DagsterInstance) -> SqlRunStorage:
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise TypeError(f"Dagster's runs are in a {type(storage).__name__}: only storages in SQL can be pruned")
    return storage
