"""``liq reparse``: what was landed, read again by today's parsers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from liq_pipeline.embedded import servers
from liq_pipeline.settings import EXCHANGES, load_settings
from liq_pipeline.warehouse import migrate
from liq_pipeline.warehouse.reparse import ReparseReport, reparse

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    "reparse",
    epilog="""\b
Examples:
  liq reparse --from 2026-11-01 --to 2026-11-20 --dry-run
  liq reparse --from 2026-11-01 --to 2026-11-20 --exchange okx
  liq materialize --from 2026-11-01 --to 2026-11-20     the days that are stale then
""",
)
@click.option("--from", "first", required=True, type=_DAY, help="First UTC day, YYYY-MM-DD.")
@click.option("--to", "last", required=True, type=_DAY, help="Last UTC day, included.")
@click.option("--exchange", type=click.Choice(EXCHANGES), help="Only this exchange's; default all.")
@click.option("--dry-run", is_flag=True, help="Say the same and change nothing.")
def command(first: datetime, last: datetime, exchange: str | None, dry_run: bool) -> None:
    """Read raw_data again with today's parsers: a parser's mistake is mended from what was landed.

    Rows that read differently are replaced, all days in one transaction; the others stay untouched. A row that is
    rejected today moves to frames_rejected. Then rejected frames, of all dates, are tried again: what is understood
    now lands. Days whose rows changed are stale until they are materialized again, which a running `liq up` does by
    itself.

    After an upgrade start `liq up` anew first: a collector of before still lands what its own parser reads.
    """
    if last < first:
        raise click.UsageError(f"--from {first.date()} is after --to {last.date()}: exchange them")
    settings = load_settings()
    configured = settings.database_url
    # Redis has no part in it, so it need not be configured or running.
    database_url = configured.get_secret_value() if configured else servers.locate(settings).database_url
    migrate.check(database_url)
    days = [first.date() + timedelta(days=offset) for offset in range((last - first).days + 1)]
    with _progress() as progress:
        task = progress.add_task("reading", total=len(days))

        def show(day: date) -> None:
            progress.update(task, description=str(day), completed=days.index(day))

        report = reparse(
            database_url,
            days,
            settings,
            exchanges=EXCHANGES if exchange is None else (exchange,),
            now=time.time_ns() // 1_000_000,
            dry_run=dry_run,
            progress=show,
        )
    _print(report, dry_run)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print(report: ReparseReport, dry_run: bool) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("day")
    for title in ("rows", "changed", "ids changed", "rejected"):
        table.add_column(title, justify="right")
    for day, counted in report.days.items():
        if counted.rows:
            numbers = (counted.rows, counted.changed, counted.new_ids, counted.rejected)
            table.add_row(str(day), *(f"{number:,}" for number in numbers))
    if table.row_count:
        Console(highlight=False).print(table)
    if empty := len(report.days) - table.row_count:
        click.echo(f"{empty:,} of {len(report.days):,} days hold no rows")
    if report.merged:
        click.echo(f"{report.merged:,} of the changed rows are liquidations that were there already")
    click.echo(
        f"rejected frames: {report.retried:,} read again, {report.recovered:,} understood: "
        f"{report.new:,} new rows, {report.duplicate:,} duplicate"
    )
    if report.excluded:
        click.echo(f"{report.excluded:,} frames stay rejected: {'; '.join(sorted(report.exclusions))}")
    if stale := sorted(report.stale):
        click.echo(f"{len(stale):,} days {_become(dry_run)} stale: {_listed(stale)}")
        click.echo(f"materialize them: liq materialize --from {stale[0]} --to {stale[-1]}")
    else:
        click.echo(f"no day {'would change' if dry_run else 'changed'}")
    if dry_run:
        click.echo("nothing was changed: leave --dry-run away to do it")


def _become(dry_run: bool) -> str:
    return "would be" if dry_run else "are"


def _listed(days: Sequence[date]) -> str:
    return ", ".join(map(str, days[:10])) + (f" and {len(days) - 10:,} more" if len(days) > 10 else "")
