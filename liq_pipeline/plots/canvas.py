"""The paper the pictures are drawn on: one UTC day wide, a few colours, a few kilobytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import ColorType
from PIL import Image

from liq_pipeline.plots.palette import COLOURS, GREY, INK, SHADE

HOUR_MS: Final = 3_600_000
_DPI: Final = 100
_WIDTH: Final = 7.6
_LEFT_INCHES: Final = 0.85
_RIGHT_INCHES: Final = 0.15

# Paper, and what letters and lines are made of.
_GREYS: Final = ("#FFFFFF", SHADE, "#CCCCCC", GREY, "#666666", INK)


def day_axes(title: str, height: float, right: float = _RIGHT_INCHES) -> tuple[Figure, Axes]:
    """A figure of ``height`` inches whose x axis is a UTC day in hours, and ``right`` inches free beside it."""
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    bottom, top = 0.3, 0.28
    axes = figure.add_axes(
        (
            _LEFT_INCHES / _WIDTH,
            bottom / height,
            (_WIDTH - _LEFT_INCHES - right) / _WIDTH,
            (height - bottom - top) / height,
        )
    )
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4), [f"{hour:02}:00" for hour in range(0, 25, 4)])
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(legible(title), loc="left", fontsize=9, color=INK)
    return figure, axes


def hours(time_ms: int, day: date) -> float:
    """A time as hours since the day began; before it negative, after it beyond 24."""
    return time_ms / HOUR_MS - (day - date(1970, 1, 1)).days * 24


def legible(text: str) -> str:
    """The text in characters that the font has, and none that matplotlib reads as mathematics."""
    return text.encode("latin-1", "replace").decode("latin-1").replace("$", r"\$")


def png(figure: Figure, colours: Iterable[ColorType] = COLOURS) -> bytes:
    """The figure as a PNG of ``colours`` and greys alone, a fraction of matplotlib's own.

    The same rows give the same bytes. A palette found by counting would lose a gap of a second, which is one pixel.
    """
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), pixels, "raw", "RGBA", 0, 1)
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(255 * part) for colour in (*_GREYS, *colours) for part in to_rgb(colour)])
    file = io.BytesIO()
    picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
