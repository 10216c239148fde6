"""The format ``frames``: JSON lines, each a venue's frame as it was sent, with or without when it was received.

A line is either the frame itself or ``{"received_at": <UTC ms>, "frame": <the frame>}``, where a frame that is no
JSON document (a text pong) stands as a string. Frames are read by the venue's adapter with the dialect of their day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from liq_pipeline import exchanges
from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import frames, instruments
from liq_pipeline.exchanges.base import Adapter, FrameKind, Instruments, Rejection
from liq_pipeline.exchanges.frames import UNREADABLE
from liq_pipeline.exchanges.rows import milliseconds
from liq_pipeline.imports.record import Format, Origin, Reader, Record, feed_of, source_of
from liq_pipeline.streams import Entry

_NAME: Final = "frames"
_SOURCE: Final = source_of(_NAME)


class _Envelope(msgspec.Struct):
    frame: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    received_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_envelope: Final = msgspec.json.Decoder(_Envelope)


def _recognises(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except UNREADABLE:
        return False


def _reader(origin: Origin) -> Reader:
    exchange, market, contracts, _ = origin
    feed = feed_of(exchange, market)
    adapter = exchanges.adapter(feed)
    others = {
        other: (exchanges.adapter(other), instruments.snapshot(other.partition(":")[0]))
        for other in exchanges.FEEDS
        if other != feed
    }

    def read(line: bytes) -> Record:
        try:
            frame, received_at = _unwrap(line)
        except InvalidLiquidationError as error:
            return Record(rejections=(Rejection(str(error), line),))
        parsed = adapter.parse(frame, contracts)
        rejections = parsed.rejections
        if parsed.kind is FrameKind.INVALID and (venue := _venue_of(frame, others)):
            rejections = [Rejection(f"looks like {venue}, not {feed}", frame)]
        entries = [
            Entry(
                landed.liquidation,
                landed.liquidation.time if received_at is None else received_at,
                _SOURCE,
                landed.raw,
            )
            for landed in parsed.landed
            if landed.liquidation.market is market
        ]
        return Record(entries, rejections, received_at, len(parsed.landed) - len(entries))

    return read


def _unwrap(line: bytes) -> tuple[bytes, int | None]:
    try:
        envelope = _envelope.decode(line)
    except UNREADABLE:
        # The adapter says what is wrong with it.
        return line, None
    if isinstance(envelope.frame, msgspec.UnsetType):
        return line, None
    if isinstance(envelope.received_at, msgspec.UnsetType):
        raise InvalidLiquidationError('"frame" without "received_at"')
    frame = bytes(envelope.frame)
    if frame.startswith(b'"'):
        try:
            frame = msgspec.json.decode(frame, type=str).encode()
        except UNREADABLE:
            raise InvalidLiquidationError('"frame" is not valid text') from None
        if not frame:
            # As a rejection of its own it would be a record of nothing.
            raise InvalidLiquidationError('"frame" is empty')
    return frame, milliseconds("received_at", frames.read(bytes(envelope.received_at)))


def _venue_of(frame: bytes, others: Mapping[str, tuple[Adapter, Instruments]]) -> str | None:
    for feed, (adapter, contracts) in others.items():
        if adapter.parse(frame, contracts).kind not in (FrameKind.INVALID, FrameKind.REFUSED):
            return feed
    return None


FORMAT: Final = Format(_NAME, _recognises, _reader, _reader, suffixes=(".jsonl", ".ndjson", ".json"))
