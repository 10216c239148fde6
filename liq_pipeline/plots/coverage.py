"""What was seen of a day: a strip per feed, gaps in the colour of their reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from matplotlib.patches import Patch

from liq_pipeline.plots.canvas import day_axes, hours, legible, png
from liq_pipeline.plots.palette import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SHADE, VERMILLION, YELLOW

_COLOURS: Final = {
    "covered": GREEN,
    "down": VERMILLION,
    "silent": YELLOW,
    "overloaded": PURPLE,
    "throttled": ORANGE,
    "healed": BLUE,
}
_OTHER: Final = GREY
_HEIGHT: Final = 0.7
_LOW: Final = 0.22
"""A throttled span was covered all the same: it colours only the lower edge of the strip."""


class Feed(NamedTuple):
    """One feed's day; ``coverage`` 0 to 1 of the ``elapsed`` seconds of the day."""

    name: str
    coverage: float
    elapsed: float
    collected: bool


class Gap(NamedTuple):
    """Something not seen, or not wholly; times in UTC milliseconds."""

    feed: str
    start: int
    end: int
    reason: str
    healed: bool


def draw(day: date, feeds: Sequence[Feed], gaps: Sequence[Gap]) -> bytes:
    """A PNG with one strip per feed, and its coverage beside it."""
    right = 1.75
    figure, axes = day_axes(f"{day}: what was seen of each feed", 0.75 + 0.3 * max(4, len(feeds)), right)
    rows = {feed.name: -row for row, feed in enumerate(feeds)}
    for feed in feeds:
        row, colour = rows[feed.name], _COLOURS["covered"] if feed.collected else SHADE
        axes.barh(row, feed.elapsed / 3600, _HEIGHT, color=colour)
        said = f"{100 * feed.coverage:.2f} %" if feed.collected else "never collected"
        axes.annotate(said, (24.2, row), va="center", fontsize=8, color=INK, annotation_clip=False)
    # Healed ones last: they lie on what they healed.
    for gap in sorted(gaps, key=lambda gap: (gap.healed, gap)):
        if gap.feed not in rows or not next(feed.collected for feed in feeds if feed.name == gap.feed):
            continue
        thin = gap.reason == "throttled"
        axes.barh(
            rows[gap.feed] - (_HEIGHT - _LOW) / 2 * thin,
            (gap.end - gap.start) / 3_600_000,
            _LOW if thin else _HEIGHT,
            left=hours(gap.start, day),
            color=_colour(gap),
            # A second of a day is a hundredth of a pixel, and has to be seen.
            edgecolor=_colour(gap),
            linewidth=0 if thin else 1,
        )
    axes.set_yticks(list(rows.values()), [legible(name) for name in rows])
    axes.set_ylim(-max(4, len(feeds)) + 0.4, 0.6)
    axes.tick_params(axis="y", length=0)
    shown = ["covered", *sorted({"healed" if gap.healed else gap.reason for gap in gaps})]
    legend = [Patch(color=_COLOURS.get(name, _OTHER), label=legible(name)) for name in shown]
    axes.legend(handles=legend, loc="upper left", bbox_to_anchor=(1.12, 1.05), fontsize=8, frameon=False)
    return png(figure)


def _colour(gap: Gap) -> str:
    return _COLOURS["healed"] if gap.healed else _COLOURS.get(gap.reason, _OTHER)
