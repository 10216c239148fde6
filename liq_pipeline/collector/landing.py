"""Landing: what was parsed goes into the Redis streams in batches, in order, at least once.

An entry leaves the buffer only when Redis has acknowledged it. Whatever Redis does meanwhile (gone, loading,
read-only, out of memory, asking for another login) the buffer keeps the order; when it is full, ``room`` holds
back the connections, so that the venue's bytes wait in the network and the gap shows instead of a silent loss.

Redis is durable to the second, and a replica that takes over may lag: what was acknowledged lately is kept for as long
as it may be lost that way, and written again when a new connection finds its newest entry gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import hiredis

from liq_pipeline import streams
from liq_pipeline.collector.resp import Address, RedisAwayError, RedisConnection, RedisRefusedError, pack
from liq_pipeline.errors import ServerError
from liq_pipeline.exchanges.base import Parsed
from liq_pipeline.liquidation import Market

_log = logging.getLogger(__name__)

_BATCH_ENTRIES: Final = 1_000
_BATCH_BYTES: Final = 4 << 20
_GATHER_SECONDS: Final = 0.02
"""How long a small batch waits for company: far below what the live view notices, far above a round trip."""
_TIMEOUT_SECONDS: Final = 15.0
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 2.0
_NOT_YET: Final = ("LOADING", "BUSY", "MASTERDOWN")
"""How a server refuses that will be back."""
_KEPT_SECONDS: Final = 5.0
"""A Redis that syncs every second may lose two when its disk is slow."""
_KEPT_BYTES: Final = 64 << 20


@cache
def _event_template(exchange: str, source: str) -> bytes:
    """An XADD with holes for the length and text of event_id, event, received_at and raw."""
    key, origin = streams.events_key(exchange).encode(), source.encode()
    return (
        b"*13\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$1\r\n*\r\n$8\r\nevent_id\r\n$%%d\r\n%%b\r\n$5\r\nevent\r\n$%%d\r\n%%b\r\n"
        b"$11\r\nreceived_at\r\n$%%d\r\n%%b\r\n$6\r\nsource\r\n$%d\r\n%b\r\n$3\r\nraw\r\n$%%d\r\n%%b\r\n"
    ) % (len(key), key, len(origin), origin)


class _Batch(NamedTuple):
    """What was acknowledged in one exchange: when (monotonic), and the id and stream of its last entry."""

    at: float
    commands: Sequence[bytes]
    size: int
    begins_with_claim: bool
    key: bytes
    entry_id: bytes


class Landing:
    """The buffer in front of Redis and the one task that empties it.

    ``max_entries`` and ``max_bytes`` bound what waits while Redis is away.
    """

    def __init__(self, redis_url: str, *, max_entries: int = 200_000, max_bytes: int = 256 << 20) -> None:
        self._address = Address(redis_url)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._pending: deque[bytes] = deque()
        self._sending: list[bytes] = []
        self._sending_bytes = 0
        self._sending_claim = False
        """Whether what is being sent begins with a claim."""
        self._kept: deque[_Batch] = deque()
        """What was acknowledged lately, oldest first."""
        self._kept_bytes = 0
        self._bytes = 0
        self._first = 0
        """Position, counted from the start, of the oldest command that is not acknowledged."""
        self._barriers: deque[int] = deque()
        self._something = asyncio.Event()
        self._empty = asyncio.Event()
        self._room = asyncio.Event()
        self._empty.set()
        self._room.set()
        self._connection: RedisConnection | None = None
        self.writer: asyncio.Task[None]
        """Empties the buffer from ``start`` on; ends only by ``close`` or a defect."""
        self.away: str | None = None
        """Why Redis takes nothing at the moment; None while it does."""

    @property
    def buffered(self) -> int:
        """Commands not yet acknowledged."""
        return len(self._pending) + len(self._sending)

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    async def start(self) -> None:
        """Connect and begin to write; raises ServerError if Redis cannot be reached or refuses the login."""
        try:
            self._connection = await RedisConnection.open(self._address, _TIMEOUT_SECONDS)
        except RedisRefusedError as error:
            raise ServerError(
                f"Redis at {self._address} refuses the login: {error}; correct the password, user or database "
                "in LIQ_REDIS_URL"
            ) from None
        except RedisAwayError as error:
            # A server that is still loading its data will be back; a wrong address will not.
            if not str(error).startswith(_NOT_YET):
                raise ServerError(
                    f"Redis at {self._address} cannot be reached: {error}; start it or correct LIQ_REDIS_URL"
                ) from None
        self.writer = asyncio.create_task(self._write_for_ever(), name="landing")

    def land(
        self, parsed: Parsed, *, exchange: str, received_at: int, source: str, market: Market | None = None
    ) -> None:
        """Queue everything a frame held. ``received_at`` is UTC milliseconds, ``market`` that of its feed."""
        if parsed.landed:
            template, at = _event_template(exchange, source), b"%d" % received_at
            for liquidation, raw in parsed.landed:
                identity, event = liquidation.event_id.encode(), streams.encode_event(liquidation)
                self._queue(template % (len(identity), identity, len(event), event, len(at), at, len(raw), raw))
        for reason, frame in parsed.rejections:
            self.reject(reason, frame, exchange=exchange, received_at=received_at, source=source, market=market)

    def reject(
        self, reason: str, frame: bytes, *, exchange: str, received_at: int, source: str, market: Market | None = None
    ) -> None:
        """Queue a record of something that was not understood."""
        fields = {
            b"received_at": b"%d" % received_at,
            b"exchange": exchange.encode(),
            b"source": source.encode(),
            b"market": b"" if market is None else market.encode(),
            b"reason": reason.encode(errors="backslashreplace"),
            b"frame": frame,
        }
        pairs = (item for pair in fields.items() for item in pair)
        self._queue(pack(b"XADD", streams.REJECTED.encode(), b"*", *pairs))

    def claim(self, command: bytes) -> None:
        """Queue a packed command that must not be sent before everything queued earlier is acknowledged."""
        self._barriers.append(self._first + self.buffered)
        self._queue(command)

    async def room(self) -> None:
        """Return at once while there is room; otherwise when half of the buffer is free again."""
        await self._room.wait()

    async def flush(self) -> None:
        """Return when everything queued so far, and since, is acknowledged."""
        await self._empty.wait()

    async def close(self, seconds: float) -> int:
        """Write what is left for at most ``seconds``; how many commands could not be written."""
        self.writer.cancel()
        await asyncio.gather(self.writer, return_exceptions=True)
        try:
            async with asyncio.timeout(seconds):
                await self._write_all()
        except TimeoutError:
            _log.error("stopped with %d entries that Redis did not take: %s", self.buffered, self.away)
        finally:
            self._disconnect()
        return self.buffered

    def _queue(self, command: bytes) -> None:
        self._pending.append(command)
        self._bytes += len(command)
        if not self._something.is_set():
            self._something.set()
            self._empty.clear()
        if self._bytes >= self._max_bytes or self.buffered >= self._max_entries:
            self._room.clear()

    async def _write_for_ever(self) -> None:
        while True:
            await self._something.wait()
            if len(self._pending) < _BATCH_ENTRIES:
                await asyncio.sleep(_GATHER_SECONDS)
            await self._write_all()

    async def _write_all(self) -> None:
        delay = _FIRST_RETRY_SECONDS
        while self.buffered:
            try:
                await self._write_batch()
            except RedisAwayError as error:
                if self.away is None:
                    _log.warning("Redis at %s takes nothing, buffering: %s", self._address, error)
                self.away = str(error)
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                delay = min(delay * 2, _LAST_RETRY_SECONDS)
            else:
                if self.away is not None:
                    _log.warning("Redis at %s is back, %d entries wait", self._address, self.buffered)
                    self.away = None
                delay = _FIRST_RETRY_SECONDS
        self._something.clear()
        self._empty.set()

    async def _write_batch(self) -> None:
        try:
            if self._connection is None:
                self._connection = await RedisConnection.open(self._address, _TIMEOUT_SECONDS)
                await self._look_for_kept(self._connection)
            if not self._sending:
                self._take_batch()
            replies = await self._connection.send(self._sending, _TIMEOUT_SECONDS)
        except BaseException:
            self._disconnect()
            raise
        self._acknowledge(replies)

    async def _look_for_kept(self, connection: RedisConnection) -> None:
        """Queue what was acknowledged lately again, ahead of all else, unless the newest of it is still there.

        Redis loses from the end, so that everything is there if the newest is. One that was trimmed since only costs
        that it is written twice.
        """
        if not self._kept:
            return
        newest = self._kept[-1]
        command = pack(b"XRANGE", newest.key, newest.entry_id, newest.entry_id)
        (found,) = await connection.send([command], _TIMEOUT_SECONDS)
        if isinstance(found, hiredis.ReplyError):
            if str(found).startswith(_NOT_YET):
                raise RedisAwayError(str(found))
        elif found:
            return
        batches = [*self._kept, _Batch(0.0, self._sending, self._sending_bytes, self._sending_claim, b"", b"")]
        count = sum(len(batch.commands) for batch in batches) - len(self._sending)
        _log.warning("Redis at %s lost what it had acknowledged; %d entries are written again", self._address, count)
        self._kept.clear()
        self._first -= count
        self._bytes += self._kept_bytes
        self._kept_bytes = 0
        self._sending, self._sending_bytes = [], 0
        position = self._first + sum(len(batch.commands) for batch in batches)
        for batch in reversed(batches):
            position -= len(batch.commands)
            self._pending.extendleft(reversed(batch.commands))
            if batch.begins_with_claim and batch.commands:
                self._barriers.appendleft(position)

    def _keep(self, commands: Sequence[bytes], size: int, replies: Sequence[object]) -> None:
        """Keep what was just acknowledged, and no longer than it may be lost."""
        now = time.monotonic()
        # XADD, stream, … as landing, coverage and troubles pack it.
        name, _, key, *_ = commands[-1].split(b"\r\n", 5)[2:]
        if name == b"XADD" and isinstance(entry_id := replies[-1], bytes):
            self._kept.append(_Batch(now, commands, size, self._sending_claim, key, entry_id))
            self._kept_bytes += size
        while self._kept and (self._kept[0].at < now - _KEPT_SECONDS or self._kept_bytes > _KEPT_BYTES):
            self._kept_bytes -= self._kept.popleft().size

    def _take_batch(self) -> None:
        self._sending_claim = bool(self._barriers) and self._barriers[0] == self._first
        while self._barriers and self._barriers[0] <= self._first:
            self._barriers.popleft()
        limit = min(_BATCH_ENTRIES, self._barriers[0] - self._first) if self._barriers else _BATCH_ENTRIES
        pending, sending, size = self._pending, self._sending, 0
        while pending and len(sending) < limit and size < _BATCH_BYTES:
            command = pending.popleft()
            sending.append(command)
            size += len(command)
        self._sending_bytes = size

    def _acknowledge(self, replies: list[object]) -> None:
        refused: list[bytes] = []
        reason = ""
        taken, size = self._sending, self._sending_bytes
        # An entry's answer is its id. Asking each reply for its type costs as much as reading it did.
        if not {bytes} >= set(map(type, replies)):
            pairs = list(zip(self._sending, replies, strict=True))
            refused = [command for command, reply in pairs if isinstance(reply, hiredis.ReplyError)]
            reason = next((str(reply) for _, reply in reversed(pairs) if isinstance(reply, hiredis.ReplyError)), "")
            taken = [command for command, reply in pairs if not isinstance(reply, hiredis.ReplyError)]
            replies = [reply for _, reply in pairs if not isinstance(reply, hiredis.ReplyError)]
            size -= sum(map(len, refused))
        self._first += len(taken)
        self._bytes -= size
        self._sending, self._sending_bytes = refused, self._sending_bytes - size
        if taken:
            self._keep(taken, size, replies)
        if refused:
            # A new connection logs in again and finds the new primary, which is the cure for half of these.
            self._disconnect()
            raise RedisAwayError(reason)
        if self._bytes <= self._max_bytes // 2 and self.buffered <= self._max_entries // 2:
            self._room.set()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
