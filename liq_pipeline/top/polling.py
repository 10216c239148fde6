"""Reading again and again beside the screen, so that a server that does not answer keeps nobody from quitting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from liq_pipeline.errors import LiqError

T = TypeVar("T")


class Poller(threading.Thread, Generic[T]):
    """Calls ``read`` every ``seconds`` and ``told`` after each call, in a thread that ends with the process.

    ``latest`` is what it read last, ``error`` why it cannot now, and ``defect`` what ended it. ``asked_at`` is when
    the call that has not returned began (monotonic seconds), None between two.
    """

    def __init__(self, read: Callable[[], T], seconds: float, told: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.latest: T | None = None
        self.error: str | None = None
        self.defect: Exception | None = None
        self.asked_at: float | None = None
        self._read = read
        self._seconds = seconds
        self._told = told
        self._soon = threading.Event()

    def soon(self) -> None:
        """Read again at once."""
        self._soon.set()

    def run(self) -> None:
        """Read for ever; an error that can be mended is said, and the next call may be well again."""
        while self.defect is None:
            self._soon.clear()
            self.asked_at = time.monotonic()
            try:
                self.latest, self.error = self._read(), None
            except LiqError as error:
                self.error = str(error)
            except Exception as error:  # for the thread that looks at it to raise
                self.defect = error
            self.asked_at = None
            self._told()
            self._soon.wait(self._seconds)
