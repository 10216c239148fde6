"""All checks of a busy day, beside making the day's tables.

Run by hand: ``python -m benchmarks.checks [--events N] [--database-url U]``. The events' ids are not those of their
frames, so that ids_stable fails here, in the time it takes.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from benchmarks.databases import arguments, flavours, servers
from benchmarks.day import DAY, KEEP, land
from liq_pipeline import queries, report
from liq_pipeline.dagster_defs.checks.definitions import CHECKS
from liq_pipeline.dagster_defs.checks.rules import looking
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import days, rollups

TARGET: Final = 1.0
"""The checks may take as long as the tables at most."""


def reported(database_url: str, folder: Path) -> Settings:
    """Settings under which the day has its report, which is looked at, too."""
    settings = KEEP.model_copy(update={"report_dir": folder})
    with queries.connect(settings, database_url=database_url) as store:
        report.write(settings, DAY, report.render(report.gather(store, DAY)))
    return settings


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, events=1_000_000)
    with servers(options.database_url, options.redis_url) as (database_url, _):
        for flavour, url in flavours(database_url):
            land(url, options.events)
            begun = time.perf_counter()
            days.materialize_events(url, DAY, KEEP)
            for table in rollups.TABLES:
                rollups.materialize(url, table, DAY, KEEP)
            limit = time.perf_counter() - begun
            click.echo(f"{options.events:,} events of one day on {flavour}: tables made in {limit:.2f} s")
            total = 0.0
            with TemporaryDirectory() as folder, looking(url, [DAY], reported(url, Path(folder))) as (look,):
                for table, declared in CHECKS.items():
                    for check in declared:
                        begun = time.perf_counter()
                        verdict = check.rule(look)
                        seconds = time.perf_counter() - begun
                        total += seconds
                        passed = "passed" if verdict.passed else "failed"
                        click.echo(f"    {table + '/' + check.name:58}{seconds:>8.2f} s  {passed}")
            verdict_in_words = "met" if total <= TARGET * limit else "MISSED"
            click.echo(f"    {'all checks':58}{total:>8.2f} s  {total / limit:.2f} of the day, {verdict_in_words}")


if __name__ == "__main__":
    main()
