"""`liq collect`: the collector in the foreground, the same that the Dagster job runs."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.text import Text

from liq_pipeline import exchanges
from liq_pipeline.collector.run import CollectReport, FeedStatus, collect
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.demo import refuse_real_venues
from liq_pipeline.settings import Settings, load_settings

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPARSE_SECONDS: Final = 60.0


class Duration(click.ParamType[float]):
    """``90s``, ``5m``, ``1h``, ``2d``; in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is no duration; write 90s, 5m, 1h or 2d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.command(
    epilog="""\b
Examples:
  liq collect                              every configured exchange, until Ctrl-C
  liq collect --exchanges binance,okx --for 5m
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
def command(names: str | None, seconds: float | None) -> None:
    """Collect liquidations in the foreground.

    Connects to the exchanges and lands every liquidation in the Redis streams liq:events:<exchange>; Dagster or
    `liq materialize` bring them into the tables. Connections are kept for ever and renewed without a gap. Frames
    that are not understood go to liq:rejected and never stop a feed. If Redis goes away, events are buffered and
    written when it is back.

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
    console = Console()
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    report = asyncio.run(_collect(settings, feeds or settings.exchanges, redis_url, seconds, console))
    for status in report.feeds:
        console.print(_line(status, None), highlight=False)
    if report.unwritten:
        click.echo(f"liq: {report.unwritten:,} entries were lost, Redis did not take them before the end", err=True)
        sys.exit(1)


async def _collect(
    settings: Settings, feeds: Sequence[str], redis_url: str, seconds: float | None, console: Console
) -> CollectReport:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        # The second signal is not ours any more: it ends a stop that takes too long.
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    until_ms = None if seconds is None else int((time.time() + seconds) * 1000)
    with ExitStack() as stack:
        display = _Display(console, stack)
        return await collect(settings, feeds, redis_url=redis_url, until_ms=until_ms, stop=stop, watch=display.show)


class _Display:
    """One line a feed: refreshed in place on a terminal, otherwise printed when it changes and once a minute."""

    def __init__(self, console: Console, stack: ExitStack) -> None:
        self._console = console
        self._live = stack.enter_context(Live(console=console, transient=True)) if console.is_terminal else None
        self._since = self._printed = time.monotonic()
        self._states: dict[str, str] = {}

    def show(self, statuses: Sequence[FeedStatus]) -> None:
        now = time.monotonic()
        elapsed = max(now - self._since, 1.0)
        if self._live is not None:
            self._live.update(Text("\n").join(_line(status, elapsed) for status in statuses))
            return
        due = now - self._printed >= _SPARSE_SECONDS
        for status in statuses:
            if due or self._states.get(status.feed) != status.state:
                self._console.print(_line(status, elapsed), highlight=False, soft_wrap=True)
                self._states[status.feed] = status.state
        if due:
            self._printed = now


def _line(status: FeedStatus, elapsed: float | None) -> Text:
    rate = "" if elapsed is None else f" ({status.events / elapsed:,.1f}/s)"
    error = f"  {status.error}" if status.error else ""
    return Text(
        f"{status.feed:<16} {status.state:<12} {status.events:>9,} events{rate}, {status.rejected:,} rejected, "
        f"{status.reconnects:,} reconnects{error}"
    )
