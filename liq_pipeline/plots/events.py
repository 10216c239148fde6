"""Events per minute: what a day felt like, longs above and shorts below the line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import numpy as np

from liq_pipeline.plots.canvas import day_axes, legible, png
from liq_pipeline.plots.palette import BLUE, INK, VERMILLION


class Minute(NamedTuple):
    """Liquidations of one minute of the day (0 to 1439) and one side."""

    minute: int
    side: str
    events: int


def draw(day: date, minutes: Iterable[Minute]) -> bytes:
    """A PNG of the day's liquidations per minute."""
    counts = {side: np.zeros(1440) for side in ("LONG", "SHORT")}
    for minute, side, events in minutes:
        counts[side][minute] += events
    total = int(sum(of_side.sum() for of_side in counts.values()))
    figure, axes = day_axes(f"{day}: {total:,} liquidations, per minute", 2.0)
    at = np.arange(1440) / 60
    for side, sign, colour in (("LONG", 1, VERMILLION), ("SHORT", -1, BLUE)):
        label = legible(f"{side} positions: {int(counts[side].sum()):,}")
        axes.fill_between(at, sign * counts[side], step="post", color=colour, linewidth=0, label=label)
        # One that stands alone would be a hair: half a pixel wide.
        axes.vlines(at, 0, sign * counts[side], color=colour, linewidth=0.5)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, fontsize=8, frameon=False, borderpad=0)
    return png(figure, (VERMILLION, BLUE))
