"""``liq simulate``: frames in the venues' wire formats, and the ledger of what they mean."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from liq_pipeline.errors import SettingsError
from liq_pipeline.simulate.ledger import Outcome
from liq_pipeline.simulate.market import DEFAULT_START_MS
from liq_pipeline.simulate.simulation import Summary, simulate, write


def _start(ctx: click.Context, param: click.Parameter, value: str | None) -> int:
    if value is None:
        return DEFAULT_START_MS
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not an ISO time such as 2026-11-10T23:30") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not datetime(2019, 1, 1, tzinfo=UTC) <= moment <= datetime(2099, 1, 1, tzinfo=UTC):
        raise click.BadParameter(f"{value!r} is outside 2019 to 2098")
    return int(moment.timestamp() * 1000)


@click.command("simulate")
@click.option("--events", type=click.IntRange(1), required=True, help="How many true liquidations.")
@click.option("--seed", type=int, required=True, help="The same seed gives the same bytes.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("simulated"),
    show_default=True,
    help="Folder for binance.jsonl, bybit.jsonl, okx.jsonl and ledger.jsonl; files of those names are replaced.",
)
@click.option(
    "--start",
    callback=_start,
    metavar="ISO",
    help="Time of the first liquidations, UTC unless it says otherwise.  [default: 2026-11-10T23:30]",
)
@click.option("--throttle", is_flag=True, help="Binance and OKX publish one event per contract and second, as in life.")
@click.option("--defects", is_flag=True, help="Plant repeated, disordered, broken and foreign frames.")
def command(events: int, seed: int, out: Path, start: int, throttle: bool, defects: bool) -> None:
    """Write frames in the venues' own wire formats, and the ledger of the events they mean.

    The tables built from the frames match the ledger's "landed" rows exactly. Land them with

    \b
      liq import simulated/binance.jsonl --exchange binance --market linear --format frames

    and the same for bybit and okx. Cascades are in it, one of them over midnight with the default start.
    """
    console = Console(stderr=True)
    lines = simulate(events, seed, start, throttle=throttle, defects=defects)
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("simulating", total=events)
            summary = write(lines, out, lambda count: progress.advance(task, count))
    except OSError as error:
        raise SettingsError(f"--out {out}: cannot write there ({error.strerror}); name another folder") from None
    _print(summary)


def _print(summary: Summary) -> None:
    console = Console(file=sys.stdout, highlight=False)
    if summary.first_ms is not None and summary.last_ms is not None:
        console.print(f"{_utc(summary.first_ms)} to {_utc(summary.last_ms)} UTC")
    table = Table(box=None, pad_edge=False)
    table.add_column("events by venue")
    table.add_column("", justify="right")
    table.add_column("by symbol")
    table.add_column("", justify="right")
    venues, symbols = summary.venues.most_common(), summary.symbols.most_common()
    for index in range(max(len(venues), len(symbols))):
        left = venues[index] if index < len(venues) else ("", "")
        right = symbols[index] if index < len(symbols) else ("", "")
        table.add_row(left[0], str(left[1]), right[0], str(right[1]))
    console.print(table)
    console.print(
        "ledger: "
        + ", ".join(f"{summary.outcomes[outcome]} {outcome}" for outcome in Outcome if outcome in summary.outcomes)
    )
    for path in summary.files.values():
        console.print(f"  {path}", soft_wrap=True)


def _utc(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
