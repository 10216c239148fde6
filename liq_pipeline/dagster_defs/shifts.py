"""A shift of a process that never ends by itself, as an op: until when, and how it is stopped."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

MAX_RUNTIME: Final = "dagster/max_runtime"
"""The tag of how many seconds a run may take: by then Dagster ends that of a worker that was killed."""
_MARGIN_SECONDS: Final = 60

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_Report = TypeVar("_Report")


class Shift(dg.Config):
    """Until when to work, UTC milliseconds."""

    until_ms: int


def max_runtime(until_ms: int, now_ms: int) -> str:
    """The tag's value for a shift that is asked for now."""
    return str((until_ms - now_ms) // 1000 + _MARGIN_SECONDS)


def until_signalled(work: Callable[[asyncio.Event], Coroutine[Any, Any, _Report]]) -> tuple[_Report, bool]:
    """Do ``work`` in this thread, the main one, until it ends or a signal sets its event; its report, and whether a
    signal ended it.

    Dagster's own handler raises wherever the interpreter happens to be, sometimes inside a task, which then dies
    without closing its connection and claiming what it covered. Here a signal asks the work to stop.
    """
    interrupted = False

    async def run() -> _Report:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            stop.set()

        for number in _SIGNALS:
            loop.add_signal_handler(number, interrupt)
        return await work(stop)

    with _handlers_restored():
        report = asyncio.run(run())
    return report, interrupted


def end_interrupted(context: dg.OpExecutionContext) -> None:
    """End the op of a shift that a signal ended: cancelled where somebody terminated its run in the UI, else well."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        raise DagsterExecutionInterruptedError
    # The host or `liq up` stops: everything received is written, and an alert would cry wolf.
    context.log.info("stopped by a signal before the end of the shift; the next start asks for the rest")


@contextmanager
def _handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
