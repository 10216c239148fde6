"""Dropping what is beyond retention, once a day: on plain PostgreSQL all of it, on TimescaleDB what policies left."""

import dagster as dg

from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.warehouse import dropping


@dg.op(
    description=(
        "Drop events beyond LIQ_RETENTION_DAYS and what was made of them beyond LIQ_ROLLUP_RETENTION_DAYS, and note "
        "the days that lost their events. TimescaleDB drops by itself; its policies are run here if it did not."
    )
)
def drop_beyond_retention(context: dg.OpExecutionContext, line: Line) -> None:
    dropped = dropping.drop(line.servers().database_url, line.settings())
    context.log.info(f"days without their events from now on: {[str(day) for day in dropped.days] or 'none'}")
    context.log.info(f"rows deleted: {dropped.rows or 'none'}")
    if dropped.policies:
        context.log.warning(
            f"TimescaleDB had not run {', '.join(dropped.policies)} for a day, so this run did: "
            "timescaledb_information.job_errors says why"
        )
