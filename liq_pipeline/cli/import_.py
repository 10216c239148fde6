"""`liq import`: an archive file, straight into ``liquidations_raw``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from liq_pipeline.embedded import servers
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.formats import FORMATS, format_named
from liq_pipeline.imports.landing import ImportReport, import_file
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import KNOWN_FEEDS, load_settings


@click.command(
    epilog="""\b
Examples:
  liq import frames.jsonl --exchange bybit --format frames
  liq import recording.csv --exchange binance --format forceorder_csv

\b
Exit codes:
  0  every row is landed, now or before
  1  finished, but some rows were rejected: they are listed, and kept in frames_rejected
  2  refused: the file, or the days that are named; all other days are landed
"""
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--exchange", required=True, metavar="E", help=f"Whose data it is: {', '.join(KNOWN_FEEDS)}.")
@click.option("--market", default="linear", show_default=True, metavar="M", help="linear or inverse.")
@click.option("--format", "format_name", required=True, metavar="F", help=f"{' or '.join(FORMATS)}; see above.")
def command(path: Path, exchange: str, market: str, format_name: str) -> None:
    """Land an archive file in liquidations_raw.

    Importing is idempotent: what is there already, from another file or from the live feed, counts as duplicate,
    and an interrupted import is completed by repeating it. Days with new rows are stale until they are
    materialized again.

    \b
    Formats:
      frames          JSON lines: a raw frame of the venue a line, or
                      {"received_at": <UTC ms>, "frame": <the frame>}
      forceorder_csv  Binance force orders without a header: symbol, side, type, tif,
                      quantity, price, average price, status, last filled, accumulated
                      filled, trade time in ms. More columns are ignored, symbols may
                      lack "USDT", and an average price of None uses the limit price.
    """
    if exchange not in KNOWN_FEEDS:
        raise ImportRefusedError(f"--exchange {exchange!r} is not known; use {' or '.join(KNOWN_FEEDS)}")
    if market not in list(Market):
        raise ImportRefusedError(f"--market {market!r} is not known; use {' or '.join(Market)}")
    settings = load_settings()
    configured = settings.database_url
    # Redis has no part in an import, so it need not be configured or running.
    database_url = configured.get_secret_value() if configured else servers.locate(settings).database_url
    with _bar(path) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size if path.is_file() else None)
        report = import_file(
            path,
            exchange,
            Market(market),
            format_named(format_name),
            settings=settings,
            database_url=database_url,
            now=time.time_ns() // 1_000_000,
            progress=lambda offset: bar.update(task, completed=offset),
        )
    _print(path, report)
    if report.refused:
        raise ImportRefusedError(
            f"{report.refused.total():,} rows of {min(report.refused)} to {max(report.refused)} were not imported: "
            + "; ".join(sorted(report.refusals))
        )
    if report.rejected:
        sys.exit(1)


def _bar(path: Path) -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print(path: Path, report: ImportReport) -> None:
    click.echo(
        f"{path}: {report.rows:,} rows read, {report.new:,} new, {report.duplicate:,} duplicate, "
        f"{report.rejected:,} rejected" + (f", {report.refused.total():,} refused" if report.refused else "")
    )
    if report.other:
        click.echo(f"{report.other:,} lines are no liquidations (acknowledgements, pongs)")
    if report.elsewhere:
        click.echo(f"{report.elsewhere:,} rows are of the other market: import the file with its --market too")
    for rejected in report.first_rejected:
        click.echo(f"  line {rejected.number}: {rejected.reason}")
    if more := report.rejected - len(report.first_rejected):
        click.echo(f"  … and {more:,} more; all of them are in frames_rejected")
    if report.days:
        first, last = min(report.days), max(report.days)
        click.echo(
            f"{len(report.days):,} days are stale until materialized: liq materialize --from {first} --to {last}"
        )
        for day in sorted(report.days):
            click.echo(f"  {day}: {report.days[day]:,} new rows")
