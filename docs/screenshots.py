"""Take the README's pictures of the Dagster UI again: ``python docs/screenshots.py --url http://127.0.0.1:3000``.

Needs a running ``liq up --demo``, and Chromium on PATH; ``LIQ_HOME`` names the demo's home, in which the day's report
is. Nothing is started or changed there. For a day worth looking at, give the demo a whole one first, and wait until it
is materialized::

    liq simulate --events 20000 --seed 1 --throttle --start 2026-11-22T00:00
    export LIQ_HOME=~/.local/share/liq/demo
    for venue in binance bybit okx; do
        liq import simulated/$venue.jsonl --exchange $venue --market linear --format frames
    done
"""

from __future__ import annotations

import io
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import click
from PIL import Image

from liq_pipeline.report import path_of
from liq_pipeline.settings import load_settings
from liq_pipeline_tests import browser
from liq_pipeline_tests.browser import Page

_COLOURS: Final = 96
_WIDEST: Final = 1600
_LARGEST: Final = 250_000
_REPORTED: Final = (1280, 390)
"""Widths in which a report is shown."""
_REPORT: Final = "report"
_PATIENCE: Final = 120.0
"""Seconds; a busy machine takes long to show a page."""


class Picture(NamedTuple):
    """A page of the UI: where it is, what it shows when it is there, what to click then, what that shows, its size."""

    path: str
    shows: tuple[str, ...]
    clicks: tuple[str, ...]
    after: str
    width: int
    height: int


def pictures(day: str) -> dict[str, Picture]:
    """The README's, by the names of their files."""
    return {
        "lineage": Picture(
            "assets/liquidations_raw?view=lineage&lineageScope=neighbors&lineageDepth=5",
            ("binance_inverse", "_comparison", "liquidation_report"),
            (),
            "feed_gaps",
            2600,
            1800,
        ),
        "picture": Picture(
            f"assets/liquidation_cascades?view=partitions&partition={day}",
            ("dagster/partition_row_count", "[Show Markdown]"),
            ("[Show Markdown]",),
            "Close",
            1250,
            800,
        ),
        "checks": Picture(
            "assets/liquidations_raw?view=checks",
            ("no_duplicates", "venue_shares"),
            ("venue_shares",),
            "Plots",
            1250,
            800,
        ),
    }


def take(page: Page, url: str, picture: Picture) -> bytes:
    """The page as a PNG of few colours."""
    page.resize(picture.width, picture.height)
    page.open(f"{url}/{picture.path}", picture.shows[0], _PATIENCE)
    for text in picture.shows[1:]:
        page.wait(text, _PATIENCE)
    for text in picture.clicks:
        page.click(text)
    page.wait(picture.after, _PATIENCE)
    page.until("document.body.innerText.includes('Loading')", False, _PATIENCE)
    # For what still moves.
    time.sleep(2)
    with Image.open(io.BytesIO(page.screenshot(picture.width, picture.height))) as image:
        return small(image)


def take_report(page: Page, path: Path) -> bytes:
    """A report on a desk and, beside it, on a phone."""
    height = 1500
    both = Image.new("RGB", (sum(_REPORTED) + 30, height), "#BBBBBB")
    left = 0
    for width in _REPORTED:
        page.resize(width, height)
        page.open(path.as_uri(), "Where this comes from", _PATIENCE)
        with Image.open(io.BytesIO(page.screenshot(width, height))) as image:
            both.paste(image.convert("RGB"), (left, 0))
        left += width + 30
    return small(both)


def small(image: Image.Image) -> bytes:
    """The picture as a PNG of few colours."""
    file = io.BytesIO()
    shown = image.convert("RGB")
    # A wide graph is drawn with all its words on a wide page only.
    shown.thumbnail((_WIDEST, _WIDEST), Image.Resampling.LANCZOS)
    shown.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


@click.command()
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="Where the Dagster UI is.")
@click.option("--day", default=str(datetime.now(UTC).date() - timedelta(days=1)), help="A materialized UTC day.")
@click.option("--only", multiple=True, help="Just the pictures of these names.")
def main(url: str, day: str, only: tuple[str, ...]) -> None:
    """Take the pictures again."""
    if browser.executable() is None:
        raise click.ClickException("there is no Chromium on PATH: install one, such as Debian's package chromium")
    url, wanted = url.rstrip("/"), pictures(day)
    with browser.chromium() as page:
        if only != (_REPORT,):
            # Remembered from page to page.
            page.open(f"{url}/runs", "Hide navigation", _PATIENCE)
            page.click("Hide navigation")
        for name in (*wanted, _REPORT):
            if only and name not in only:
                continue
            if name == _REPORT:
                keep(name, take_report(page, path_of(load_settings(), date.fromisoformat(day))))
            else:
                keep(name, take(page, url, wanted[name]))


def keep(name: str, picture: bytes) -> None:
    """Write the picture beside this file, unless it is too large to be shown."""
    if len(picture) > _LARGEST:
        raise click.ClickException(f"{name}.png has {len(picture):,} bytes, more than {_LARGEST:,}")
    path = Path(__file__).with_name(f"{name}.png")
    path.write_bytes(picture)
    click.echo(f"{path}: {len(picture):,} bytes")


if __name__ == "__main__":
    main()
