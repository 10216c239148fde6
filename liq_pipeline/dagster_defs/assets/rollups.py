"""The three rollups of liquidations, each refreshed for exactly the days of the run."""

import time
from collections.abc import Iterator
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs import tables
from liq_pipeline.dagster_defs.descriptions import label, meanings
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.pictures import attach
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.warehouse import rollups as warehouse_rollups

CODE_VERSION: Final = "1"
COMPARISON: Final = "liquidation_exchange_comparison"
TABLES: Final = ("liquidations_hourly", "liquidation_price_levels", COMPARISON)


def _rollup(table: str) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=table,
        specs=[tables.spec(table, group="rollups", deps=["liquidations"], code_version=CODE_VERSION)],
    )
    def rollup(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
        settings, servers, force = line.settings(), line.servers(), tables.forced(context)
        for key in context.partition_keys:
            day = day_of(key)
            started = time.perf_counter()
            report = warehouse_rollups.materialize(servers.database_url, table, day, settings, force=force)
            seconds = time.perf_counter() - started
            context.log.info(f"{key} in {seconds:.3f} s: {report}")
            totals = tables.totals(servers.database_url, table, day)
            tables.report(context, table, day, totals, seconds)
            attach(context, servers.database_url, table, day, totals.events, rewritten=report.rewritten)
            if table == COMPARISON:
                meaning = label(meanings(servers.database_url, day))
                context.add_asset_metadata({"meaning": meaning}, asset_key=table, partition_key=key)
        yield dg.MaterializeResult[None](asset_key=table)

    return rollup


rollups: Final = [_rollup(table) for table in TABLES]
