"""``liq heal``: what was missed, fetched from the venues' own history."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import click

from liq_pipeline import exchanges
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.demo import history_late_ms, refuse_real_venues, with_simulated_venues
from liq_pipeline.errors import SettingsError, VenueError
from liq_pipeline.healing.gaps import Gap
from liq_pipeline.healing.heal import HealReport, heal_gaps, heal_span
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse import migrate

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_SHOWN = 10


@click.command(
    "heal",
    epilog="""\b
Examples:
  liq heal                                      the gaps of every feed that has a history
  liq heal --from 2026-11-20 --to 2026-11-21    whole days, gaps or not
  liq heal --exchange okx:inverse

\b
Exit codes:
  0  asked; what is not healed is listed with the reason
  1  an exchange could not be asked
""",
)
@click.option("--from", "first", type=_DAY, help="First UTC day, YYYY-MM-DD; default: the gaps only.")
@click.option("--to", "last", type=_DAY, help="Last UTC day, included.")
@click.option("--exchange", "feed", help="Only this feed; default those of LIQ_EXCHANGES.")
def command(first: datetime | None, last: datetime | None, feed: str | None) -> None:
    """Fill gaps from the exchanges' own history.

    OKX tells its liquidations of seven days over REST. What is missing lands in the streams as if it had come by the
    socket, with the same event_id, and its days are made again by themselves while `liq up` runs. A gap counts as
    healed when the history was asked late enough to hold everything of it, and reached back beyond it.

    `liq up` does this by itself: after every gap, and each night for the whole day before.
    """
    if (first is None) is not (last is None):
        raise click.UsageError("--from and --to belong together")
    if first is not None and last is not None and last < first:
        raise click.UsageError(f"--from {first.date()} is after --to {last.date()}: exchange them")
    settings = with_simulated_venues(load_settings())
    feeds = _feeds(settings, feed)
    refuse_real_venues(settings, feeds)
    found = servers.locate(settings)
    migrate.check(found.database_url)
    failed = False
    for name in feeds:
        try:
            _print(name, _heal(name, settings, found, first, last))
        except VenueError as error:
            click.echo(f"liq: {error}", err=True)
            failed = True
    if failed:
        sys.exit(1)


def _feeds(settings: Settings, feed: str | None) -> list[str]:
    if feed is not None:
        exchanges.adapter(feed)
        return [feed]
    feeds = [name for name in settings.exchanges if exchanges.history(name)]
    if not feeds:
        having = ", ".join(name for name in exchanges.FEEDS if exchanges.history(name))
        raise SettingsError(
            f"LIQ_EXCHANGES={','.join(settings.exchanges)} names no exchange that publishes its history; {having} do"
        )
    return feeds


def _heal(
    feed: str, settings: Settings, found: servers.Servers, first: datetime | None, last: datetime | None
) -> HealReport | None:
    now, history = time.time_ns() // 1_000_000, exchanges.history(feed)
    late_ms = None if history is None else history_late_ms(settings, history)
    if first is None or last is None:
        return heal_gaps(feed, settings, found.database_url, found.redis_url, now=now, late_ms=late_ms)
    start, end = _ms(first), _ms(last + timedelta(days=1))
    return heal_span(feed, settings, found.database_url, found.redis_url, start, end, now=now, late_ms=late_ms)


def _ms(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp()) * 1000


def _print(feed: str, report: HealReport | None) -> None:
    if report is None:
        click.echo(f"{feed}: no gap that its history could fill")
        return
    click.echo(
        f"{feed}: {report.rows:,} liquidations from {_utc(report.span.start)} to {_utc(report.span.end)} in "
        f"{report.requests:,} requests; landed {report.in_gaps:,} of gaps and {report.missed:,} besides, "
        f"{report.rejected:,} rejected"
    )
    _list("healed", report.healed)
    _list("not wholly healed", report.waiting)
    for problem in report.problems:
        click.echo(f"  {problem}")
    if report.waiting and not report.problems:
        click.echo("  the history may still be incomplete so soon after the event: ask again later")


def _list(what: str, gaps: list[Gap]) -> None:
    for gap in gaps[:_SHOWN]:
        click.echo(f"  {what}: {_utc(gap.start)} to {_utc(gap.end)}, {(gap.end - gap.start) / 1000:,.1f} s")
    if len(gaps) > _SHOWN:
        click.echo(f"  {what}: {len(gaps) - _SHOWN:,} more")


def _utc(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
