"""One view at work: batch after batch from the streams into the view, and what it changed into Redis.

A batch goes: write what changed, ask for more, and wait, all in one exchange. So what an entry changed is visible
before the next is waited for, and while Redis is busy or the view is, entries gather and are taken together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import hiredis

from liq_pipeline.collector.resp import RedisAwayError, RedisConnection, pack
from liq_pipeline.errors import LiqError
from liq_pipeline.live import beginning
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.hour import MINUTE_MS
from liq_pipeline.live.projection import SLICE, Round, anew, changes
from liq_pipeline.live.reading import START, Item, Streams
from liq_pipeline.live.records import Blind, Levels, Recorder
from liq_pipeline.live.remembering import LOST, Remembering
from liq_pipeline.live.view import View
from liq_pipeline.settings import EXCHANGES, Settings
from liq_pipeline.streams import events_key
from liq_pipeline.warehouse.backlog import parse_id
from liq_pipeline.warehouse.day_rows import params

_log = logging.getLogger(__name__)

_HOUR_MS: Final = 3_600_000
_BLOCK_MS: Final = 50
"""How late what leaves by the clock alone may leave."""
_TIMEOUT_SECONDS: Final = 15.0
_SLICE_SECONDS: Final = 0.05
"""Between two slices of the round that looks at everything."""
_ROUND_SECONDS: Final = 5.0
_HEALTH_SECONDS: Final = 1.0
_MARGIN_MS: Final = 100
"""By how much Redis's clock may differ from what it was asked for last."""
_SEED_SECONDS: Final = 5.0


