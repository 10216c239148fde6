"""What TimescaleDB does by itself: compress event tables after a week, and drop what is beyond retention.

Applied at every start, so that changed settings hold from then on. Plain PostgreSQL has no policies: there
``dropping.drop``, which Dagster runs every day, drops.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import locks, retention
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.reads import flavour

COMPRESSED: Final = ("liquidations_raw", "liquidations", "liquidations_significant", "liquidation_cascades")
COMPRESS_AFTER_DAYS: Final = 7
"""By then a day is rewritten seldom."""
FAILED_AFTER_ITS_WORK: Final = "24000"
"""The SQLSTATE of "cannot drop portal", with which workers of TimescaleDB 2.28.3 end every policy on PostgreSQL 15.20.
They commit what the policy did, then drop a portal that never held a query (``job_execute`` in the extension's
tsl/src/bgw_policy/job.c, the same in 2.29.2), which that server refuses: the policy is done, its bookkeeping is not."""

_RETENTION: Final = "policy_retention"
_COMPRESSION: Final = "policy_compression"
_JOBS: Final = """
SELECT hypertable_name, proc_name, job_id, config
FROM timescaledb_information.jobs
WHERE proc_name IN ('policy_retention', 'policy_compression') AND hypertable_schema = current_schema()"""

_OVERDUE: Final = """
SELECT format('%%s of %%s', proc_name, jobs.hypertable_name), job_id
FROM timescaledb_information.jobs JOIN timescaledb_information.job_stats USING (job_id)
WHERE proc_name IN ('policy_retention', 'policy_compression') AND jobs.hypertable_schema = current_schema()
    AND coalesce(last_successful_finish, '-infinity') < now() - interval '1 day'
    AND NOT EXISTS (
        SELECT FROM timescaledb_information.job_errors AS error
        WHERE error.job_id = jobs.job_id AND sqlerrcode = %s AND finish_time >= now() - interval '1 day'
    )
ORDER BY job_id"""

_RETENTION_JOBS: Final = """
SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention' AND job_id = ANY(%s)
ORDER BY job_id"""
_ADD_RETENTION: Final = """
SELECT add_retention_policy(%(table)s, drop_after => %(days)s, schedule_interval => interval '1 day',
                            initial_start => %(at)s)"""
_ADD_COMPRESSION: Final = """
CALL add_columnstore_policy(%(table)s, after => %(days)s, schedule_interval => interval '1 day',
                            initial_start => %(at)s)"""


class _Policy(NamedTuple):
    """One policy as settings want it; ``at`` is when in a UTC day it runs."""

    table: str
    kind: str
    days: int
    at: timedelta

    @property
    def key(self) -> str:
        return "drop_after" if self.kind == _RETENTION else "compress_after"


def apply(database_url: str, settings: Settings) -> None:
    """Make the database's policies those of the settings; what is as it should be is left alone, with its history.

    What a new or changed setting excludes is dropped at once. Days whose events are gone are noted. Raises ServerError.
    """
    with connect(database_url, autocommit=True) as connection, locks.session_lock(connection, locks.MIGRATE):
        if flavour(connection).timescaledb:
            _apply(connection, {(policy.table, policy.kind): policy for policy in _wanted(settings)})
            retention.note(connection)


def run_overdue(connection: Connection) -> list[str]:
    """Run the policies that did not succeed within a day, and name them; ``connection`` is in autocommit.

    TimescaleDB runs them in workers of its own, which a server may have too few of.
    """
    overdue = connection.execute(_OVERDUE, (FAILED_AFTER_ITS_WORK,)).fetchall()
    for _, job in overdue:
        connection.execute("CALL run_job(%s)", (job,))
    return [name for name, _ in overdue]


def _wanted(settings: Settings) -> Iterator[_Policy]:
    # Hours after midnight: a run that began on the last day that retention allows it has ended by then. The raw events
    # go before what was made of them.
    at = timedelta(hours=3)
    for tables, days in ((retention.EVENTS, settings.retention_days), (retention.DERIVED, settings.derived_days)):
        for table in tables:
            if days:
                yield _Policy(table, _RETENTION, days, at)
            at += timedelta(minutes=5)
    for table in COMPRESSED:
        yield _Policy(table, _COMPRESSION, COMPRESS_AFTER_DAYS, timedelta(hours=2))


def _apply(connection: Connection, wanted: dict[tuple[str, str], _Policy]) -> None:
    changed: list[int] = []
    for table, kind, job, config in connection.execute(_JOBS).fetchall():
        policy = wanted.pop((table, kind), None)
        if policy is None:
            connection.execute("SELECT delete_job(%s)", (job,))
        elif not _is_as(connection, config, policy):
            config[policy.key] = f"{policy.days} days"
            connection.execute("SELECT alter_job(%s, config => %s)", (job, Jsonb(config)))
            changed.append(job)
    changed += [_add(connection, policy) for policy in wanted.values()]
    # Now rather than by a worker: who lowered a setting sees it hold. Compressing takes longer and can wait.
    for (job,) in connection.execute(_RETENTION_JOBS, (changed,)).fetchall():
        connection.execute("CALL run_job(%s)", (job,))


def _is_as(connection: Connection, config: dict[str, Any], policy: _Policy) -> bool:
    row = connection.execute(
        "SELECT %s::interval = %s::interval", (config.get(policy.key), timedelta(days=policy.days))
    ).fetchone()
    return row is not None and bool(row[0])


def _add(connection: Connection, policy: _Policy) -> int:
    """The id of the new policy's job, which runs every day at the policy's time."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    when = {"table": policy.table, "days": timedelta(days=policy.days), "at": midnight + timedelta(days=1) + policy.at}
    if policy.kind == _RETENTION:
        connection.execute(_ADD_RETENTION, when)
    else:
        connection.execute(_ADD_COMPRESSION, when)
    row = connection.execute(f"{_JOBS} AND hypertable_name = %s AND proc_name = %s".encode(), policy[:2]).fetchone()
    assert row is not None
    return int(row[2])
