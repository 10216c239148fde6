"""What a view shows, as commands to Redis: whole hashes with absolute values, so that two views never add up.

Changed hashes are written at once. Beside that a round never ends: it writes everything again, a slice at a time, and
removes hashes nobody can account for. So whatever another view left behind, or a Redis that lost its last second or
all it had, is right again within some seconds, and hashes of a view that died go by themselves.

Times to live, relative to the watermark: a level and a minute last until their newest event leaves the hour, at most
the hour; the status of a cascade lasts a minute. Each round renews them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from liq_pipeline.collector.resp import pack
from liq_pipeline.live.cascades import STATUS_PREFIX
from liq_pipeline.live.view import LEVELS_PREFIX, MINUTES_PREFIX, View
from liq_pipeline.streams import events_key

SLICE: Final = 250
"""Hashes written again at a time: half a millisecond of Redis's time."""
SCANNED: Final = 1_000
_SHOWN: Final = tuple(prefix.encode() for prefix in (LEVELS_PREFIX, MINUTES_PREFIX, STATUS_PREFIX))
_EVENTS: Final = events_key("").encode()
_FIRST: Final = b"0"


def write(view: View, key: bytes, fields: tuple[object, ...] | None) -> Iterator[bytes]:
    """The commands that make a hash what it is to be."""
    if fields is None:
        yield pack(b"DEL", key)
    else:
        yield pack(b"HSET", key, *(str(item).encode() for item in fields))
        yield pack(b"PEXPIRE", key, b"%d" % view.lasts(key))


def changes(view: View) -> list[bytes]:
    """The commands for all that changed since the last call."""
    return [command for key, fields in view.changed().items() for command in write(view, key, fields)]


class Round:
    """One pass after another over what is there and what is to be there.

    ``commands`` are the next slice, the last of which asks for names in Redis; ``found`` takes the answer to that.
    """

    def __init__(self) -> None:
        self.completed = 0
        """Passes that saw all names in Redis and wrote everything."""
        self.scanned = False
        """Whether this pass saw all names."""
        self.streams: set[bytes] = set()
        """Event streams that were met."""
        self._cursor = _FIRST
        self._left: deque[bytes] | None = None

    def commands(self, view: View) -> list[bytes]:
        """The next slice of the round."""
        if self._left is None:
            self._left, self.scanned = deque(view.names()), False
        batch = [self._left.popleft() for _ in range(min(SLICE, len(self._left)))]
        again = ((key, view.fields(key)) for key in batch)
        return [command for key, fields in again if fields for command in write(view, key, fields)] + [self.scan()]

    def scan(self) -> bytes:
        """The command that asks for names."""
        return pack(b"SCAN", self._cursor, b"MATCH", b"liq:*", b"COUNT", b"%d" % SCANNED)

    def found(self, view: View, answer: object) -> list[bytes]:
        """Names in ``answer``, that of ``scan``, under which nothing is to be."""
        if not isinstance(answer, list):
            return []
        self._cursor, keys = answer
        self.streams |= {key for key in keys if key.startswith(_EVENTS)}
        self.scanned = self.scanned or self._cursor == _FIRST
        if self.scanned and not self._left:
            self._left = None
            self.completed += 1
        return stray(view, keys)


def stray(view: View, keys: Iterable[bytes]) -> list[bytes]:
    """Names of ours under which nothing is to be."""
    return [key for key in keys if key.startswith(_SHOWN) and view.fields(key) is None]
