"""Moving a recorded line in time, in its own text, before a parser reads it.

So the row's raw data, time and identity agree, as if the venue had sent it at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from liq_pipeline.exchanges.frames import UNREADABLE
from liq_pipeline.exchanges.rows import FIRST_MS, LAST_MS

_TIMES: Final = frozenset({"E", "T", "ts", "time", "updatedTime", "received_at"})
"""Fields that hold UTC milliseconds in the venues' frames, as numbers or digits, and in the line around a frame."""

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)

_MOST_DIGITS: Final = 20
"""Python refuses to make a number of thousands, and no time has more."""

Shift = Callable[[bytes, int], bytes]
"""A line ``delta`` milliseconds later; what holds no time comes back as it is."""


def frame(line: bytes, delta: int) -> bytes:
    """A frame, alone or in a line that says when it was received."""
    try:
        return _value(line, delta)
    except UNREADABLE:
        return line


def columns(units: Mapping[int, int]) -> Shift:
    """For CSV without quotes: ``units`` gives, by position, how many of a column's units a millisecond is."""

    def shift(line: bytes, delta: int) -> bytes:
        fields = line.split(b",")
        for position, unit in units.items():
            if position < len(fields) and _is_number(digits := fields[position].strip()):
                fields[position] = b"%d" % (int(digits) + delta * unit)
        return b",".join(fields)

    return shift


BY_FORMAT: Final[Mapping[str, Shift]] = {
    "frames": frame,
    "forceorder_csv": columns({10: 1}),
    "binance_vision": columns({0: 1}),
    "tardis": columns({2: 1000, 3: 1000}),
}


def _is_number(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= _MOST_DIGITS


def _value(text: bytes, delta: int) -> bytes:
    if text.startswith(b"{"):
        members = _object.decode(text)
        return msgspec.json.encode({key: msgspec.Raw(_member(key, bytes(raw), delta)) for key, raw in members.items()})
    if text.startswith(b"["):
        return msgspec.json.encode([msgspec.Raw(_value(bytes(raw), delta)) for raw in _array.decode(text)])
    return text


def _member(key: str, text: bytes, delta: int) -> bytes:
    if text.startswith((b"{", b"[")):
        return _value(text, delta)
    if key in _TIMES:
        digits = text.strip(b'"')
        if _is_number(digits) and FIRST_MS <= int(digits) < LAST_MS:
            return text.replace(digits, b"%d" % (int(digits) + delta))
    if key == "frame" and text.startswith(b'"'):
        return msgspec.json.encode(frame(_text.decode(text).encode(), delta).decode())
    return text
