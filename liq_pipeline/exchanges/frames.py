"""Reading frames: JSON that a database can keep, numbers without loss, and frames narrowed to one row.

The fast path of an adapter decodes into typed structs; what it refuses comes here, where each part is looked at on
its own and the reason is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.base import FrameKind, Landed, Parsed, Rejection
from liq_pipeline.liquidation import Liquidation

_MAX_DIGITS: Final = 400
MAX_DEPTH: Final = 64
"""Venues nest six levels; how deep a decoder gets before it gives up depends on the interpreter."""
MAX_ROWS: Final = 50_000
"""In one frame. The longest frames of any venue hold hundreds."""
MAX_APART: Final = 64 << 20
"""Bytes of a frame's rows once each is a frame of its own: whatever surrounds them is repeated for each."""

_STEPS: Final = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
# An escaped NUL, and not an escaped backslash before the letters.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoders raise for bytes that are no JSON, no UTF-8, or nested too deeply."""


class _FrameError(ValueError):
    """A frame that is JSON, yet holds what PostgreSQL's jsonb cannot."""


def _exact(text: str) -> Decimal:
    value = Decimal(text)
    if len(text) > _MAX_DIGITS or not -_MAX_DIGITS < value.adjusted() < _MAX_DIGITS:
        raise _FrameError("a number in it is out of any range")
    return value


_anything: Final = msgspec.json.Decoder(float_hook=_exact)
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_rows: Final = msgspec.json.Decoder(list[msgspec.Raw])
encode: Final = msgspec.json.encode

Build = Callable[[Any, int], Liquidation]
"""Makes the liquidation of a row and its ordinal, or raises InvalidLiquidationError."""


def shallow(frame: bytes) -> bool:
    """Whether a frame nests at most MAX_DEPTH levels, brackets inside its texts counted along."""
    if frame.count(b"{") + frame.count(b"[") <= MAX_DEPTH:
        return True
    return int(_STEPS[np.frombuffer(frame, np.uint8)].cumsum(dtype=np.int64).max()) <= MAX_DEPTH


def storable(frame: bytes) -> bool:
    """Whether a frame that decoded is also text that jsonb accepts; cheap, as it runs on every frame.

    The typed decoders skip what they do not know without looking for invalid UTF-8 or an escaped NUL.
    """
    if (b"\\" in frame and _NUL.search(frame)) or not shallow(frame):
        return False
    if frame.isascii():
        return True
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def read(frame: bytes) -> Any:
    """The frame's JSON value with exact numbers; raises InvalidLiquidationError with the reason if there is none."""
    if not shallow(frame):
        raise InvalidLiquidationError(f"the frame is nested deeper than {MAX_DEPTH} levels")
    try:
        frame.decode()
        return _anything.decode(frame)
    except UnicodeDecodeError:
        raise InvalidLiquidationError("the frame is not UTF-8 text") from None
    except (ValueError, ArithmeticError) as error:
        raise InvalidLiquidationError(f"the frame cannot be read: {str(error)[:120]}") from None


def fields(frame: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object that ``read`` accepted, undecoded."""
    return _fields.decode(frame)


def rows(array: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The elements of a JSON array that ``read`` accepted, undecoded."""
    return _rows.decode(array)


def check_apart(count: int, repeated: int) -> None:
    """Raise InvalidLiquidationError if a frame's rows, apart, would take more memory than any venue's do.

    ``repeated`` is the bytes around its ``count`` rows, once for each of them.
    """
    if count > MAX_ROWS:
        raise InvalidLiquidationError(f"the frame holds {count} rows, more than {MAX_ROWS}")
    if repeated > MAX_APART:
        raise InvalidLiquidationError(f"the frame's {count} rows would take {repeated} bytes apart, over {MAX_APART}")


def apart(frame: bytes) -> list[bytes]:
    """A frame narrowed to each element of its list ``data``.

    Raises InvalidLiquidationError if they would take too much memory.
    """
    envelope = fields(frame)
    elements = rows(envelope["data"])
    check_apart(len(elements), len(elements) * (len(frame) - size(envelope["data"])))
    return [narrowed(envelope, "data", element) for element in elements]


def size(part: msgspec.Raw) -> int:
    """The bytes of an undecoded part."""
    return memoryview(part).nbytes


def narrowed(envelope: dict[str, msgspec.Raw], key: str, element: bytes | msgspec.Raw) -> bytes:
    """The frame with only one element in the list under ``key``; everything else as the venue sent it."""
    return encode({**envelope, key: msgspec.Raw(b"[" + bytes(element) + b"]")})


def invalid(reason: str, frame: bytes) -> Parsed:
    """A frame that was not understood."""
    return Parsed(FrameKind.INVALID, (), (Rejection(reason, frame),))


def refused(reason: str, frame: bytes) -> Parsed:
    """A refusal or an error the venue reported."""
    return Parsed(FrameKind.REFUSED, (), (Rejection(reason, frame),))


def gather(items: Sequence[Any], raws: Sequence[bytes], build: Build, frame: bytes, first: int = 0) -> Parsed:
    """Every row of a frame as a liquidation or a rejection, identical rows numbered from the ordinal ``first`` on.

    ``raws`` are the frames narrowed to each item.
    """
    landed: list[Landed] = []
    rejections: list[Rejection] = []
    seen: dict[str, int] = {}
    for item, raw in zip(items, raws, strict=True):
        if not storable(raw):
            rejections.append(Rejection("the row holds a NUL character", raw))
            continue
        try:
            liquidation = build(item, 0)
            ordinal = seen.get(liquidation.event_id, first)
            seen[liquidation.event_id] = ordinal + 1
            landed.append(Landed(build(item, ordinal) if ordinal else liquidation, raw))
        except InvalidLiquidationError as error:
            rejections.append(Rejection(str(error), raw))
    if not items:
        return invalid("the frame holds no rows", frame)
    return Parsed(FrameKind.LIQUIDATIONS if landed else FrameKind.INVALID, landed, rejections)


def gather_apart(items: Sequence[Any], build: Build, frame: bytes, first: int = 0) -> Parsed:
    """``gather`` of the rows in a frame's list ``data``; a frame that is too much is invalid as a whole."""
    try:
        raws = apart(frame)
    except InvalidLiquidationError as error:
        return invalid(str(error), frame)
    return gather(items, raws, build, frame, first)
