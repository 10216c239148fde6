"""What `liq import` prints of what became of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import click

from liq_pipeline.imports.report import ImportReport

_REASONS: Final = 10
"""How many reasons of refused rows are named; there may be one for every contract and day."""


def show(reports: Sequence[ImportReport], seconds: float, *, dry_run: bool) -> set[date]:
    """Print the accounts of files, and of all together; the days that got new rows."""
    for report in reports:
        for line in _lines(report, dry_run):
            click.echo(line)
    rows = sum(report.rows for report in reports)
    if len(reports) > 1:
        click.echo(f"{len(reports):,} files: {_counts(reports)}")
    if rows:
        click.echo(f"{seconds:,.1f} s, {rows / seconds:,.0f} rows/s")
    days: Counter[date] = sum((report.days for report in reports), Counter())
    if dry_run:
        click.echo("a dry run: nothing was landed")
    if days:
        first, last = min(days), max(days)
        become = "would be" if dry_run else "are"
        click.echo(f"{len(days):,} days {become} stale until materialized: liq materialize --from {first} --to {last}")
        for day in sorted(days):
            click.echo(f"  {day}: {days[day]:,} new rows")
    return set(days)


def refused(reports: Sequence[ImportReport]) -> str | None:
    """One sentence on what was not landed and why; None if all was that can be."""
    parts = [report.failure for report in reports if report.failure]
    days: Counter[date] = sum((report.refused for report in reports), Counter())
    if days:
        reasons = sorted(set[str]().union(*(report.refusals for report in reports)))
        more = f"; and {len(reasons) - _REASONS:,} more reasons" if len(reasons) > _REASONS else ""
        parts.append(
            f"{days.total():,} rows of {min(days)} to {max(days)} were not imported: "
            + "; ".join(reasons[:_REASONS])
            + more
        )
    return "; ".join(parts) or None


def _counts(reports: Sequence[ImportReport]) -> str:
    rows, new, duplicate, rejected = (
        sum(getattr(report, name) for report in reports) for name in ("rows", "new", "duplicate", "rejected")
    )
    refusals = sum(report.refused.total() for report in reports)
    text = f"{rows:,} rows read, {new:,} new, {duplicate:,} duplicate, {rejected:,} rejected"
    return text + (f", {refusals:,} refused" if refusals else "")


def _lines(report: ImportReport, dry_run: bool) -> Iterator[str]:
    if report.resumed_after:
        yield f"{report.name}: goes on after line {report.resumed_after:,}, where an earlier import was interrupted"
    yield f"{report.name}: {_counts([report])}"
    if report.other:
        yield f"  {report.other:,} lines are no liquidations (acknowledgements, pongs, headers)"
    if report.elsewhere:
        yield f"  {report.elsewhere:,} rows are of the other market: import the file with its --market too"
    for rejected in report.first_rejected:
        yield f"  line {rejected.number}: {rejected.reason}"
    if more := report.rejected - len(report.first_rejected):
        yield f"  … and {more:,} more" + ("" if dry_run else "; all of them are in frames_rejected")
