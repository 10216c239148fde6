"""Calls that may never return, such as those to a database that hangs, beside an event loop that must be able to end.

`asyncio.to_thread` will not do: a loop that ends waits for its threads, and so does the interpreter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")


async def aside(call: Callable[[], _Result]) -> _Result:
    """What ``call`` returns or raises in a thread of its own. Whoever is cancelled meanwhile leaves it behind."""
    outcome: Future[_Result] = Future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    outcome.set_running_or_notify_cancel()
    Thread(target=work, name="aside", daemon=True).start()
    return await asyncio.wrap_future(outcome)
