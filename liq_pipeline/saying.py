"""Amounts, shares and times as people read them: what a picture, a page or a terminal shows beside exact values."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

_UNITS: Final = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_LEAST: Final = 0.01


def usd(value: float | Decimal) -> str:
    """An amount in three digits, without its currency: 12.3M, 450k, 800."""
    rounded = float(f"{float(value):.3g}")
    if 0 < abs(rounded) < _LEAST:
        return f"<{_LEAST}" if rounded > 0 else f">-{_LEAST}"
    for limit, unit in _UNITS:
        if abs(rounded) >= limit:
            scaled = rounded / limit
            return f"{scaled:,.0f}{unit}" if abs(scaled) >= 100 else f"{scaled:.3g}{unit}"
    return f"{rounded:g}"


def percent(share: float | Decimal, digits: int = 1) -> str:
    """A share of 0 to 1: 12.3 %. Only what is whole says 100 %, and only what is nothing 0 %."""
    value = 100 * float(share)
    least = 10**-digits
    if 0 < value < least:
        return f"<{least:.{digits}f} %"
    if 100 - least < value < 100:
        return f">{100 - least:.{digits}f} %"
    return f"{value:.{digits}f} %"


def price(value: float | Decimal) -> str:
    """A price with thousands apart and all its digits; a float has no zeros at its end."""
    shown = f"{Decimal(str(value)):,f}"
    return shown.removesuffix(".0") if isinstance(value, float) else shown


def span(length: timedelta | float) -> str:
    """A length of time, or of seconds: 850 ms, 12.3 s, 4 min 5 s, 2 h 10 min."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 3600:
        return _two(whole, "min", "s")
    return _two(round(whole / 60), "h", "min")


def clock(at: datetime) -> str:
    """The time of day of an aware time in UTC: 17:05:09."""
    return f"{at:%H:%M:%S}"


def _two(value: int, large: str, small: str) -> str:
    high, low = divmod(value, 60)
    return f"{high} {large}" + (f" {low} {small}" if low else "")
