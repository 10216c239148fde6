"""The report of a day: how long it takes, in how much memory, and how large the file is.

Run by hand: ``python -m benchmarks.report [--events N] [--database-url U]``.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import click

from benchmarks.databases import arguments, flavours, servers
from benchmarks.day import DAY, KEEP, land
from liq_pipeline import queries, report
from liq_pipeline.warehouse import days, rollups

SECONDS: Final = 10.0
MEBIBYTES: Final = 1024.0


class Made(NamedTuple):
    """Seconds to ask and to draw, bytes of the page, and the most memory the process had, in MiB."""

    asking: float
    drawing: float
    size: int
    peak: float


def make(database_url: str) -> Made:
    """The report of the day, in this process."""
    begun = time.perf_counter()
    with queries.connect(KEEP, database_url=database_url) as store:
        day = report.gather(store, DAY)
    middle = time.perf_counter()
    page = report.render(day)
    return Made(middle - begun, time.perf_counter() - middle, len(page.encode()), _peak())


def _peak() -> float:
    """The most memory this program had, in MiB; getrusage would count the process it was forked from, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, events=1_000_000)
    with servers(options.database_url, options.redis_url) as (database_url, _):
        click.echo(f"the report of a day of {options.events:,} events; limits: {SECONDS:.0f} s, {MEBIBYTES:,.0f} MiB")
        click.echo(f"{'':32}{'asking':>10}{'drawing':>10}{'together':>10}{'memory':>14}{'file':>12}")
        for flavour, url in flavours(database_url):
            land(url, options.events)
            days.materialize_events(url, DAY, KEEP)
            for table in rollups.TABLES:
                rollups.materialize(url, table, DAY, KEEP)
            # A process of its own: this one has held a million rows.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                made = pool.submit(make, url).result()
            whole = made.asking + made.drawing
            verdict = "met" if whole <= SECONDS and made.peak <= MEBIBYTES else "MISSED"
            click.echo(
                f"{flavour:32}{made.asking:>8.2f} s{made.drawing:>8.2f} s{whole:>8.2f} s"
                f"{made.peak:>10,.0f} MiB{made.size / 1000:>9,.0f} kB  {verdict}"
            )


if __name__ == "__main__":
    main()
