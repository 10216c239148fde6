"""``liq archive``: the files of LIQ_ARCHIVE_DIR, and where more can be downloaded."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime

import click
from rich.console import Console
from rich.table import Table

from liq_pipeline.archive import addresses
from liq_pipeline.archive.addresses import Addresses
from liq_pipeline.archive.layout import TARDIS_EXCHANGES
from liq_pipeline.archive.progress import Standing, State
from liq_pipeline.archive.scan import named
from liq_pipeline.archive.survey import Survey, survey
from liq_pipeline.embedded import servers
from liq_pipeline.errors import SettingsError
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse.day_state import refusal

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group("archive")
def command() -> None:
    """Show the archive of LIQ_ARCHIVE_DIR, and addresses to download more.

    The folder holds files of whole days. While `liq up` runs, files that are new there are imported and their days
    materialized; materializing a day, in the UI or with `liq materialize`, imports its files first, and with --force
    those that were imported before, too. A file that is replaced is imported again; one that was refused is tried
    again when it is replaced, or when you materialize its day.

    \b
    Layout, below LIQ_ARCHIVE_DIR:
      binance_vision/data/futures/{cm,um}/daily/liquidationSnapshot/<SYM>/
          <SYM>-liquidationSnapshot-YYYY-MM-DD.zip  (and .CHECKSUM beside it)
      tardis/v1/<tardis exchange>/liquidations/YYYY/MM/DD/<SYMBOL>.csv.gz
      frames/<exchange>/<market>/...YYYY-MM-DD....jsonl
      forceorder_csv/binance/linear/...YYYY-MM-DD....csv

    The first two are the paths of the public archives. In the others "..." is free and may hold folders. .gz and
    .zip are read, too; names that begin with a dot are left alone.
    """


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def status(as_json: bool) -> None:
    """List the archive's days, how many of their files are imported, and what has to be mended.

    \b
    Exit codes:
      0  every file is imported, waits to be, or is excluded by settings
      1  files are refused, or fit nowhere in the layout: they are listed with the reason
      2  settings are wrong, or no servers are configured or running
    """
    settings = load_settings()
    if settings.archive_dir is None:
        raise SettingsError("LIQ_ARCHIVE_DIR is not set: set it to the folder of the archive, see `liq archive --help`")
    configured = settings.database_url
    database_url = configured.get_secret_value() if configured else servers.locate(settings).database_url
    found = survey(settings.archive_dir, settings, database_url)
    if as_json:
        click.echo(json.dumps({"days": _days(found.standings), "problems": found.to_mend()}, indent=2))
    else:
        _show(settings, found)
    if found.to_mend():
        sys.exit(1)


def _days(standings: Sequence[Standing]) -> list[dict[str, object]]:
    by_day = defaultdict[date, list[Standing]](list)
    for standing in standings:
        by_day[standing.file.place.day].append(standing)
    days = []
    for day, of_day in sorted(by_day.items()):
        states = Counter(standing.state for standing in of_day)
        days.append(
            {
                "day": str(day),
                "files": len(of_day),
                "bytes": sum(standing.file.size for standing in of_day),
                **{state.value: states[state] for state in State},
            }
        )
    return days


def _show(settings: Settings, found: Survey) -> None:
    console = Console(highlight=False)
    days = _days(found.standings)
    table = Table(box=None, pad_edge=False)
    for name in days[0] if days else ():
        table.add_column(name, justify="left" if name == "day" else "right")
    for day in days:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in day.values()))
    console.print(table)
    click.echo(f"{settings.archive_dir}: {len(found.standings):,} files of {len(days):,} days")
    if excluded := found.of(State.EXCLUDED):
        click.echo(f"{len(excluded):,} files are excluded, the first because {excluded[0].reason}")
    for problem in found.to_mend():
        click.echo(f"wrong: {named(*problem)}")


@command.command("urls")
@click.option("--format", "name", required=True, type=click.Choice(["binance_vision", "tardis"]), help="Which archive.")
@click.option("--from", "first", required=True, type=_DAY, help="First UTC day, YYYY-MM-DD.")
@click.option("--to", "last", required=True, type=_DAY, help="Last UTC day, included.")
@click.option(
    "--symbols",
    default="",
    metavar="S,S",
    help="Contracts as the archive names them; for tardis the default is PERPETUALS and FUTURES, which hold all.",
)
@click.option(
    "--exchange",
    default="",
    metavar="E,E",
    help=f"Tardis' names, by default all of {', '.join(TARDIS_EXCHANGES)}.",
)
@click.option("--all-days", is_flag=True, help="Tardis' days that need a key, too, not only the first of each month.")
def urls(name: str, first: datetime, last: datetime, symbols: str, exchange: str, all_days: bool) -> None:
    """Print the public addresses of archive files, one a line. Downloads nothing.

    \b
      liq archive urls --format binance_vision --symbols BTCUSD_PERP --from 2024-08-01 --to 2024-08-31 |
          wget -N -x -nH -P "$LIQ_ARCHIVE_DIR/binance_vision" -i -
      liq archive urls --format tardis --exchange bybit --from 2026-01-01 --to 2026-06-01 |
          wget -N -x -nH -P "$LIQ_ARCHIVE_DIR/tardis" -i -

    Binance's archive holds COIN-M from 2023-06-25 to 2024-10-14; that of USD-M was emptied. Tardis gives the first
    day of each month away and asks for a key otherwise.
    """
    if last < first:
        raise click.UsageError(f"--from {first.date()} is after --to {last.date()}: exchange them")
    days = addresses.days_between(first.date(), last.date())
    if name == "binance_vision":
        if exchange or all_days:
            raise click.UsageError("--exchange and --all-days are for --format tardis: leave them out")
        found = addresses.binance_vision(days, _items(symbols))
    else:
        today = datetime.now(UTC).date()
        found = addresses.tardis(days, _items(symbols), _items(exchange), today=today, all_days=all_days)
    _announce(found, days, load_settings())
    for url in found.urls:
        click.echo(url)


def _announce(found: Addresses, days: Sequence[date], settings: Settings) -> None:
    for note in found.notes:
        click.echo(f"liq: {note}", err=True)
    if excluded := [reason for day in days if (reason := refusal(day, settings))]:
        click.echo(f"liq: {len(excluded)} days would not be imported: {excluded[0]}", err=True)
    if not found.urls:
        raise SettingsError("there is nothing to download for these days: choose others")
    click.echo(f"liq: {len(found.urls)} addresses; to download them, pipe this into\n  {found.command}", err=True)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
