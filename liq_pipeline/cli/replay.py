"""``liq replay``: recordings through the real parsers into the event streams, at any speed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from liq_pipeline.cli.replay_session import Ended, play, utc
from liq_pipeline.embedded import servers
from liq_pipeline.embedded.home import Home
from liq_pipeline.errors import ImportRefusedError, ReplayError, ServerError
from liq_pipeline.exchanges.base import Instruments
from liq_pipeline.imports.formats import FORMATS, format_named
from liq_pipeline.imports.sources import Source, find
from liq_pipeline.imports.window import Window
from liq_pipeline.liquidation import Market
from liq_pipeline.replay import commands
from liq_pipeline.replay.present import move_to_present, plays_in_time
from liq_pipeline.replay.reading import Admission
from liq_pipeline.replay.recordings import Recording, Wanted, identify
from liq_pipeline.replay.tape import Inventory, Tape
from liq_pipeline.settings import EXCHANGES, Settings, load_settings
from liq_pipeline.warehouse import contract_sizes, loader, migrate, retention
from liq_pipeline.warehouse.connection import connect

_SHOWN: Final = 5


class _Parsed(click.ParamType[float]):
    """An option read by a function that raises ReplayError."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return value
        try:
            return self._parse(str(value))
        except ReplayError as error:
            self.fail(str(error), param, ctx)


_TIME = _Parsed("time", commands.moment)
_SPEED = _Parsed("number", commands.speed)


@click.command(
    "replay",
    epilog=f"""\b
Examples:
  liq replay recording.csv --speed 100
  liq replay binance.jsonl bybit.jsonl okx.jsonl --from 2025-01-26T17:05 --speed 0
  liq replay frames/ --speed 0 --home /tmp/scratch
  LIQ_HOME=~/.local/share/liq/demo liq replay frames.jsonl --now

\b
While it runs, type a line:
  {commands.HELP}

\b
Exit codes:
  0  everything asked for was played, or it was told to quit
  1  some lines were rejected (kept in liq:rejected), or Redis did not take the last entries
  2  refused: the files, or rows that are named; all others were played
""",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--exchange", metavar="E", help=f"Whose data it is ({', '.join(EXCHANGES)}), if the files do not say.")
@click.option("--market", metavar="M", help="linear or inverse, if the files do not say.")
@click.option("--format", "format_name", metavar="F", help=f"{', '.join(FORMATS)}, if the files do not say.")
@click.option("--contract", metavar="C", help="The contract, for rows and file names that do not name it.")
@click.option("--speed", type=_SPEED, default=1.0, metavar="N", help="Times real time; 0 for no waiting.  [default: 1]")
@click.option("--from", "first", type=_TIME, metavar="TIME", help="Where to begin: recorded time, UTC.")
@click.option("--to", "last", type=_TIME, metavar="TIME", help="Where to end, excluded.")
@click.option("--now", "to_present", is_flag=True, help="Move all times to the present; only in the demo's home.")
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="A scratch home, its servers started for this."
)
def command(
    paths: Sequence[Path],
    exchange: str | None,
    market: str | None,
    format_name: str | None,
    contract: str | None,
    speed: float,
    first: float | None,
    last: float | None,
    to_present: bool,
    home: Path | None,
) -> None:
    """Push recordings through the real parsers into the Redis streams, as if they came from the exchanges.

    Files of any format that `liq import` takes, compressed or not, and folders of them. Several are merged by time:
    when a line was received, where that is recorded, otherwise when the event was. Events keep their own times and
    ids, so what is there already counts once. Days that LIQ_RETENTION_DAYS or LIQ_START_DATE exclude are refused.

    \b
    --now  rewrites the times in the recorded frames. Up to real time the recording
           begins at the present and nothing is played before its time; faster, it
           ends there. Refused outside the demo's home: the events are made up.
    --home leaves your real data alone: a database and Redis of their own in a folder.
    """
    wanted = _wanted(exchange, market, format_name, contract)
    sources = [source for path in paths for source in find(path, FORMATS.get(wanted.format_name or ""))]
    settings = load_settings()
    if home is not None:
        settings = settings.model_copy(
            update={"home": home.expanduser().absolute(), "database_url": None, "redis_url": None}
        )
    if to_present:
        _refuse_real_world(settings)
    console = Console(stderr=True)
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )
    with _servers(settings, scratch=home is not None) as (found, tables):
        recordings = _identified(sources, wanted, found.database_url)
        window = Window(settings, time.time_ns() // 1_000_000)
        admission = None if to_present else Admission(window, partial(_gone, found.database_url))
        with Tape(recordings, admission) as tape:
            _read(tape, sources, console)
            start, stop = _span(tape, first, last)
            if to_present:
                move_to_present(tape, start, stop, speed, window)
            in_time = to_present and plays_in_time(speed)
            ended = asyncio.run(play(tape, found.redis_url, speed, start, stop, in_time, tables, console))
            _say(tape, start, stop, ended)
        if tables is not None:
            tables()
            click.echo(f"{tables.new:,} of them are new in liquidations_raw")
            if tables.refused:
                click.echo(f"{tables.refused:,} could not be landed there; frames_rejected says why")
    if home is not None:
        click.echo(f"to look at it: {_environment(settings)} ./liq up")
    if tape.inventory.refused:
        raise ReplayError(_refused(tape.inventory))
    if ended.progress.rejected or ended.unwritten:
        sys.exit(1)


def _wanted(exchange: str | None, market: str | None, format_name: str | None, contract: str | None) -> Wanted:
    if exchange is not None and exchange not in EXCHANGES:
        raise ReplayError(f"--exchange {exchange!r} is not known; use {' or '.join(EXCHANGES)}")
    if market is not None and market not in list(Market):
        raise ReplayError(f"--market {market!r} is not known; use {' or '.join(Market)}")
    if format_name is not None:
        format_named(format_name)
    return Wanted(exchange, None if market is None else Market(market), format_name, contract)


def _refuse_real_world(settings: Settings) -> None:
    """Made-up events may only reach what a demo made: its own home, and the servers of that home."""
    if not Home(settings.home).is_demo:
        raise ReplayError(
            f"--now makes events up, and LIQ_HOME={settings.home} is not a demo's home: start `liq up --demo`, and "
            f"name its home, as in LIQ_HOME={settings.home / 'demo'} liq replay …"
        )
    own = servers.locate(settings.model_copy(update={"database_url": None, "redis_url": None}))
    if servers.locate(settings) != own:
        raise ReplayError("--now makes events up, and LIQ_DATABASE_URL or LIQ_REDIS_URL is not the demo's: unset them")


@dataclass
class _Tables:
    """Called, brings what has landed in the streams to the tables."""

    servers: servers.Servers
    settings: Settings
    new: int = 0
    refused: int = 0

    def __call__(self) -> None:
        report = loader.drain(self.servers.database_url, self.servers.redis_url, self.settings)
        self.new += report.new
        self.refused += report.refused


@contextlib.contextmanager
def _servers(settings: Settings, *, scratch: bool) -> Iterator[tuple[servers.Servers, _Tables | None]]:
    """The servers to use; those of a scratch home are started if they do not run, and stopped at the end.

    Where they are started nobody else brings the streams to the tables: what does so comes along.
    """
    try:
        found = servers.locate(settings)
    except ServerError:
        if not scratch:
            raise
    else:
        migrate.check(found.database_url)
        yield found, None
        return
    with servers.running(settings, lambda text: click.echo(text, err=True)) as started:
        migrate.migrate(started.database_url)

        yield started, _Tables(started, settings)


def _identified(sources: Sequence[Source], wanted: Wanted, database_url: str) -> list[Recording]:
    """The recordings among the sources, said in as many lines as there are kinds."""

    @cache
    def sizes(exchange: str) -> Instruments:
        with connect(database_url) as connection:
            return contract_sizes.known(connection, exchange)

    recordings: list[Recording] = []
    refusals: list[str] = []
    for source in sources:
        try:
            recordings += filter(None, [identify(source, wanted, sizes)])
        except (ReplayError, ImportRefusedError) as error:
            refusals.append(str(error))
    if refusals:
        more = f"; and {len(refusals) - _SHOWN:,} more files" if len(refusals) > _SHOWN else ""
        raise ReplayError("; ".join(refusals[:_SHOWN]) + more)
    for kind, count in Counter(recording.kind for recording in recordings).items():
        names = [recording.source.name for recording in recordings if recording.kind == kind]
        click.echo(f"{kind}: {names[0]}" + (f" and {count - 1:,} more" if count > 1 else ""))
    return recordings


def _gone(database_url: str, day: date) -> str | None:
    with connect(database_url) as connection:
        return retention.gone(connection, [day]).get(day)


def _environment(settings: Settings) -> str:
    """What a scratch home is to be started with: other settings of retention would drop what was replayed."""
    kept = {"LIQ_HOME": str(settings.home)}
    for name in ("retention_days", "start_date"):
        value = getattr(settings, name)
        if value != Settings.model_fields[name].default:
            kept[f"LIQ_{name.upper()}"] = str(value)
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in kept.items())


