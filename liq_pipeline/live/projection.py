"""What a view shows, as commands to Redis: whole hashes with absolute values, so that two views never add up.

``liq:levels:{symbol}:{price_level}:{side}``  ``count``, ``total_value``, ``total_quantity``, ``first_seen``,
                                              ``last_seen``, over the rolling hour
``liq:agg:{symbol}:60s:{minute}``             ``count``, ``total_value``, ``long_count``, ``short_count``,
                                              ``{exchange}_count``, ``institutional_count``
``liq:hour:{exchange}:{side}``                ``count``, ``total_value``, ``first_seen``, ``last_seen``, over the
                                              rolling hour
``liq:hour:largest``                          ``events``: the 20 largest of the rolling hour, a JSON array
``liq:cascade:status:{symbol}``               there while a cascade is active: ``cascade_id``, ``start_time``,
                                              ``event_count``, ``total_value``, ``risk_score``, ``exchanges``,
                                              ``supersedes``

Changed hashes are written at once. Beside that a round never ends: it looks at everything, a slice at a time, writes
what is not as it should be and removes what nobody can account for. So whatever another view left behind, or a Redis
that lost its last second or all it had, is right again within some seconds. (Writing all of it again instead would
fill Redis's log with what it has.)

Hashes of a view that died go by themselves. A level and a minute last until their newest event leaves the hour, as the
watermark stands; the status of a cascade lasts a minute. The round renews that while it is not so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import hiredis

from liq_pipeline.collector.resp import RedisAwayError, pack
from liq_pipeline.live.cascades import STATUS_PREFIX
from liq_pipeline.live.view import LEVELS_PREFIX, MINUTES_PREFIX, TOTALS_PREFIX, View
from liq_pipeline.streams import events_key

SLICE: Final = 250
"""Hashes looked at, at a time: half a millisecond of Redis's time."""
SCANNED: Final = 1_000
_SHOWN: Final = tuple(prefix.encode() for prefix in (LEVELS_PREFIX, MINUTES_PREFIX, TOTALS_PREFIX, STATUS_PREFIX))
_EVENTS: Final = events_key("").encode()
_FIRST: Final = b"0"
_SOON_MS: Final = 300_000
_EXACT_MS: Final = 2_000
"""How much sooner or later than it should a hash may go: little, if it has to go soon; else other rounds will come."""


def write(view: View, key: bytes, fields: tuple[object, ...] | None) -> Iterator[bytes]:
    """The commands that make a hash what it is to be."""
    if fields is None:
        yield pack(b"DEL", key)
    else:
        yield pack(b"HSET", key, *(str(item).encode() for item in fields))
        yield pack(b"PEXPIRE", key, b"%d" % view.lasts(key))


def anew(view: View, keys: Iterable[bytes]) -> list[bytes]:
    """The commands that make these hashes what they are to be now."""
    return [command for key in keys for command in write(view, key, view.fields(key))]


def changes(view: View) -> list[bytes]:
    """The commands for all that changed since the last call."""
    return [command for key, fields in view.changed().items() for command in write(view, key, fields)]


class Round:
    """One pass after another over what is there and what is to be there.

    ``commands`` ask for a slice of it; ``wrong`` takes the answers.
    """

    def __init__(self) -> None:
        self.completed = 0
        """Passes that saw all names in Redis and looked at everything."""
        self.scanned = False
        """Whether this pass saw all names."""
        self.streams: set[bytes] = set()
        """Event streams that were met."""
        self._cursor = _FIRST
        self._left: deque[bytes] | None = None
        self._asked: list[bytes] = []

    def commands(self, view: View) -> list[bytes]:
        """What asks for the next slice, to be sent behind all that was written."""
        if self._left is None:
            self._left, self.scanned = deque(view.names()), False
        self._asked = [self._left.popleft() for _ in range(min(SLICE, len(self._left)))]
        looks = [command for key in self._asked for command in (pack(b"HGETALL", key), pack(b"PTTL", key))]
        return [*looks, self.scan()]

    def scan(self) -> bytes:
        """The command that asks for names alone."""
        return pack(b"SCAN", self._cursor, b"MATCH", b"liq:*", b"COUNT", b"%d" % SCANNED)

    def wrong(self, view: View, answers: Sequence[object]) -> list[bytes]:
        """Names of hashes that are not, or do not last, as they should, in the answers to ``commands`` or ``scan``.

        Raises RedisAwayError if Redis names nothing: asking it for the next ones would never end.
        """
        if isinstance(answers[-1], hiredis.ReplyError):
            raise RedisAwayError(str(answers[-1]))
        keys, self._asked = self._asked, []
        found = [
            key
            for key, values, lasts in zip(keys, answers[:-1:2], answers[1:-1:2], strict=True)
            if not _right(view, key, values, lasts)
        ]
        if isinstance(answers[-1], list):
            self._cursor, names = answers[-1]
            self.streams |= {name for name in names if name.startswith(_EVENTS)}
            self.scanned = self.scanned or self._cursor == _FIRST
            found += stray(view, names)
        if self.scanned and not self._left:
            self._left = None
            self.completed += 1
        return found


def _right(view: View, key: bytes, values: object, lasts: object) -> bool:
    fields, due = view.fields(key), view.lasts(key)
    if fields is None or not isinstance(values, list) or not isinstance(lasts, int):
        return False
    there = dict(zip(values[::2], values[1::2], strict=True))
    wanted = {str(name).encode(): str(value).encode() for name, value in zip(fields[::2], fields[1::2], strict=True)}
    return wanted.items() <= there.items() and abs(due - lasts) <= (_EXACT_MS if due <= _SOON_MS else _SOON_MS)


def stray(view: View, keys: Iterable[bytes]) -> list[bytes]:
    """Names of ours under which nothing is to be."""
    return [key for key in keys if key.startswith(_SHOWN) and view.fields(key) is None]
