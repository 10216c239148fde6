"""The landing zone in Redis: its keys, and what one entry of an event stream holds.

Written by the collector and replays, read by the loader and the live view; contract of both sides.

Fields of an entry, all text but for the payloads:

``liq:events:{exchange}``   ``event_id``, ``event`` (encode_event), ``received_at`` (UTC ms), ``source``, ``raw``
``liq:rejected``            ``received_at`` (UTC ms), ``exchange``, ``reason``, ``frame``, ``source``,
                            ``market`` (may be empty)
``liq:coverage:{feed}``     ``connection``, ``from``, ``to`` (UTC ms), ``part``, ``parts``; see ``covered``
``liq:troubles:{feed}``     ``reason`` (``silent``, ``overloaded``), ``from``, ``to`` (UTC ms); see ``Trouble``
``liq:feed:{feed}``         a hash; see collector/health.py
``liq:lease:{feed}``        a string; see collector/lease.py
``liq:live``                a hash; see live/health.py, and live/projection.py for the hashes that it shows
``liq:instruments:{feed}``  a string, the last instrument list read; see exchanges/instruments.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, NamedTuple

import msgspec

from liq_pipeline.liquidation import Liquidation
from liq_pipeline.spans import intersection, union

REJECTED: Final = "liq:rejected"
LIVE: Final = "live"
"""The name by which a live view holds a lease, as collectors do by the names of their feeds."""
LOADER_GROUP: Final = "loader"
"""The consumer group on every event stream and on REJECTED: the database has everything up to its position."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Liquidation)
_WRITTEN: Final = [{b"event_id"}, {b"event"}, {b"received_at"}, {b"source"}, {b"raw"}]
"""The fields of an entry, in the order in which they are written."""


def events_key(exchange: str) -> str:
    """The stream of landed events of one exchange, all its markets."""
    return f"liq:events:{exchange}"


def coverage_key(feed: str) -> str:
    """The stream of covered spans of one feed (``binance``, ``binance:inverse``)."""
    return f"liq:coverage:{feed}"


def troubles_key(feed: str) -> str:
    """The stream of spans in which a collector of a feed ran and covered nothing, and why."""
    return f"liq:troubles:{feed}"


def feed_key(feed: str) -> str:
    """The hash with the health of one feed."""
    return f"liq:feed:{feed}"


def lease_key(feed: str) -> str:
    """Held, and renewed, by whichever collector is collecting a feed; gone when none is."""
    return f"liq:lease:{feed}"


def instruments_key(feed: str) -> str:
    """The string with the list a feed's venue last gave, for the collector's next start and for the loader."""
    return f"liq:instruments:{feed}"


class Entry(NamedTuple):
    """One occurrence of a liquidation, as it travels through a stream.

    ``received_at`` is UTC milliseconds, ``raw`` the venue's frame narrowed to this liquidation.
    """

    liquidation: Liquidation
    received_at: int
    source: str
    raw: bytes


class Entries(NamedTuple):
    """Entries column by column, which is how many of them are handled at speed."""

    liquidations: Sequence[Liquidation]
    received_at: Sequence[int]
    source: Sequence[str]
    raw: Sequence[bytes]


def transposed(entries: Iterable[Entry]) -> Entries:
    """The entries column by column."""
    return Entries(*(list(zip(*entries, strict=True)) or ((),) * len(Entries._fields)))


def encode_event(liquidation: Liquidation) -> bytes:
    """The ``event`` field of an entry: the parsed columns as one JSON object."""
    return _encoder.encode(liquidation)


def decode_event(text: bytes | str) -> Liquidation:
    """The parsed columns in an ``event`` field; raises msgspec.DecodeError if it is none of ours."""
    return _decoder.decode(text)


def decode_entry(fields: dict[bytes, bytes]) -> Entry:
    """The entry in a stream's field map; raises msgspec.DecodeError or KeyError if it is none of ours."""
    return Entry(
        decode_event(fields[b"event"]), int(fields[b"received_at"]), fields[b"source"].decode(), fields[b"raw"]
    )


def decode_entries(flats: Sequence[Sequence[bytes]]) -> Entries:
    """``decode_entry`` of many field lists, names and values in turn, as Redis answers them; several times as fast.

    Raises KeyError or ValueError if any of them is not as the collector writes it.
    """
    columns = list(zip(*flats, strict=True))
    names = [set(column) for column in columns[::2]]
    if names != _WRITTEN:
        raise KeyError(names)
    _, events, received_at, sources, raws = columns[1::2]
    return Entries(
        list(map(_decoder.decode, events)), list(map(int, received_at)), list(map(bytes.decode, sources)), raws
    )


class Span(NamedTuple):
    """Time one connection covered: subscribed, proven alive, and everything received until ``to`` is landed.

    ``start`` and ``end`` are UTC milliseconds. Venues that limit the subscriptions of a connection are collected
    by several at once: such a connection covers ``part`` (from 0) of ``parts``.
    """

    connection: str
    start: int
    end: int
    part: int = 0
    parts: int = 1


class Trouble(NamedTuple):
    """Time in which some connection of a feed covered nothing although its collector ran, and why.

    ``start`` is the last proof that it delivered, ``end`` the next one or the last word; UTC milliseconds. What
    others covered meanwhile is covered all the same.
    """

    reason: str
    start: int
    end: int


def decode_trouble(fields: dict[bytes, bytes]) -> Trouble:
    """The trouble in an entry of a troubles stream; raises KeyError or ValueError if it is none of ours."""
    return Trouble(fields[b"reason"].decode(), int(fields[b"from"]), int(fields[b"to"]))


def decode_span(fields: dict[bytes, bytes]) -> Span:
    """The span in an entry of a coverage stream; raises KeyError or ValueError if it is none of ours."""
    return Span(
        fields[b"connection"].decode(),
        int(fields[b"from"]),
        int(fields[b"to"]),
        int(fields[b"part"]),
        int(fields[b"parts"]),
    )


def covered(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """The time a feed was covered, as disjoint ascending (start, end) in UTC milliseconds; gaps are between them.

    Connections of the same part add up; time counts when all parts of one division of the symbols have it.
    """
    divisions: dict[int, list[list[tuple[int, int]]]] = {}
    for span in spans:
        parts = divisions.setdefault(span.parts, [[] for _ in range(span.parts)])
        parts[span.part].append((span.start, span.end))
    return union(time for parts in divisions.values() for time in reduce(intersection, map(union, parts)))
