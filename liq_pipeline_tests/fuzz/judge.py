"""The verdict on what became of a frame: nothing raised, no row silently dropped, no wrong event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from liq_pipeline.exchanges import adapter, instruments
from liq_pipeline.exchanges.base import FrameKind, Landed, Parsed
from liq_pipeline_tests.fuzz import naive_frames

_ANSWERS = (FrameKind.CONTROL, FrameKind.ACK, FrameKind.PONG)


class FoundError(AssertionError):
    """Something that must not be; the message holds the frame, so that it can be tried again."""


def frame(feed: str, text: bytes) -> tuple[str, Sequence[Landed]]:
    """Parse a frame as the collector does and judge it; what kind of outcome it is, and what landed.

    Raises FoundError with what is wrong.
    """
    try:
        parsed = adapter(feed).parse(text, instruments.snapshot(feed.partition(":")[0]))
    except Exception as error:
        raise FoundError(f"{feed}: {type(error).__name__}: {error}: {text[:2000]!r}") from error
    try:
        _judge(feed, text, parsed)
    except AssertionError as error:
        raise FoundError(f"{feed}: {error}: {text[:2000]!r}") from error
    if parsed.landed and parsed.rejections:
        return "some rows landed", parsed.landed
    return ("landed" if parsed.landed else parsed.kind.name.lower()), parsed.landed


def _judge(feed: str, text: bytes, parsed: Parsed) -> None:
    reading = naive_frames.read(feed, text)
    for reason, rejected in parsed.rejections:
        assert reason and reason.isascii() and len(reason) < 600, f"reason {reason[:700]!r}"
        assert rejected or not text, "the rejected frame is not kept"
    if parsed.kind in _ANSWERS:
        assert reading.kind == "answer" and not parsed.landed, f"dropped as {parsed.kind.name}"
        return
    assert parsed.landed or parsed.rejections, "neither landed nor rejected"
    assert (parsed.kind is FrameKind.LIQUIDATIONS) == bool(parsed.landed), f"{parsed.kind.name} is not what it holds"
    whole = not parsed.landed and len(parsed.rejections) == 1 and parsed.rejections[0].frame == text
    if whole and (reading.unsure or not reading.expected):
        return
    assert reading.kind == "rows", f"{len(parsed.landed)} landed of a frame that holds none"
    outcomes = len(parsed.landed) + len(parsed.rejections)
    assert outcomes == len(reading.rows), f"{len(reading.rows)} rows, {outcomes} outcomes"
    expected = reading.expected
    landed = [columns(item.liquidation) for item in parsed.landed]
    assert landed == expected, f"landed {landed}, meant {expected}, rejected {parsed.rejections}"
    for item in parsed.landed:
        _judge_raw(feed, item)


def _judge_raw(feed: str, item: Landed) -> None:
    """What is stored is a frame of this one liquidation, and reads the same again."""
    raw = naive_frames.loads(item.raw)
    assert raw is not None and not naive_frames.holds_nul(raw), "raw_data is nothing that jsonb takes"
    contracts = instruments.snapshot(item.liquidation.exchange)
    again = adapter(feed).parse(item.raw, contracts, ordinal=item.liquidation.ordinal)
    assert not again.rejections and [again.landed[0].liquidation] == [item.liquidation], f"raw reads as {again}"


def columns(liquidation: Any) -> dict[str, Any]:
    """A liquidation as plain values, without the parser's version."""
    found = {name: _plain(value) for name, value in msgspec.structs.asdict(liquidation).items()}
    del found["parser_version"]
    return found


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
