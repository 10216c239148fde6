"""A number on the page: what people read, and beside it the exact value under a name."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from liq_pipeline import saying


class Number(NamedTuple):
    """``shown`` is read by people, ``exact`` by whoever asks for ``name``."""

    name: str
    exact: str
    shown: str


def usd(name: str, value: Decimal) -> Number:
    """An amount."""
    return Number(name, f"{value:f}", f"${saying.usd(value)}")


def count(name: str, value: int) -> Number:
    """How many."""
    return Number(name, str(value), f"{value:,}")


def share(name: str, part: Decimal, whole: Decimal) -> Number:
    """``part`` of ``whole``; of nothing there is no share."""
    if not whole:
        return Number(name, "", "–")
    return Number(name, f"{part / whole:.6f}", saying.percent(part / whole))
