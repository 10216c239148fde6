"""`liq live`: the live view in the foreground, the same that the Dagster job runs."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.text import Text

from liq_pipeline.cli.foreground import Display, Duration, Shown, console_with_warnings, stopped_by_signals, until
from liq_pipeline.embedded import servers
from liq_pipeline.errors import ServerError
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.run import live
from liq_pipeline.settings import Settings, load_settings


@click.command(
    epilog="""\b
Examples:
  liq live                     until Ctrl-C
  liq live --for 5m
  redis-cli -n 1 HGETALL liq:cascade:status:BTCUSDT

\b
Exit codes:
  0  stopped as asked
  2  could not start: one line says why
"""
)
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Stop after 90s, 5m, 1h, …; default never.")
def command(seconds: float | None) -> None:
    """Show the last hour in Redis as it happens.

    \b
    liq:levels:SYMBOL:LEVEL:SIDE      liquidations of the last hour at a price level
    liq:agg:SYMBOL:60s:MINUTE         the same by minute
    liq:hour:EXCHANGE:SIDE            the same by exchange and side; liq:hour:largest has the largest
    liq:cascade:status:SYMBOL         there while a cascade is active

    Reads the streams that collectors and replays fill, never the exchanges, and can be stopped and started at any
    time. Final cascades go into the table live_cascades, where a check compares them with the day's; without a
    database nothing is recorded.

    `liq up` and `liq collect` run this already. Two views at once do no harm.
    """
    settings = load_settings()
    redis_url, database_url = _servers(settings)
    console = console_with_warnings()
    if database_url is None:
        console.print("no database is configured or running: nothing is recorded", highlight=False)
    report = asyncio.run(_live(settings, redis_url, database_url, seconds, console))
    console.print(_line(report), highlight=False, soft_wrap=True)
    if report.unrecorded:
        console.print(
            f"{report.unrecorded:,} records are not in the database: the next view finds them in the streams, as long "
            "as those hold them",
            highlight=False,
            soft_wrap=True,
        )


def _servers(settings: Settings) -> tuple[str, str | None]:
    """Redis and, where there is one, PostgreSQL; raises ServerError when there is no Redis."""
    database_url = settings.database_url.get_secret_value() if settings.database_url else None
    if settings.redis_url and database_url:
        return settings.redis_url.get_secret_value(), database_url
    try:
        found = servers.locate(settings)
    except ServerError:
        if settings.redis_url:
            return settings.redis_url.get_secret_value(), database_url
        raise
    return found.redis_url, found.database_url


async def _live(
    settings: Settings, redis_url: str, database_url: str | None, seconds: float | None, console: Console
) -> LiveReport:
    with ExitStack() as stack:
        display = Display(console, stack)
        return await live(
            settings,
            redis_url=redis_url,
            database_url=database_url,
            until_ms=until(seconds),
            stop=stopped_by_signals(),
            watch=lambda report: display.show([Shown("live", report.state, _line(report))]),
        )


def _line(report: LiveReport) -> Text:
    at = "no event yet" if report.watermark is None else f"{datetime.fromtimestamp(report.watermark / 1000, UTC):%F %T}"
    return Text(
        f"live view {report.state:<8} {at}, {report.events:,} events ({report.rate:,}/s, {report.lag_ms:,} ms late), "
        f"{report.memory:,} in memory; cascades: {report.active} active, {report.finals:,} final, "
        f"{report.corrections:,} corrected, {report.late:,} events too late"
    )
