"""Reading the event streams as an onlooker: from ids of our own, in the order in which entries landed.

No consumer group, because every view must see everything. Streams are read together and their entries merged by the
time at which they landed, so that a view that was started again takes them in the order of the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import hiredis
import msgspec

from liq_pipeline.collector.resp import RedisAwayError, pack
from liq_pipeline.streams import Entries, Entry, decode_entries, decode_entry, transposed
from liq_pipeline.warehouse.backlog import StreamId, parse_id

_log = logging.getLogger(__name__)

COUNT: Final = 2_000
"""Entries of a stream asked for at a time: some 50 ms of work, after which what they changed is shown."""
START: Final = (0, 0)
_UNDECODABLE: Final = (msgspec.DecodeError, KeyError, ValueError)


class Item(NamedTuple):
    """An entry as it was read: its id, its stream, and its names and values in turn."""

    id: StreamId
    key: bytes
    flat: Sequence[bytes]


@dataclass
class Streams:
    """The streams read so far, each up to its position. ``ask`` makes the command, ``merge`` takes its answer."""

    positions: dict[bytes, StreamId] = field(default_factory=dict)
    undecodable: int = 0
    _waiting: dict[bytes, list[Item]] = field(default_factory=dict)
    """Entries behind ones of another stream that were not read yet."""
    _more: set[bytes] = field(default_factory=set)
    """Those among them whose stream was not read to its end."""
    _complained: bool = False

    def follow(self, keys: Iterable[bytes]) -> None:
        """Read these streams as well, from their beginning."""
        for key in keys:
            self.positions.setdefault(key, START)

    def again(self, key: bytes) -> None:
        """Read a stream from its beginning again; events that were seen count once."""
        self.positions[key] = START
        self._waiting.pop(key, None)
        self._more.discard(key)

    def ask(self, block_ms: int) -> bytes:
        """XREAD of every stream of which nothing waits; it waits itself only if nothing does at all."""
        keys = [key for key in self.positions if not self._waiting.get(key)]
        blocking = () if self._waiting else (b"BLOCK", b"%d" % block_ms)
        after = (b"%d-%d" % self.positions[key] for key in keys)
        return pack(b"XREAD", b"COUNT", b"%d" % COUNT, *blocking, b"STREAMS", *keys, *after)

    def merge(self, reply: object) -> tuple[list[Item], bool]:
        """The entries that can be taken now, in the order in which they landed, and whether that was all there is.

        Raises RedisAwayError for an answer that is an error.
        """
        if isinstance(reply, hiredis.ReplyError):
            raise RedisAwayError(str(reply))
        for key, entries in reply if isinstance(reply, list) else ():
            items = [Item(parse_id(entry_id), key, flat or ()) for entry_id, flat in entries]
            self.positions[key] = items[-1].id
            self._waiting[key] = items
            if len(items) < COUNT:
                self._more.discard(key)
            else:
                self._more.add(key)
        # What landed later than what was read of a stream that has more must wait for that.
        behind = min((self._waiting[key][-1].id for key in self._more), default=None)
        waiting, self._waiting = self._waiting, {}
        if behind is not None and len(waiting) > 1:
            for key, items in waiting.items():
                if later := [item for item in items if item.id > behind]:
                    self._waiting[key] = later
        ready = [item for items in waiting.values() for item in items if behind is None or item.id <= behind]
        if len(waiting) > 1:
            ready.sort(key=_landing_order)
        is_all = not self._more
        self._more &= self._waiting.keys()
        return ready, is_all

    def decode(self, items: Sequence[Item]) -> tuple[Entries, list[int]]:
        """The entries that are ours, and when each landed (UTC ms); others are counted and said once: the loader
        records them."""
        try:
            return decode_entries([item.flat for item in items]), [item.id[0] for item in items]
        except _UNDECODABLE:
            pass
        decoded: list[tuple[Entry, int]] = []
        for item in items:
            try:
                decoded.append((decode_entry(dict(zip(item.flat[::2], item.flat[1::2], strict=False))), item.id[0]))
            except _UNDECODABLE as error:
                self.undecodable += 1
                if not self._complained:
                    self._complained = True
                    _log.warning("%s holds what is no event, and perhaps more of it: %s", item.key.decode(), error)
        return transposed(entry for entry, _ in decoded), [landed for _, landed in decoded]


def _landing_order(item: Item) -> tuple[StreamId, bytes]:
    return item.id, item.key
