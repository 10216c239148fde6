"""What a running replay can be told, as lines of text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from liq_pipeline.errors import ReplayError

HELP: Final = "pause · resume · seek 2025-01-26T17:05 (or +10m, -1h) · speed 100 (0: no waiting) · quit"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RELATIVE: Final = re.compile(r"([+-])(\d{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FASTEST: Final = 1e9


class Pause(NamedTuple):
    """Stand still until told otherwise."""


class Resume(NamedTuple):
    """Move again."""


class Seek(NamedTuple):
    """Go to a time in the recording: ``time`` is UTC milliseconds, or added to where it stands."""

    time: int
    relative: bool = False


class Speed(NamedTuple):
    """Go on at a speed; 0 means without waiting."""

    speed: float


class Quit(NamedTuple):
    """End here."""


Command = Pause | Resume | Seek | Speed | Quit


def parse(text: str) -> Command:
    """The command in a line; raises ReplayError naming what is wrong with it."""
    verb, *arguments = text.lower().split() or [""]
    plain: dict[str, Command] = {"pause": Pause(), "resume": Resume(), "quit": Quit()}
    if verb in plain and not arguments:
        return plain[verb]
    if verb == "speed" and len(arguments) == 1:
        return Speed(speed(arguments[0]))
    if verb == "seek" and len(arguments) == 1:
        if found := _RELATIVE.fullmatch(arguments[0]):
            return Seek(int(found[1] + found[2]) * _SECONDS[found[3]] * 1000, relative=True)
        return Seek(moment(arguments[0]))
    raise ReplayError(f"{text.strip()!a} is no command; there are: {HELP}")


def moment(text: str) -> int:
    """An ISO time in UTC milliseconds, UTC unless it says otherwise; raises ReplayError."""
    try:
        time = datetime.fromisoformat(text.upper())
        return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ReplayError(f"{text!a} is not an ISO time such as 2025-01-26T17:05") from None


def speed(text: str) -> float:
    """How many recorded seconds a second: ``100``, ``0.5``, ``0`` for no waiting; raises ReplayError."""
    try:
        value = float(text.removesuffix("x"))
    except ValueError:
        value = -1.0
    if value == 0 or 1 / _FASTEST <= value <= _FASTEST:
        return value
    raise ReplayError(f"{text!a} is not a speed; write 1 for real time, 100 for 100 times that, 0 for no waiting")