class Session:
    """What lives as long as the process: connections to Redis come and go."""

    def __init__(self, settings: Settings, recorder: Recorder | None, watched: Levels) -> None:
        self.redis_away: str | None = None
        self.stopped = False
        self._params = params(settings)
        self._significant = int(settings.significant_usd * 1_000_000)
        self._held_ms = settings.stream_hours * _HOUR_MS
        self._watched = watched
        self._memory = None if recorder is None else Remembering(recorder)
        self._refused: str | None = None
        self._clock_ahead = 0.0
        """Redis's clock less ours, ms."""
        self._landed = 0
        self._lag = 0
        self._read = self._rate = 0
        self._rate_since = time.monotonic()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._view = View(self._params, self._significant, self._held_ms, self._watched)
        self._view.holds = self._memory is not None
        self._streams = Streams()
        self._streams.follow(events_key(exchange).encode() for exchange in EXCHANGES)
        self._round = Round()
        self._shown = False
        """Whether everything was written since the connection was made."""
        self._seeded = False
        self._asked = asyncio.Event()
        """Whether the database answered, or failed to, once."""
        self._extent: beginning.Extent | None = None

    def now(self) -> int:
        """UTC ms by Redis's clock, the one that says when entries landed."""
        return int(time.time() * 1000 + self._clock_ahead)

    async def follow(self, connection: RedisConnection) -> None:
        """Read and show until the connection fails with RedisAwayError."""
        self._shown = False
        self._round = Round()
        health_at = slice_at = 0.0
        is_all = is_said = False
        wrong: list[bytes] = []
        await self._meet(connection)
        while True:
            now = time.monotonic()
            commands: list[bytes] = []
            in_round = False
            if is_all and not self._shown:
                await self._show_everything(connection)
                health_at = now
            if self._shown:
                commands = anew(self._view, wrong) + changes(self._view)
                wrong = []
                if in_round := now >= slice_at:
                    looks = self._round.commands(self._view)
                    slice_at = now + _SLICE_SECONDS
                    commands += looks
            sent_at = self.now()
            replies = await connection.send([*commands, self._streams.ask(_BLOCK_MS)], _TIMEOUT_SECONDS)
            self._complain(replies[:-1])
            if in_round:
                completed = self._round.completed
                wrong = self._round.wrong(self._view, replies[-1 - len(looks) : -1])
                if self._round.completed > completed:
                    slice_at = now + _ROUND_SECONDS
                    await self._follow(connection, self._round.streams)
            items, is_all = self._streams.merge(replies[-1])
            self._take(items, is_all, sent_at)
            if now >= health_at:
                (new,) = await self._set_clock(connection, self.report().command(self.now()))
                if isinstance(new, int):
                    if new and is_said:
                        # What was said a second ago is gone, and with it perhaps all that Redis had.
                        await self._check_positions(connection)
                    is_said = True
                health_at = now + _HEALTH_SECONDS
            if is_all and self._view.time.expired(self.now()):
                self._begin_anew()
                await self._meet(connection)
                is_all = False

    async def remember(self) -> None:
        """Ask the database for what the streams hold no more, once, and hand over what is to be recorded.

        To be called about once a second, one call at a time.
        """
        memory, extent, view = self._memory, self._extent, self._view
        if memory is None or extent is None:
            return
        try:
            if not await memory.greet(extent.complete_from, extent.strange_at):
                return
            if not self._seeded:
                await beginning.seed(view, memory.events, extent, self._params.window_ms)
                view.holds = False
                # A view that began anew meanwhile has its own to ask.
                self._seeded = view is self._view
            await memory.write(self._view.watermark, self._landed)
        except LiqError:
            return
        finally:
            self._asked.set()

    def report(self) -> LiveReport:
        """How it is now."""
        view, memory = self._view, self._memory
        state = "stopped" if self.stopped else "live" if self._shown else "reading"
        cascades = view.cascades
        return LiveReport(
            state=state,
            watermark=view.watermark,
            lag_ms=self._lag,
            rate=self._rate,
            memory=len(view),
            active=0 if view.watermark is None else len(cascades.active(view.watermark)),
            events=view.events,
            repeated=view.repeated,
            late=view.late,
            undecodable=self._streams.undecodable + view.unusable,
            finals=cascades.finals,
            corrections=cascades.corrections,
            unrecorded=0 if memory is None else len(memory),
            database=None if memory is None else memory.away,
            redis=self._refused or self.redis_away,
        )

    async def _meet(self, connection: RedisConnection) -> None:
        """Find out about the clock, the streams there are and, at a beginning, the past they do not hold."""
        await self._set_clock(connection)
        scan = Round()
        while not scan.scanned:
            scan.wrong(self._view, await connection.send([scan.scan()], _TIMEOUT_SECONDS))
        await self._follow(connection, scan.streams)
        await self._check_positions(connection)
        self.redis_away = None
        if self._extent is None:
            self._extent = await beginning.extent(connection, self._streams, self._params, self._held_ms, self.now())
            if self._memory is not None:
                # A database that is not there now is asked on while the streams are read: order does not matter.
                with suppress(TimeoutError):
                    async with asyncio.timeout(_SEED_SECONDS):
                        await self._asked.wait()

    async def _check_positions(self, connection: RedisConnection) -> None:
        """Begin streams again that have not the entry that was read of them last: Redis lost it, and perhaps others.

        What nobody but Redis had may be lost with it, seen or not, and is recorded as not seen.
        """
        read = {key: position for key, position in self._streams.positions.items() if position != START}
        asked = [pack(b"XRANGE", key, b"%d-%d" % position, b"+", b"COUNT", b"1") for key, position in read.items()]
        replies = await connection.send(asked, _TIMEOUT_SECONDS) if asked else []
        now, is_lost = self.now(), False
        for (key, position), reply in zip(read.items(), replies, strict=True):
            if not isinstance(reply, list) or (reply and parse_id(reply[0][0]) == position):
                continue
            # An old one may have been trimmed.
            is_young = position[0] > now - self._held_ms + MINUTE_MS
            if is_young or not reply:
                self._streams.again(key)
            is_lost = is_lost or is_young
        if is_lost:
            _log.warning("Redis lost entries of the event streams that were read already")
            if self._memory is not None:
                self._memory.add([Blind(self._landed, now, LOST)], now)

    async def _show_everything(self, connection: RedisConnection) -> None:
        """Write all hashes and remove all others that look like ours."""
        self._view.changed()
        names = self._view.names()
        for start in range(0, len(names), SLICE):
            commands = anew(self._view, names[start : start + SLICE])
            self._complain(await connection.send(commands, _TIMEOUT_SECONDS))
        scan = Round()
        while not scan.scanned:
            (reply,) = await connection.send([scan.scan()], _TIMEOUT_SECONDS)
            if strays := scan.wrong(self._view, [reply]):
                await connection.send(anew(self._view, strays), _TIMEOUT_SECONDS)
        await self._follow(connection, scan.streams)
        self._shown = True

    async def _follow(self, connection: RedisConnection, names: set[bytes]) -> None:
        """Read event streams that were not known before."""
        new = sorted(names - self._streams.positions.keys())
        if new:
            types = await connection.send([pack(b"TYPE", key) for key in new], _TIMEOUT_SECONDS)
            self._streams.follow(key for key, kind in zip(new, types, strict=True) if kind == b"stream")

    async def _set_clock(self, connection: RedisConnection, *commands: bytes) -> list[object]:
        """Ask for the clock behind ``commands``; the answers to those."""
        *replies, answer = await connection.send([*commands, pack(b"TIME")], _TIMEOUT_SECONDS)
        self._complain(replies)
        if isinstance(answer, hiredis.ReplyError):
            raise RedisAwayError(str(answer))
        if isinstance(answer, list):
            self._clock_ahead = int(answer[0]) * 1000 + int(answer[1]) / 1000 - time.time() * 1000
        return replies

    def _take(self, items: list[Item], is_all: bool, sent_at: int) -> None:
        view = self._view
        if items:
            view.take(*self._streams.decode(items))
            self._lag = max(self.now() - items[0].id[0], 0)
        elif is_all:
            self._lag = 0
        else:
            return
        view.settle(self.now() if is_all else items[-1].id[0])
        self._landed = max(self._landed, sent_at - _MARGIN_MS if is_all else items[-1].id[0])
        if self._memory is not None:
            self._memory.add(view.cascades.records, self._landed)
        view.cascades.records.clear()
        self._count(len(items))

    def _count(self, entries: int) -> None:
        self._read += entries
        now = time.monotonic()
        if now - self._rate_since >= 1:
            self._rate = round(self._read / (now - self._rate_since))
            self._read, self._rate_since = 0, now

    def _complain(self, replies: Sequence[object]) -> None:
        """Note why Redis refuses to write; the next round does it again."""
        refused = next((str(reply) for reply in replies if isinstance(reply, hiredis.ReplyError)), None)
        if refused is not None and self._refused is None:
            _log.warning("Redis refuses what the live view writes: %s", refused)
        if replies:
            self._refused = refused
