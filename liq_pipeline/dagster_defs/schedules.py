"""When days are made without anyone asking. Days come from the scheduled time, never from the clock, so that a tick
that runs late still means the day it was for."""

from datetime import timedelta
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs.healing import Heal
from liq_pipeline.dagster_defs.jobs import daily_tables, heal_job, prune_job, retention_job


@dg.schedule(
    job=daily_tables,
    cron_schedule="*/5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Today's tables, every five minutes: moves what landed to the database and computes today again.",
)
def refresh_today(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    at = context.scheduled_execution_time
    return dg.RunRequest(run_key=f"refresh:{at:%Y-%m-%dT%H:%M}", partition_key=f"{at:%Y-%m-%d}")


@dg.schedule(
    job=daily_tables,
    cron_schedule="10 0 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Yesterday's tables, once after midnight, when its last events have arrived.",
)
def close_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(run_key=f"close:{day}", partition_key=day.isoformat())


@dg.schedule(
    job=heal_job,
    # A liquidation may turn up in OKX's history more than an hour after it happened.
    cron_schedule="20 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compares yesterday with the venues' own history: fills gaps, and shows what was missed otherwise.",
)
def heal_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    config = dg.RunConfig(ops={"heal_feeds": Heal(day=day.isoformat())})
    return dg.RunRequest(run_key=f"heal:{day}", run_config=config)


prune_daily: Final = dg.ScheduleDefinition(
    name="prune_daily",
    job=prune_job,
    cron_schedule="30 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes Dagster's superseded runs and events older than LIQ_DAGSTER_RETENTION_DAYS.",
)

retention_daily: Final = dg.ScheduleDefinition(
    name="retention_daily",
    job=retention_job,
    # After the policies of TimescaleDB, which run from two o'clock on, and hours after midnight: a run that began on
    # the last day that retention allows it has ended.
    cron_schedule="45 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Drops what is beyond retention, where TimescaleDB has not done so.",
)
