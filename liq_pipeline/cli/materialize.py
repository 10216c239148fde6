"""``liq materialize``: the daily assets for a range of days."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from liq_pipeline.cli.dagster_instance import dagster_instance
from liq_pipeline.embedded.servers import Servers, locate
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse.migrate import check

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("materialize")
@click.option("--from", "first", required=True, type=_DAY, help="First UTC day, YYYY-MM-DD.")
@click.option("--to", "last", required=True, type=_DAY, help="Last UTC day, included.")
@click.option("--force", is_flag=True, help="Rewrite days that are up to date, too.")
def command(first: datetime, last: datetime, force: bool) -> None:
    """Materialize the daily tables for a range of days, one after another in this process.

    \b
        liq materialize --from 2026-11-01 --to 2026-11-30

    Each day is a recorded Dagster run with its checks, as if started from the UI. A day that fails does not stop
    the others; the exit code is then 1.
    """
    settings = load_settings()
    days = _days(first.date(), last.date(), settings)
    servers = locate(settings)
    check(servers.database_url)
    if run_days(days, settings, servers, force=force):
        sys.exit(1)


def run_days(days: Sequence[date], settings: Settings, servers: Servers, *, force: bool = False) -> list[date]:
    """Materialize days one after another, each a recorded run, with a progress bar; those that failed.

    Prints why each of them did, and how many did not.
    """
    console = Console(stderr=True)
    failed: list[date] = []
    with dagster_instance(settings, servers) as instance, _progress(console) as progress:
        from liq_pipeline.dagster_defs.materialize import materialize_day

        task = progress.add_task("materializing", total=len(days))
        for day in days:
            progress.update(task, description=str(day))
            run = materialize_day(instance, day, force=force)
            if not run.success:
                failed.append(day)
                for failure in run.failures:
                    progress.console.print(f"{day}: {failure} (run {run.run_id})", markup=False, highlight=False)
            progress.advance(task)
    click.echo(f"{len(days) - len(failed)} days materialized, {len(failed)} failed")
    return failed


def _days(first: date, last: date, settings: Settings) -> list[date]:
    today = datetime.now(UTC).date()
    if last < first:
        raise click.UsageError(f"--from {first} is after --to {last}: exchange them")
    if first < settings.start_date:
        raise click.UsageError(
            f"--from {first} is before LIQ_START_DATE={settings.start_date}: begin there, or set LIQ_START_DATE={first}"
        )
    if last > today:
        raise click.UsageError(f"--to {last} has not begun: today is {today} UTC")
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
