"""liquidations, liquidations_significant and liquidation_cascades: one read of raw, one transaction, three tables."""

import time
from collections.abc import Iterator
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs import tables
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.pictures import attach
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.warehouse import days

CODE_VERSION: Final = "1"
"""Raised when the same raw rows and settings make different rows."""

TABLES: Final = ("liquidations", "liquidations_significant", "liquidation_cascades")


@dg.multi_asset(
    name="detection",
    specs=[
        tables.spec(
            "liquidations",
            group="detection",
            # A cascade over midnight reads the neighbouring days' raw rows too. The dependency stays day to day all
            # the same: mapped to three days, a backfill of one would wait for partitions nobody asked for, and
            # whatever lands in a neighbour later turns this day stale by itself.
            deps=["liquidations_raw"],
            code_version=CODE_VERSION,
        ),
        tables.spec(
            "liquidations_significant", group="detection", deps=["liquidations_raw"], code_version=CODE_VERSION
        ),
        tables.spec("liquidation_cascades", group="detection", deps=["liquidations_raw"], code_version=CODE_VERSION),
    ],
)
def detection(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
    """Find the cascades of each day and replace its events, significant events and cascades in one transaction."""
    settings, servers = line.settings(), line.servers()
    force = tables.forced(context)
    for key in context.partition_keys:
        day = day_of(key)
        started = time.perf_counter()
        report = days.materialize_events(servers.database_url, day, settings, force=force)
        seconds = time.perf_counter() - started
        context.log.info(f"{key} in {seconds:.3f} s: {report}")
        for table in TABLES:
            totals = tables.totals(servers.database_url, table, day)
            tables.report(context, table, day, totals, seconds)
            attach(context, servers.database_url, table, day, totals.events, rewritten=report.rewritten)
    for table in TABLES:
        yield dg.MaterializeResult[None](asset_key=table)
