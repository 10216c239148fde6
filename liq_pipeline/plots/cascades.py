"""The cascades of a day: when, of which symbol, how large and how risky."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from matplotlib import colormaps
from matplotlib.colors import Normalize

from liq_pipeline.plots.canvas import day_axes, hours, legible, png
from liq_pipeline.plots.palette import INK, SHADE
from liq_pipeline.saying import usd

_SYMBOLS: Final = 10
_LARGEST_POINTS: Final = 420.0
"""Area of the largest cascade's disc, in square points."""
_SMALLEST_POINTS: Final = 9.0
_RISKS: Final = colormaps["cividis_r"].resampled(12)


class Cascade(NamedTuple):
    """One cascade that began on the day; times in UTC milliseconds."""

    symbol: str
    start: int
    end: int
    usd: float
    risk: float


def draw(day: date, cascades: Sequence[Cascade]) -> bytes:
    """A PNG with a row for each of the symbols that lost most, and one for all others."""
    lost = Counter[str]()
    for cascade in cascades:
        lost[cascade.symbol] += int(cascade.usd)
    named = [symbol for symbol, _ in lost.most_common(_SYMBOLS)]
    rest = [*(["others"] if len(lost) > len(named) else [])]
    rows = {symbol: -row for row, symbol in enumerate([*named, *rest])}
    right = 0.75
    figure, axes = day_axes(
        f"{day}: {len(cascades):,} cascades, {usd(sum(cascade.usd for cascade in cascades))} USD", _height(rows), right
    )
    largest = max(cascade.usd for cascade in cascades)
    # The large ones first, so that small ones lie on top of them.
    ordered = sorted(cascades, key=lambda cascade: (-cascade.usd, cascade))
    heights = [rows.get(cascade.symbol, -len(named)) for cascade in ordered]
    starts = [hours(cascade.start, day) for cascade in ordered]
    axes.hlines(heights, starts, [hours(cascade.end, day) for cascade in ordered], color=INK, linewidth=1)
    discs = axes.scatter(
        starts,
        heights,
        s=[max(_SMALLEST_POINTS, _LARGEST_POINTS * cascade.usd / max(largest, 1)) for cascade in ordered],
        c=[cascade.risk for cascade in ordered],
        norm=Normalize(0, 1),
        cmap=_RISKS,
        edgecolors=INK,
        linewidths=0.5,
    )
    axes.set_yticks(list(rows.values()), [legible(symbol) for symbol in rows])
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(axis="y", color=SHADE)
    axes.set_axisbelow(True)
    box = axes.get_position()
    bar = figure.colorbar(discs, cax=figure.add_axes((box.x1 + 0.03, box.y0, 0.012, box.height)))
    bar.set_ticks([0, 0.5, 1])
    bar.ax.tick_params(labelsize=8, colors=INK, length=2)
    bar.ax.set_title("risk", fontsize=8, color=INK)
    axes.annotate(
        f"largest disc: {usd(largest)} USD", (1, 1.02), xycoords="axes fraction", ha="right", fontsize=8, color=INK
    )
    return png(figure, [_RISKS(shade) for shade in range(_RISKS.N)])


def _height(rows: dict[str, int]) -> float:
    """Inches."""
    return 0.75 + 0.26 * max(3, len(rows))
