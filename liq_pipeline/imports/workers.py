"""The processes that parse blocks while another lands them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Final, Protocol

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.blocks import Block
from liq_pipeline.imports.reading import Parser, Prepared, Reading


class Work(Protocol):
    """A block that is being prepared, or is."""

    def result(self) -> Prepared:
        """Wait for it."""


class Workers(Protocol):
    """Where blocks are prepared. ``ahead`` is how many to give before waiting for the first."""

    ahead: int

    def prepare(self, contract: str | None, block: Block) -> Work: ...


@contextmanager
def work_force(reading: Reading, count: int) -> Iterator[Workers]:
    """``count`` processes, started when they are given something; below 2 blocks are prepared by this process.

    Raises ImportRefusedError when a process is killed.
    """
    if count < 2:
        yield _Here(reading)
        return
    executor = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (reading,))
    try:
        yield _Pool(executor, count)
    except BrokenProcessPool:
        raise ImportRefusedError(
            "a process that read the file was killed, likely for want of memory; what is landed stays: "
            "import again to go on from there, with fewer --workers"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


class _Here:
    ahead = 1

    def __init__(self, reading: Reading) -> None:
        self._parser = Parser(reading)

    def prepare(self, contract: str | None, block: Block) -> Work:
        work: Future[Prepared] = Future()
        work.set_result(self._parser.prepare(contract, block))
        return work


class _Pool:
    def __init__(self, executor: ProcessPoolExecutor, count: int) -> None:
        self._executor = executor
        # One each in hand, one each waiting, and one that is landed meanwhile.
        self.ahead = 2 * count + 1

    def prepare(self, contract: str | None, block: Block) -> Work:
        # Ctrl-C reaches the whole group; the parent says when to stop. A process inherits what is blocked when it is
        # started here, so that Ctrl-C does not find it before it could see to that itself.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._executor.submit(_prepare, contract, block)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_parsers: Final[list[Parser]] = []
"""The one of a process of the pool."""


def _begin(reading: Reading) -> None:
    """Get a process of the pool ready."""
    _parsers.append(Parser(reading))
    # Rows are hundreds of thousands of small objects without cycles: looking for cycles in them is a third of the work.
    gc.disable()
    threading.Thread(target=_end_with_parent, name="liq-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare(contract: str | None, block: Block) -> Prepared:
    (parser,) = _parsers
    return parser.prepare(contract, block)
