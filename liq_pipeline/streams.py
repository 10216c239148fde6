"""The landing zone in Redis: its keys, and what one entry of an event stream holds.

Written by the collector and replays, read by the loader and the live view; contract of both sides.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from liq_pipeline.liquidation import Liquidation

REJECTED: Final = "liq:rejected"
LOADER_GROUP: Final = "loader"
"""The consumer group, on every event stream and on REJECTED, whose acknowledgement means: the database has it."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Liquidation)


def events_key(exchange: str) -> str:
    """The stream of landed events of one exchange, all its markets."""
    return f"liq:events:{exchange}"


def coverage_key(feed: str) -> str:
    """The stream of covered spans of one feed (``binance``, ``binance:inverse``)."""
    return f"liq:coverage:{feed}"


def feed_key(feed: str) -> str:
    """The hash with the health of one feed."""
    return f"liq:feed:{feed}"


def lease_key(feed: str) -> str:
    """Held, and renewed, by whichever collector is collecting a feed; gone when none is."""
    return f"liq:lease:{feed}"


class Entry(NamedTuple):
    """One occurrence of a liquidation, as it travels through a stream.

    ``received_at`` is UTC milliseconds, ``raw`` the venue's frame narrowed to this liquidation.
    """

    liquidation: Liquidation
    received_at: int
    source: str
    raw: bytes


def encode_event(liquidation: Liquidation) -> bytes:
    """The ``event`` field of an entry: the parsed columns as one JSON object."""
    return _encoder.encode(liquidation)


def decode_entry(fields: dict[bytes, bytes]) -> Entry:
    """The entry in a stream's field map; raises msgspec.DecodeError or KeyError if it is none of ours."""
    return Entry(
        _decoder.decode(fields[b"event"]), int(fields[b"received_at"]), fields[b"source"].decode(), fields[b"raw"]
    )
