"""`liq collect`: the collector in the foreground, the same that the Dagster job runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext

import click
from rich.console import Console
from rich.text import Text

from liq_pipeline import exchanges
from liq_pipeline.cli.beside import live_beside
from liq_pipeline.cli.foreground import Display, Duration, Shown, console_with_warnings, stopped_by_signals, until
from liq_pipeline.collector.run import CollectReport, FeedStatus, collect
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.demo import refuse_real_venues
from liq_pipeline.settings import Settings, load_settings


@click.command(
    epilog="""\b
Examples:
  liq collect                              every configured exchange, until Ctrl-C
  liq collect --exchanges binance,okx --for 5m
  liq collect --no-live                    where `liq live` runs by itself
  LIQ_SYMBOLS=BTCUSDT liq collect          one symbol

\b
Exit codes:
  0  stopped as asked, everything received is in Redis
  1  stopped, but Redis did not take the last entries
  2  could not start: one line says why
"""
)
@click.option("--exchanges", "names", metavar="A,B", help="Feeds to collect; default LIQ_EXCHANGES.")
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Stop after 90s, 5m, 1h, …; default never.")
@click.option("--live/--no-live", default=True, help="Keep the live view beside it, as `liq live`; default yes.")
def command(names: str | None, seconds: float | None, live: bool) -> None:
    """Collect liquidations in the foreground.

    Connects to the exchanges and lands every liquidation in the Redis streams liq:events:<exchange>; Dagster or
    `liq materialize` bring them into the tables. Connections are kept for ever and renewed without a gap. Frames
    that are not understood go to liq:rejected and never stop a feed. If Redis goes away, events are buffered and
    written when it is back.

    Beside it runs the live view, which shows the last hour in Redis: see `liq live --help`.

    `liq up` runs this already. Two collectors at once do no harm: an event that arrives twice counts once.

    \b
    States: connecting, live, silent (connected, nothing comes), backing_off
    (waiting before the next attempt), blocked (Redis takes nothing), crashed.
    """
    settings = load_settings()
    feeds = tuple(dict.fromkeys(name.strip().lower() for name in (names or "").split(",") if name.strip()))
    for feed in feeds:
        exchanges.adapter(feed)
    refuse_real_venues(settings, feeds or settings.exchanges)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else servers.locate(settings).redis_url
    console = console_with_warnings()
    with live_beside(console.print) if live else nullcontext() as look_after:
        report = asyncio.run(_collect(settings, feeds or settings.exchanges, redis_url, seconds, console, look_after))
    for status in report.feeds:
        console.print(_line(status, None), highlight=False)
    if report.unwritten:
        click.echo(f"liq: {report.unwritten:,} entries were lost, Redis did not take them before the end", err=True)
        sys.exit(1)


async def _collect(
    settings: Settings,
    feeds: Sequence[str],
    redis_url: str,
    seconds: float | None,
    console: Console,
    look_after: Callable[[], None] | None,
) -> CollectReport:
    with ExitStack() as stack:
        display = Display(console, stack)

        def watch(statuses: Sequence[FeedStatus]) -> None:
            elapsed = display.elapsed
            display.show([Shown(status.feed, status.state, _line(status, elapsed)) for status in statuses])
            if look_after is not None:
                look_after()

        return await collect(
            settings, feeds, redis_url=redis_url, until_ms=until(seconds), stop=stopped_by_signals(), watch=watch
        )


def _line(status: FeedStatus, elapsed: float | None) -> Text:
    rate = "" if elapsed is None else f" ({status.events / elapsed:,.1f}/s)"
    error = f"  {status.error}" if status.error else ""
    return Text(
        f"{status.feed:<16} {status.state:<12} {status.events:>9,} events{rate}, {status.rejected:,} rejected, "
        f"{status.reconnects:,} reconnects{error}"
    )
