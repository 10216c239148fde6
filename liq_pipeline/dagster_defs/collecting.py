"""The op that collects for one shift."""

import dagster as dg

from liq_pipeline.collector.run import CollectReport, collect
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.shifts import Shift, end_interrupted, until_signalled
from liq_pipeline.embedded.demo import refuse_real_venues
from liq_pipeline.settings import Settings


# A plain function: Dagster does not cancel the tasks of an ``async def`` op when its run is terminated.
@dg.op(description="Collect all feeds until the end of the shift; every event is written on receipt.")
def collect_shift(context: dg.OpExecutionContext, config: Shift, line: Line) -> None:
    settings, servers = line.settings(), line.servers()
    refuse_real_venues(settings, settings.exchanges)
    context.log.info(f"collecting {', '.join(settings.exchanges)} until {config.until_ms} (UTC ms)")
    report, interrupted = collect_until(settings, servers.redis_url, config.until_ms)
    for feed in report.feeds:
        context.log.info(f"{feed}")
    context.log_event(
        dg.AssetObservation(
            asset_key=LANDING_ZONE,
            metadata={
                "unwritten": report.unwritten,
                **{f"{feed.feed} events": feed.events for feed in report.feeds},
                **{f"{feed.feed} frames": feed.frames for feed in report.feeds},
                **{f"{feed.feed} rejected": feed.rejected for feed in report.feeds},
            },
        )
    )
    if interrupted:
        end_interrupted(context)


def collect_until(settings: Settings, redis_url: str, until_ms: int) -> tuple[CollectReport, bool]:
    """Collect until then or a signal; the report, and whether a signal ended it."""
    return until_signalled(lambda stop: collect(settings, redis_url=redis_url, until_ms=until_ms, stop=stop))
