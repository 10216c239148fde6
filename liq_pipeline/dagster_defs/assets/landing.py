"""liquidations_raw: what was landed, moved from Redis to the database."""

import time
from collections.abc import Iterator

import dagster as dg

from liq_pipeline.dagster_defs import tables
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.liquidation import PARSER_VERSION
from liq_pipeline.warehouse import loader


@dg.multi_asset(
    name="liquidations_raw",
    specs=[
        tables.spec(
            "liquidations_raw",
            group="landing",
            deps=[LANDING_ZONE.to_user_string()],
            code_version=f"parser-{PARSER_VERSION}",
        )
    ],
)
def liquidations_raw(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
    """Drain everything landed before the run began, of whatever day, then report the run's day. Deletes nothing."""
    started = time.perf_counter()
    settings, servers = line.settings(), line.servers()
    drained = loader.drain(servers.database_url, servers.redis_url, settings)
    seconds = time.perf_counter() - started
    context.log.info(f"drained the landing zone in {seconds:.3f} s: {drained}")
    if drained.vanished:
        context.log.error(
            f"{drained.vanished} entries were deleted from the streams before the database had them, and not by liq: "
            "find who else writes to this Redis, or give liq one of its own in LIQ_REDIS_URL"
        )
    for key in context.partition_keys:
        day = day_of(key)
        tables.report(
            context, "liquidations_raw", day, tables.totals(servers.database_url, "liquidations_raw", day), seconds
        )
    yield dg.MaterializeResult[None](asset_key="liquidations_raw")
