"""Venue shares: whose liquidations a day's USD are, and what each venue's numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np

from liq_pipeline.plots.canvas import day_axes, legible, png
from liq_pipeline.plots.palette import GREY, OF_EXCHANGE
from liq_pipeline.saying import usd

_PERIODS: Final = 6
_HOURS: Final = 24 // _PERIODS


class Share(NamedTuple):
    """USD of one venue in one 4-hour period of the day (0 to 5)."""

    period: int
    exchange: str
    usd: float


def draw(day: date, shares: Sequence[Share], meanings: Mapping[str, str]) -> bytes:
    """A PNG of shares of USD per 4-hour period; ``meanings`` says per venue whether it publishes everything."""
    by_exchange: dict[str, np.ndarray] = {}
    for period, exchange, amount in sorted(shares):
        by_exchange.setdefault(exchange, np.zeros(_PERIODS))[period] += amount
    totals = np.sum(list(by_exchange.values()), axis=0)
    figure, axes = day_axes(f"{day}: venues' shares of USD, per 4 hours (not comparable where throttled)", 2.2, 2.4)
    at, below = np.arange(_PERIODS) * _HOURS + _HOURS / 2, np.zeros(_PERIODS)
    for exchange, amounts in sorted(by_exchange.items()):
        share = np.divide(100 * amounts, totals, out=np.zeros(_PERIODS), where=totals > 0)
        label = legible(f"{exchange}, {meanings[exchange]}" if exchange in meanings else exchange)
        axes.bar(at, share, _HOURS * 0.9, below, color=OF_EXCHANGE.get(exchange, GREY), label=label)
        below += share
    for middle, total in zip(at, totals, strict=True):
        if total:
            axes.annotate(usd(total), (middle, 101), ha="center", fontsize=7)
    axes.set_ylim(0, 112)
    axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False, reverse=True)
    return png(figure)
