"""What the tables take on disk, and what TimescaleDB did to them by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.policies import FAILED_AFTER_ITS_WORK
from liq_pipeline.warehouse.reads import flavour

_PLAIN: Final = """
SELECT relname AS table, pg_total_relation_size(oid) AS bytes, NULL AS chunks, NULL AS compressed_chunks,
       NULL AS compression_ratio
FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
ORDER BY bytes DESC, relname"""
# The rows of a continuous aggregate are in a hypertable of TimescaleDB's own.
_TIMESCALEDB: Final = """
WITH chunked AS (
    SELECT hypertable_name AS name, format('%I.%I', hypertable_schema, hypertable_name)::regclass AS stored
    FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema()
    UNION ALL
    SELECT view_name, format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
    FROM timescaledb_information.continuous_aggregates WHERE view_schema = current_schema()
)
SELECT name AS table, (SELECT sum(total_bytes) FROM hypertable_detailed_size(stored))::bigint AS bytes,
       (SELECT count(*) FROM show_chunks(stored)) AS chunks,
       coalesce(number_compressed_chunks, 0) AS compressed_chunks,
       before_compression_total_bytes::float8 / nullif(after_compression_total_bytes, 0) AS compression_ratio
FROM chunked LEFT JOIN LATERAL hypertable_columnstore_stats(stored) ON true
UNION ALL
SELECT relname, pg_total_relation_size(oid), NULL, NULL, NULL
FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND oid <> ALL (SELECT stored FROM chunked)
ORDER BY bytes DESC, 1"""
_POLICIES: Final = """
SELECT jobs.hypertable_name AS table,
       CASE proc_name WHEN 'policy_retention' THEN 'drop after ' || (config ->> 'drop_after')
                      WHEN 'policy_compression' THEN 'compress after ' || (config ->> 'compress_after')
                      ELSE proc_name END AS does,
       nullif(last_run_started_at, '-infinity') AS last_run,
       CASE WHEN last_run_status = 'Success' OR error.sqlerrcode = %(done)s THEN 'done'
            WHEN last_run_status = 'Failed' THEN 'failed' END AS outcome,
       CASE WHEN error.sqlerrcode IS DISTINCT FROM %(done)s THEN error.err_message END AS error,
       nullif(stats.next_start, '-infinity') AS next_run
FROM timescaledb_information.jobs JOIN timescaledb_information.job_stats AS stats USING (job_id)
    LEFT JOIN LATERAL (
        SELECT err_message, sqlerrcode FROM timescaledb_information.job_errors
        WHERE job_errors.job_id = jobs.job_id AND last_run_status = 'Failed' ORDER BY start_time DESC LIMIT 1
    ) AS error ON true
WHERE jobs.hypertable_schema = current_schema()
ORDER BY 1, 2"""


@dataclass(frozen=True)
class TableSize:
    """A table on disk, indexes included: bytes, and on TimescaleDB its chunks and what compression made of them.

    ``compression_ratio`` is bytes before over bytes after, of the compressed chunks; None while there is none.
    """

    table: str
    bytes: int
    chunks: int | None
    compressed_chunks: int | None
    compression_ratio: float | None


@dataclass(frozen=True)
class PolicyRun:
    """A policy of TimescaleDB: what it does to a table, how it went last, and when it is due.

    ``outcome`` is ``done``, ``failed`` or None before the first run; ``error`` is PostgreSQL's message.
    """

    table: str
    does: str
    last_run: datetime | None
    outcome: str | None
    error: str | None
    next_run: datetime | None


def sizes(connection: Connection) -> list[TableSize]:
    """Our tables, the largest first."""
    statement = _TIMESCALEDB if flavour(connection).timescaledb else _PLAIN
    with connection.cursor(row_factory=class_row(TableSize)) as cursor:
        return cursor.execute(statement).fetchall()


def policies(connection: Connection) -> list[PolicyRun]:
    """The policies on our tables; none on plain PostgreSQL. Errors are shown to members of the tables' owner alone."""
    if not flavour(connection).timescaledb:
        return []
    with connection.cursor(row_factory=class_row(PolicyRun)) as cursor:
        return cursor.execute(_POLICIES, {"done": FAILED_AFTER_ITS_WORK}).fetchall()
