"""Decimals as whole numbers of a power of ten and back: exact, and far faster than ``Decimal`` one at a time."""

from __future__ import annotations

from typing import Final

MICRO_PLACES: Final = 6


def scaled(text: str) -> tuple[int, int]:
    """The digits of a plain decimal as a whole number, and how many of them are behind the point.

    Raises ValueError if it is no plain decimal.
    """
    whole, _, fraction = text.partition(".")
    return int(whole + fraction), len(fraction)


def micro(text: str) -> int:
    """An amount of USD in millionths; raises ValueError if it is no plain decimal of at most six places."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > MICRO_PLACES:
        raise ValueError(f"{text!r} has more than {MICRO_PLACES} places")
    return int(whole + fraction.ljust(MICRO_PLACES, "0"))


def plain(number: int, places: int) -> str:
    """``number`` units of the last of ``places``, not negative, as a canonical decimal."""
    if not places:
        return str(number)
    digits = str(number).rjust(places + 1, "0")
    fraction = digits[-places:].rstrip("0")
    return f"{digits[:-places]}.{fraction}" if fraction else digits[:-places]
