"""USD per hour and venue: the front of a day's report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np

from liq_pipeline.plots.canvas import day_axes, legible, png
from liq_pipeline.plots.palette import GREY, OF_EXCHANGE
from liq_pipeline.saying import usd

_HOURS: Final = 24


class Hour(NamedTuple):
    """Liquidations of one hour of the day (0 to 23) and one venue."""

    hour: int
    exchange: str
    events: int
    usd: float


def draw(day: date, hours: Sequence[Hour]) -> bytes:
    """A PNG of USD per hour, venues on top of each other."""
    by_exchange: dict[str, np.ndarray] = {}
    for hour in sorted(hours):
        by_exchange.setdefault(hour.exchange, np.zeros(_HOURS))[hour.hour] += hour.usd
    events, whole = sum(hour.events for hour in hours), sum(hour.usd for hour in hours)
    figure, axes = day_axes(f"{day}: {events:,} liquidations, {usd(whole)} USD, per hour", 2.0)
    at, below = np.arange(_HOURS) + 0.5, np.zeros(_HOURS)
    for exchange, amounts in sorted(by_exchange.items()):
        axes.bar(at, amounts, 0.9, below, color=OF_EXCHANGE.get(exchange, GREY), label=legible(exchange))
        below += amounts
    axes.yaxis.set_major_formatter(lambda value, _: usd(value))
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(by_exchange), fontsize=8, frameon=False, borderpad=0
    )
    return png(figure)
