"""``liq live`` as a child of ``liq collect``: kept alive beside it, and gone when it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil

from liq_pipeline.embedded import process
from liq_pipeline.embedded.supervise import Supervisor

_COMMAND: Final = (sys.executable, "-P", "-c", "from liq_pipeline.cli import main; main()", "live")


class LiveChild:
    """A live view in a process of its own: it reads what is collected, and must not slow collecting down."""

    name = "live view"

    def __init__(self) -> None:
        self.server: psutil.Process | None = None

    def running(self) -> bool:
        return process.alive(self.server)

    def start(self) -> None:
        # A session of its own: a terminal's Ctrl-C is for the collector, which then stops it. Its warnings are shown.
        self.server = psutil.Popen(
            _COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=process.with_parent(),
        )

    def stop(self) -> None:
        if self.server is not None:
            process.stop([self.server], signal.SIGTERM)
        self.server = None


@contextmanager
def live_beside(announce: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """A live view for the time of the block; to be called about once a second, to start one that died again."""
    child, supervisor = LiveChild(), Supervisor(announce)
    child.start()
    try:
        yield lambda: supervisor.look([child])
    finally:
        child.stop()
