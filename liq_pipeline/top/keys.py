"""A terminal's keys, one at a time and without an echo, and what else ends a wait: signals, and other threads."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Final

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CC: Final = 6


class Keys:
    """See ``keys``."""

    def __init__(self, wakes: int, waker: int, terminal: int | None) -> None:
        self.stopped = False
        """Whether a signal asked for the end."""
        self._wakes = wakes
        self._waker = waker
        self._terminal = terminal

    def wake(self) -> None:
        """End the wait, from any thread."""
        with suppress(OSError):
            # A full pipe wakes, too; a closed one has nobody left to wake.
            os.write(self._waker, b"\0")

    def wait(self, seconds: float) -> str:
        """The keys pressed, or none after ``seconds``, a signal, a new size of the terminal or a ``wake``."""
        until = time.monotonic() + seconds
        sources = [self._wakes, *([] if self._terminal is None else [self._terminal])]
        ready, _, _ = select.select(sources, [], [], max(until - time.monotonic(), 0))
        if self._wakes in ready:
            os.read(self._wakes, 4096)
        if self._terminal is None or self._terminal not in ready:
            return ""
        pressed = os.read(self._terminal, 1024)
        if not pressed:
            # The terminal was closed: nobody looks any more.
            self._terminal, self.stopped = None, True
        return pressed.decode("ascii", "ignore")

    def stop(self, number: int, frame: FrameType | None) -> None:
        """As a handler of signals."""
        self.stopped = True


@contextmanager
def keys() -> Iterator[Keys]:
    """The keys of standard input where that is a terminal, which is as it was afterwards, however the block ends.

    Ctrl-C is a signal like any other here; Ctrl-Z does nothing, since a stopped program would leave the terminal as
    it is.
    """
    with ExitStack() as stack:
        wakes, waker = os.pipe()
        stack.callback(os.close, wakes)
        stack.callback(os.close, waker)
        os.set_blocking(waker, False)
        terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        if terminal is not None:
            stack.enter_context(_one_at_a_time(terminal))
        found = Keys(wakes, waker, terminal)
        handlers = {number: signal.signal(number, found.stop) for number in _STOPPING}
        # So that a new size is drawn at once.
        handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda number, frame: None)
        for number, handler in handlers.items():
            stack.callback(signal.signal, number, handler)
        before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, before)
        yield found


@contextmanager
def _one_at_a_time(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        changed = termios.tcgetattr(terminal)
        changed[_CC][termios.VSUSP] = b"\0"
        termios.tcsetattr(terminal, termios.TCSANOW, changed)
        yield
    finally:
        with suppress(termios.error):
            # It may be gone.
            termios.tcsetattr(terminal, termios.TCSANOW, before)