def _read(tape: Tape, sources: Sequence[Source], console: Console) -> None:
    columns = TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=sum(source.size for source in sources))
        tape.read(lambda size: bar.update(task, completed=size))


def _span(tape: Tape, first: float | None, last: float | None) -> tuple[int, int]:
    """The positions between two times; raises ReplayError if there is nothing to play."""
    inventory = tape.inventory
    if not len(tape):
        raise ReplayError(_refused(inventory) if inventory.refused else "there are no liquidations in these files")
    start = 0 if first is None else tape.find(first)
    stop = len(tape) if last is None else tape.find(last)
    if start >= stop:
        raise ReplayError(
            f"there is nothing between --from and --to: the recordings go from {utc(tape.times[0])} "
            f"to {utc(tape.times[-1])}"
        )
    return start, stop


def _say(tape: Tape, start: int, stop: int, ended: Ended) -> None:
    inventory, progress = tape.inventory, ended.progress
    click.echo(
        f"{progress.landed:,} liquidations replayed, {progress.rejected:,} lines rejected, in {ended.seconds:,.1f} s "
        f"({progress.landed / max(ended.seconds, 0.001):,.0f}/s)"
    )
    if ended.stopped_at is not None:
        click.echo(f"stopped at {utc(ended.stopped_at)}; go on from there with --from {utc(ended.stopped_at)}")
    if inventory.other:
        click.echo(f"{inventory.other:,} lines are no liquidations (acknowledgements, pongs)")
    if inventory.repeated:
        click.echo(f"{inventory.repeated:,} lines are the same as the line before, and were played once")
    if inventory.elsewhere:
        click.echo(f"{inventory.elsewhere:,} rows are of the other market: replay the file with its --market too")
    for rejected in inventory.first_rejected:
        click.echo(f"  {rejected.name}, line {rejected.number}: {rejected.reason}")
    if more := inventory.rejected - len(inventory.first_rejected):
        click.echo(f"  … and {more:,} more; all of them are in liq:rejected")
    if ended.unwritten:
        click.echo(f"liq: {ended.unwritten:,} entries were not played, Redis did not take them", err=True)


def _refused(inventory: Inventory) -> str:
    refused = inventory.refused
    return f"{refused.total():,} rows of {min(refused)} to {max(refused)} were not replayed: " + "; ".join(
        sorted(inventory.refusals)
    )
