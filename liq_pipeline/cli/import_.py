"""`liq import`: archive files, straight into ``liquidations_raw``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from liq_pipeline.cli.import_output import refused, show
from liq_pipeline.cli.materialize import run_days
from liq_pipeline.embedded import servers
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.formats import FORMATS, format_named
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.sources import find
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import EXCHANGES, Settings, load_settings
from liq_pipeline.warehouse.days import stale_days
from liq_pipeline.warehouse.migrate import check


@click.command(
    epilog="""\b
Examples:
  liq import frames.jsonl --exchange bybit --format frames
  liq import recording.csv.gz --exchange binance --format forceorder_csv
  liq import archive/2025 more.zip --exchange bybit --format frames --dry-run

\b
Exit codes:
  0  every row is landed, now or before
  1  finished, but some rows were rejected: they are listed, and kept in frames_rejected
  2  refused: the files, or the days that are named; all other days are landed
"""
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--exchange", required=True, metavar="E", help=f"Whose data it is: {', '.join(EXCHANGES)}.")
@click.option("--market", default="linear", show_default=True, metavar="M", help="linear or inverse.")
@click.option("--format", "format_name", required=True, metavar="F", help=f"{' or '.join(FORMATS)}; see above.")
@click.option("--contract", metavar="C", help="The contract, where neither rows nor file names tell.")
@click.option("--dry-run", is_flag=True, help="Land nothing, and say what landing would.")
@click.option("--materialize", is_flag=True, help="Materialize the days of these files that are stale.")
@click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes that parse. [default: one a core]")
def command(
    paths: tuple[Path, ...],
    exchange: str,
    market: str,
    format_name: str,
    contract: str | None,
    dry_run: bool,
    materialize: bool,
    workers: int | None,
) -> None:
    """Land archive files in liquidations_raw.

    PATHS are files, compressed or not, zips, and folders of these. Nothing lands unless all of them are of the
    format. Importing is idempotent: what is there already, from another file or from the live feed, counts as
    duplicate; an import that was interrupted goes on where it was when repeated. Days with new rows are stale until
    they are materialized again.

    \b
    Formats:
      frames          JSON lines: a raw frame of the venue a line, or
                      {"received_at": <UTC ms>, "frame": <the frame>}
      binance_vision  liquidationSnapshot files of data.binance.vision: zip or CSV, one
                      contract each, which the file's name tells. A .CHECKSUM beside
                      a file is verified. COIN-M needs --market inverse.
      tardis          liquidations of datasets.tardis.dev, CSV or .csv.gz: exchanges
                      binance-futures, binance-delivery, bybit, okex-swap,
                      okex-futures. Of OKX since 2021-12-23, Bybit 2023-04-05 to
                      2025-02-25 and Binance until 2025-04-30 they lack a field by
                      which rows are matched: days another source has are refused.
      forceorder_csv  Binance force orders without a header: symbol, side, type, tif,
                      quantity, price, average price, status, last filled, accumulated
                      filled, trade time in ms. More columns are ignored, symbols may
                      lack "USDT", and an average price of None uses the limit price.
    """
    if exchange not in EXCHANGES:
        raise ImportRefusedError(f"--exchange {exchange!r} is not known; use {' or '.join(EXCHANGES)}")
    if market not in list(Market):
        raise ImportRefusedError(f"--market {market!r} is not known; use {' or '.join(Market)}")
    if dry_run and materialize:
        raise click.UsageError("--dry-run makes no day stale: leave --materialize away")
    settings, format_ = load_settings(), format_named(format_name)
    configured = settings.database_url
    # Redis has no part in an import, so it need not be configured or running; a day's run drains it.
    located = servers.locate(settings) if materialize or not configured else None
    database_url = located.database_url if located else configured.get_secret_value() if configured else ""
    check(database_url)
    stale_before = _stale(database_url, settings) if materialize else set()
    sources = list(dict.fromkeys(source for path in paths for source in find(path, format_)))
    began = time.monotonic()
    with _bar(sum(source.size for source in sources)) as progress:
        reports = list(
            import_sources(
                sources,
                exchange,
                Market(market),
                format_,
                contract=contract,
                settings=settings,
                database_url=database_url,
                now=time.time_ns() // 1_000_000,
                progress=progress,
                dry_run=dry_run,
                workers=workers,
            )
        )
    days = show(reports, time.monotonic() - began, dry_run=dry_run)
    failed = False
    if located is not None and materialize:
        # Days that an earlier import of these files landed, too, if it did not get as far as materializing them.
        days |= _stale(database_url, settings) & set[date]().union(*(report.touched for report in reports))
        failed = _materialize(days, stale_before, settings, located)
    if refusals := refused(reports):
        raise ImportRefusedError(refusals)
    if failed or any(report.rejected for report in reports):
        sys.exit(1)


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("importing", total=size)
        yield lambda done: bar.update(task, completed=done)


def _materialize(days: set[date], stale_before: set[date], settings: Settings, located: servers.Servers) -> bool:
    """Run these days, then neighbours a cascade made stale; whether any of them failed."""
    today, done, failed = datetime.now(UTC).date(), set[date](), False
    due = {day for day in days if day <= today}
    while due:
        failed |= bool(run_days(sorted(due), settings, located))
        done |= due
        due = _stale(located.database_url, settings) - stale_before - done
    return failed


def _stale(database_url: str, settings: Settings) -> set[date]:
    return {day for day, _ in stale_days(database_url, settings)}
