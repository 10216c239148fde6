"""Take the README's picture of the notebook again: ``python docs/notebook.py EXECUTED.ipynb``.

Needs the notebook as `jupyter execute` leaves it, of a day worth looking at, and Chromium on PATH.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Final

import click
import nbformat
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from liq_pipeline_tests import browser

_CELLS: Final = ("price-levels", "long-against-short", "market-share", "cascade-timeline")
_WIDTH, _HEIGHT = 800, 440
_COLOURS: Final = 128
_FIGURE: Final = "application/vnd.plotly.v1+json"


@click.command()
@click.argument("executed", type=click.Path(exists=True, path_type=Path))
def main(executed: Path) -> None:
    """Take the picture again."""
    cells = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    figures = [
        go.Figure({key: output.data[_FIGURE][key] for key in ("data", "layout")}).update_layout(height=_HEIGHT)
        for name in _CELLS
        for output in cells[name].outputs
        if _FIGURE in output.data
    ]
    shown = "".join(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False}) for figure in figures
    )
    page_text = (
        f"<meta charset=utf-8><script>{get_plotlyjs()}</script><body style='margin:0'><div style='display:grid;"
        f"grid-template-columns:{_WIDTH}px {_WIDTH}px'>{shown}</div>"
    )
    width, height = 2 * _WIDTH, (len(figures) + 1) // 2 * _HEIGHT
    with tempfile.TemporaryDirectory() as folder, browser.chromium() as page:
        path = Path(folder, "figures.html")
        path.write_text(page_text)
        page.resize(width, height)
        page.open(path.as_uri(), "UTC")
        page.until("document.querySelectorAll('.js-plotly-plot .infolayer .gtitle').length", len(figures))
        # For what still moves.
        time.sleep(2)
        image = Image.open(io.BytesIO(page.screenshot(width, height))).convert("RGB")
    target = Path(__file__).with_name("notebook.png")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
    click.echo(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
