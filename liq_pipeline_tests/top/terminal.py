"""A terminal with `liq top` on it: what it shows, what is typed, and how it is left."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from liq_pipeline_tests.cli.running import LIQ, environment

_PATIENCE = 60.0
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")
_HOME = "\x1b[H"
_LAST = "q quit"
"""On the last line: a screen without it was read while it was drawn."""


class Terminal:
    """``shown`` is the screen as it was drawn last; ``output`` everything that was written."""

    def __init__(self, master: int, slave: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.output = ""
        self._master = master
        self._slave = slave
        self._before = termios.tcgetattr(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def shown(self) -> list[str]:
        last = next((drawn for drawn in reversed(self.output.split(_HOME)) if _LAST in drawn), "")
        return _ESCAPES.sub("", last).replace("\r", "").split("\n")

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal's modes are those from before it began."""
        return termios.tcgetattr(self._slave) == self._before

    def resize(self, width: int, height: int) -> None:
        size(self._master, width, height)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Read what it writes until a condition holds."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {_PATIENCE:.0f} s: {what}\n" + "\n".join(self.shown)
            if not self._read(0.2):
                time.sleep(0.05)

    def until_shown(self, words: str) -> None:
        self.until(lambda: any(words in line for line in self.shown), words)

    def end(self) -> int:
        """Its exit code, once it ended; what it wrote to the last is read."""
        self.until(lambda: self.process.poll() is not None, "the end")
        while self._read(0):
            pass
        return int(self.process.wait())

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.output += self._decoder.decode(os.read(self._master, 1 << 16))
        return True


def size(descriptor: int, width: int, height: int) -> None:
    """Give a terminal a size."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@contextlib.contextmanager
def top(home: Path, *arguments: str, **variables: str) -> Iterator[Terminal]:
    """`liq top` on a terminal of 80 columns and 24 lines, of its own session as a login has it."""
    master, slave = pty.openpty()
    size(slave, 80, 24)
    terminal = None
    kept = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    try:
        terminal = Terminal(
            master,
            slave,
            subprocess.Popen(
                [LIQ, "top", *arguments],
                env={**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1", "LIQ_HOME": str(home), **variables},
                cwd="/",
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            ),
        )
        yield terminal
    finally:
        if terminal is not None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(master)
        os.close(slave)
