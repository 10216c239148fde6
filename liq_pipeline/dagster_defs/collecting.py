"""The op that collects for one shift, and how it is stopped."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from liq_pipeline.collector.run import CollectReport, collect
from liq_pipeline.collector.shifts import LEAD_MS, SHIFT_MS
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.embedded.demo import refuse_real_venues
from liq_pipeline.settings import Settings

MAX_RUNTIME_SECONDS: Final = (SHIFT_MS + LEAD_MS) // 1000 + 60
"""A shift, its lead and a margin: Dagster ends by then the run of a worker that was killed."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Shift(dg.Config):
    """Until when to collect, UTC milliseconds."""

    until_ms: int


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
    if interrupted and _cancelled(context):
        raise DagsterExecutionInterruptedError
    if interrupted:
        # The host or `liq up` stops: everything received is written, and an alert would cry wolf.
        context.log.info("stopped by a signal before the end of the shift; the next start asks for the rest")


def _cancelled(context: dg.OpExecutionContext) -> bool:
    """Whether somebody terminated this run in the UI, which Dagster wants to hear of as an interruption."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status is dg.DagsterRunStatus.CANCELING


def collect_until(settings: Settings, redis_url: str, until_ms: int) -> tuple[CollectReport, bool]:
    """Collect in this thread, the main one, until then or a signal; the report, and whether a signal ended it.

    Dagster's own handler raises wherever the interpreter happens to be, sometimes inside a task, which then dies
    without closing its connection and claiming what it covered. Here a signal asks the collector to stop.
    """
    interrupted = False

    async def run() -> CollectReport:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            stop.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt)
        return await collect(settings, redis_url=redis_url, until_ms=until_ms, stop=stop)

    with _handlers_restored():
        report = asyncio.run(run())
    return report, interrupted


@contextmanager
def _handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
