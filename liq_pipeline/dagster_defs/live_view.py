"""The op that keeps the live view for one shift."""

import dagster as dg

from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.shifts import Shift, end_interrupted, until_signalled
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.run import live
from liq_pipeline.settings import Settings


# A plain function, as the collector's op is.
@dg.op(
    description=(
        "Show the last hour in Redis until the end of the shift: levels, minutes, active cascades; record final ones. "
        "Reads the streams, so it can be stopped and started at any time, and run twice."
    )
)
def live_shift(context: dg.OpExecutionContext, config: Shift, line: Line) -> None:
    settings, servers = line.settings(), line.servers()
    report, interrupted = live_until(settings, servers.redis_url, servers.database_url, config.until_ms)
    context.log.info(f"{report}")
    if interrupted:
        end_interrupted(context)


def live_until(settings: Settings, redis_url: str, database_url: str, until_ms: int) -> tuple[LiveReport, bool]:
    """Keep the live view until then or a signal; the report, and whether a signal ended it."""
    return until_signalled(
        lambda stop: live(settings, redis_url=redis_url, database_url=database_url, until_ms=until_ms, stop=stop)
    )
