"""`liq top`: what happens now, in a terminal."""

from __future__ import annotations

from typing import Final

import click
from rich.console import Console

from liq_pipeline.embedded.home import Home
from liq_pipeline.errors import LiqError
from liq_pipeline.settings import load_settings
from liq_pipeline.top import sources
from liq_pipeline.top.ink import Ink
from liq_pipeline.top.moment import Document, Moment, Tables, as_json
from liq_pipeline.top.picture import HEIGHT, picture
from liq_pipeline.top.screen import Screen

_NARROWEST: Final = 40


@click.command(
    "top",
    epilog="""\b
Keys: q or Ctrl-C ends it, s goes on to the symbol with the next most USD.

\b
Examples:
  liq top
  liq top --once --width 120 >> now.txt
  liq top --json | jq '.moment.cascades[].symbol'

\b
Fields of --json, named as in the tables, alphabetical; times are UTC ms, amounts exact USD:
  demo, home   where it looks
  moment       time; live: state, watermark, updated_at, lag_ms, events_per_second, events_in_memory, error;
               feeds, venues (the last hour by exchange and side), largest, symbols (by USD), symbol, levels (its),
               cascades: lists of objects
  tables       materialized_at (today's), stale_days, incidents, error (why the database does not answer)

\b
Exit codes:
  0  shown, or ended as asked
  2  settings are wrong, or Redis is not configured, not running or (--once, --json) does not answer
""",
)
@click.option("--once", is_flag=True, help="Print one picture, as it is where there is no terminal, and end.")
@click.option("--json", "as_document", is_flag=True, help="Print one JSON object and end.")
@click.option("--symbol", help="Whose price levels; default the symbol with the most USD.")
@click.option(
    "--interval", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between two readings."
)
@click.option("--width", type=click.IntRange(_NARROWEST, 1000), help="Of --once; default the terminal's, or 80.")
def command(once: bool, as_document: bool, symbol: str | None, interval: float, width: int | None) -> None:
    """Show what happens now: feeds, the last hour, its largest liquidations, price levels, active cascades.

    All of it is what the live view keeps in Redis; looking costs Redis next to nothing. LONG and SHORT are the sides
    of the positions that were closed. A feed that is throttled publishes a part of its liquidations: its numbers are
    lower bounds, and do not compare with those of one that publishes all.
    """
    settings = load_settings()
    console = Console(width=width, highlight=False)
    demo = Home(settings.home).is_demo
    source = sources.Redis(settings, symbol)

    def document(moment: Moment, tables: Tables | None) -> Document:
        return Document(str(settings.home), demo, moment, tables)

    if not (once or as_document) and console.is_terminal and not console.is_dumb_terminal:
        # What is wrong with the settings is said before the screen is taken.
        source.locate()

        def choose(name: str) -> None:
            source.symbol = name

        Screen(document, source.read, lambda: sources.read_tables(settings), choose, interval).show(console)
        return
    try:
        found = source.read()
    finally:
        source.close()
    try:
        tables = sources.read_tables(settings)
    except LiqError as error:
        tables = Tables(error=str(error))
    if as_document:
        click.echo(as_json(document(found, tables)))
        return
    lines = picture(document(found, tables), Ink(console.options.ascii_only), console.width, _height(found))
    for line in lines:
        console.print(line, soft_wrap=True, end="\n")


def _height(moment: Moment) -> int:
    """Of a picture that nothing bounds: with all feeds and cascades."""
    return HEIGHT + len(moment.feeds) + 2 * len(moment.cascades)
