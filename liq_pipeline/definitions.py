"""What Dagster loads."""

from __future__ import annotations

import warnings

import dagster as dg

# Partitioned checks are a preview in Dagster 1.13, and its own copying of sensors uses a beta parameter; without this
# every command prints a warning for each.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from liq_pipeline.dagster_defs import alerts, archive, incidents, jobs, observed, schedules, sensors  # noqa: E402
from liq_pipeline.dagster_defs.assets import coverage, detection, landing, reporting, rollups, sources  # noqa: E402
from liq_pipeline.dagster_defs.checks import checks  # noqa: E402
from liq_pipeline.dagster_defs.resources import Line  # noqa: E402

defs = dg.Definitions(
    assets=[
        *sources.exchanges,
        sources.landing_zone,
        sources.archive,
        sources.live_view,
        sources.claims,
        landing.liquidations_raw,
        detection.detection,
        *rollups.rollups,
        coverage.coverage,
        reporting.liquidation_report,
    ],
    asset_checks=checks,
    jobs=[jobs.daily_tables, jobs.collector_job, jobs.live_job, jobs.heal_job, jobs.prune_job, jobs.retention_job],
    schedules=[
        schedules.refresh_today,
        schedules.close_yesterday,
        schedules.heal_daily,
        schedules.prune_daily,
        schedules.retention_daily,
    ],
    sensors=[
        sensors.collector_sensor,
        sensors.live_sensor,
        sensors.stale_days,
        sensors.unhealed_gaps,
        archive.archive_files,
        observed.observed,
        incidents.incidents,
        alerts.alerts,
    ],
    resources={"line": Line()},
    # A process a step costs 3 seconds a run and buys nothing: the steps of a day depend on each other anyway.
    executor=dg.in_process_executor,
)
