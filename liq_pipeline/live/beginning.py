"""What the streams hold when a view begins, and which earlier events it has to ask the database for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from liq_pipeline.collector.resp import RedisConnection, pack
from liq_pipeline.detection.columns import Params
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.live.hour import HOUR_MS, MINUTE_MS
from liq_pipeline.live.reading import Item, Streams
from liq_pipeline.live.records import SeedEvent
from liq_pipeline.live.view import View
from liq_pipeline.live.watermark import AHEAD_MS, CLOCK_DELAY_MS, Watermark
from liq_pipeline.warehouse.backlog import parse_id

_GROWTH: Final = 8
"""As ``detection.padding``: few questions for a long cascade, little in excess for a short one."""


@dataclass(frozen=True)
class Extent:
    """What to ask the database for, beside the streams, to show what a view that never stopped shows.

    ``start`` to ``end`` in UTC ms of event time. ``complete_from``: of what landed before, something may be gone; 0 if
    nothing is. ``is_empty``: the streams hold nothing, so that the database alone knows how far time has come.
    ``strange_at``: when Redis was met without a trace of any live view: none ran there yet, or all it had is lost.
    """

    complete_from: int
    start: int
    end: int
    is_empty: bool
    strange_at: int | None


async def extent(connection: RedisConnection, streams: Streams, params: Params, held_ms: int, now: int) -> Extent:
    """Look at the first and the last entry of each stream. Raises RedisAwayError."""
    (was_live,) = await connection.send([pack(b"EXISTS", LIVE_KEY.encode())], 15)
    strange_at = None if was_live else now
    last: list[Item] = []
    begin = complete_from = 0
    for key in streams.positions:
        commands = (
            pack(b"XINFO", b"STREAM", key),
            pack(b"XRANGE", key, b"-", b"+", b"COUNT", b"1"),
            pack(b"XREVRANGE", key, b"+", b"-", b"COUNT", b"1"),
        )
        info, first, newest = await connection.send(commands, 15)
        if isinstance(info, list):
            known = dict(zip(info[::2], info[1::2], strict=False))
            begins = _begins(known, first)
            begin = max(begin, begins)
            # Redis before 7 does not know how many there ever were.
            if known.get(b"entries-added") != known[b"length"]:
                complete_from = max(complete_from, begins)
        last += _items(key, newest)
    time = Watermark(held_ms)
    # Not those streams themselves, which would count what is no event twice.
    entries, landed = Streams().decode(last)
    for liquidation, received_at, source, at in zip(
        entries.liquidations, entries.received_at, entries.source, landed, strict=True
    ):
        time.see(liquidation.time, received_at, at, source)
    watermark = time.at(now)
    context = max(2 * params.window_ms, MINUTE_MS)
    if watermark is None:
        # Redis is new, or lost all it had.
        return Extent(complete_from, now - CLOCK_DELAY_MS - HOUR_MS - context, now + MINUTE_MS, True, strange_at)
    if time.expired(now) or time.present < begin:
        # A replay lands much that happened long before, in no time: when it landed says nothing of when it happened.
        return Extent(complete_from, watermark - HOUR_MS - context, watermark + 1, False, strange_at)
    start = min(begin, watermark - HOUR_MS) - context
    return Extent(complete_from, start, min(begin + AHEAD_MS, watermark + 1), False, strange_at)


async def seed(
    view: View, ask: Callable[[int, int], Awaitable[Sequence[SeedEvent]]], span: Extent, window_ms: int
) -> None:
    """Give ``view`` the events that ``ask(start, end)`` knows, and earlier ones while a cascade may begin there."""
    start, end = span.start, span.end
    while True:
        view.seed(await ask(start, end), tells_time=span.is_empty)
        needed = min(view.cascades.first_hots(), default=start + 2 * window_ms) - 2 * (window_ms - 1)
        if needed >= start or start <= view.forgotten:
            return
        start, end = min(needed, start - _GROWTH * (span.end - start)), start


def _begins(known: dict[bytes, Any], first: object) -> int:
    """When the first entry of a stream landed, or could have where all of it is gone."""
    found = next(iter(_items(b"", first)), None)
    return found.id[0] if found else parse_id(known[b"last-generated-id"])[0] + 1


def _items(key: bytes, reply: object) -> Iterable[Item]:
    entries = reply if isinstance(reply, list) else []
    return [Item(parse_id(entry_id), key, flat or ()) for entry_id, flat in entries]
