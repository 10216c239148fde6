"""Take the README's picture of `liq top` again: ``LIQ_HOME=~/.local/share/liq/demo python docs/terminal.py``.

Needs a running ``liq up --demo``, and Chromium on PATH. Nothing is started or changed there.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Final

import click
from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI

from liq_pipeline.embedded.home import Home
from liq_pipeline.settings import load_settings
from liq_pipeline.top import sources
from liq_pipeline.top.ink import Ink
from liq_pipeline.top.moment import Document
from liq_pipeline.top.picture import picture
from liq_pipeline_tests import browser

_COLUMNS: Final = 100
_LINES: Final = 34
_COLOURS: Final = 32
_WIDTH: Final = 1_000
_PAGE: Final = """<meta charset="utf-8"><body style="margin: 16px; color: {foreground}; background: {background}">
<pre style="font: 16px/20px 'DejaVu Sans Mono', monospace">{code}</pre>"""


def page() -> str:
    """What it shows now, as HTML."""
    settings = load_settings()
    source = sources.Redis(settings, None)
    document = Document(
        "~/.local/share/liq/demo", Home(settings.home).is_demo, source.read(), sources.read_tables(settings)
    )
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in picture(document, Ink(), _COLUMNS, _LINES):
        console.print(line, soft_wrap=True, end="\n")
    return console.export_html(theme=MONOKAI, code_format=_PAGE, inline_styles=True)


@click.command()
def main() -> None:
    """Take the picture again."""
    if browser.executable() is None:
        raise click.ClickException("there is no Chromium on PATH: install one, such as Debian's package chromium")
    height = 20 * _LINES + 48
    with tempfile.TemporaryDirectory() as folder, browser.chromium() as tab:
        shown = Path(folder, "top.html")
        shown.write_text(page(), "utf-8")
        tab.resize(_WIDTH, height)
        tab.open(shown.as_uri(), "Active cascades")
        taken = tab.screenshot(_WIDTH, height)
    path = Path(__file__).with_name("top.png")
    with Image.open(io.BytesIO(taken)) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
