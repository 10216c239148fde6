"""The op that collects for one shift, and how it is stopped."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.resources import Line

MAX_RUNTIME_SECONDS: Final = 3600 + 60 + 60
"""A shift, the lead its successor gets, and a margin: a run that lost its worker is ended by then."""

_Result = TypeVar("_Result")


class Shift(dg.Config):
    """Until when to collect, UTC milliseconds."""

    until_ms: int


# A plain function: Dagster does not cancel the tasks of an ``async def`` op when its run is terminated.
@dg.op(description="Collect all feeds until the end of the shift, writing each event on receipt.")
def collect_shift(context: dg.OpExecutionContext, config: Shift, line: Line) -> None:
    from liq_pipeline.collector.collect import collect

    settings, servers = line.settings(), line.servers()
    context.log.info(f"collecting {', '.join(settings.exchanges)} until {config.until_ms}")
    report = run_until_interrupted(
        collect(settings, settings.exchanges, redis_url=servers.redis_url, until_ms=config.until_ms)
    )
    context.log.info(f"shift ended: {report}")
    context.log_event(dg.AssetObservation(asset_key=LANDING_ZONE, metadata={"shift": str(report)}))


def run_until_interrupted(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run ``work``; on SIGINT or SIGTERM cancel it, let it close its connections, then end the run as interrupted.

    Dagster's own handler raises wherever the interpreter happens to be, which is sometimes inside a task: that task
    then dies without its clean-up.
    """
    with _cancelling() as (stop, interrupted):
        try:
            return asyncio.run(_supervise(work, stop))
        except asyncio.CancelledError:
            if not interrupted.is_set():
                raise
    raise DagsterExecutionInterruptedError


async def _supervise(work: Coroutine[Any, Any, _Result], stop: list[Any]) -> _Result:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
    return await task


@contextmanager
def _cancelling() -> Iterator[tuple[list[Any], threading.Event]]:
    stop: list[Any] = []
    interrupted = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        for callback in stop:
            callback()

    if threading.current_thread() is not threading.main_thread():
        yield stop, interrupted
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
