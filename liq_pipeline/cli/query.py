"""``liq query``: the read API on the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
import polars as pl
from rich.console import Console
from rich.table import Table

from liq_pipeline import queries
from liq_pipeline.cli.query_output import MACHINE_FORMATS, encoded, show
from liq_pipeline.errors import QueryError
from liq_pipeline.queries import QUERIES, Query, Span, Store
from liq_pipeline.settings import load_settings

_DAY: Final = click.DateTime(formats=["%Y-%m-%d"])
_WIDE: Final = 1_000
"""Columns of a table that goes into a file or another program, where nothing has to fit."""


class _Usd(click.ParamType[Decimal]):
    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(str(value).replace(",", ""))
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount: write 250000", param, ctx)
        if not number.is_finite():
            self.fail(f"{value!r} is not an amount: write 250000", param, ctx)
        return number


@click.command("query")
@click.argument("name", required=False)
@click.option("--hours", type=click.FloatRange(0, 1e6, min_open=True), metavar="N", help="The last N.  [default: 24]")
@click.option("--day", type=_DAY, metavar="D", help="One UTC day.")
@click.option("--from", "first", type=_DAY, metavar="D", help="First UTC day.")
@click.option("--to", "last", type=_DAY, metavar="D", help="Last UTC day, included.  [default: today]")
@click.option("--symbol", metavar="S", help="Of one symbol, such as BTCUSDT.")
@click.option("--exchange", metavar="E", help="Of one exchange.")
@click.option("--side", type=click.Choice(["LONG", "SHORT"], case_sensitive=False), help="Which positions they were.")
@click.option("--min-usd", type=_Usd(), metavar="USD", help="Of at least so much.")
@click.option("--limit", type=click.IntRange(1, 10**9), metavar="N", help="At most so many rows.")
@click.option(
    "--format", "format_name", type=click.Choice(["table", *MACHINE_FORMATS]), help="How to write the answer."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where to write it.")
@click.option("--columns", is_flag=True, help="Say what the answer's columns are, and ask nothing.")
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Ask the servers of this home.")
def command(
    name: str | None,
    hours: float | None,
    day: datetime | None,
    first: datetime | None,
    last: datetime | None,
    format_name: str | None,
    out: Path | None,
    columns: bool,
    home: Path | None,
    **said: Any,
) -> None:
    """Ask the tables, or Redis for what happens now: as a table, CSV, JSON or Parquet.

    NAME is one of those that `liq query` alone lists. Tables round, as people read them; the other formats are exact.
    An empty answer is no error: why it is empty is said on standard error.

    \b
      liq query cascades --hours 24 --symbol BTCUSDT
      liq query hourly --from 2026-11-01 --to 2026-11-20 --format csv --out hourly.csv
    """
    if name is None:
        _list_queries()
        return
    query = _find(name)
    if columns:
        _list_columns(query)
        return
    about_time = {"hours": hours, "day": day, "from": first, "to": last}
    values = {option: value for option, value in said.items() if value is not None}
    _refuse_unknown(query, {**values, **{option: value for option, value in about_time.items() if value is not None}})
    if "side" in values:
        values["side"] = values["side"].upper()
    if "exchange" in values:
        values["exchange"] = values["exchange"].lower()
    if "span" in query.accepts:
        values["span"] = _span(hours, day, first, last)
    settings = load_settings()
    if home is not None:
        updated = {"home": home.expanduser().absolute(), "database_url": None, "redis_url": None}
        settings = settings.model_copy(update=updated)
    format_name = _format(format_name, out)
    with queries.connect(settings) as store:
        answer = query.function(store, **values)
        _write(query, values, answer, format_name, out)
        if answer.is_empty():
            click.echo(f"liq: {_why_empty(store, query, values)}", err=True)
        elif len(answer) == values.get("limit", query.accepts.get("limit")):
            click.echo(f"liq: there may be more than {len(answer):,} rows: --limit N asks for N", err=True)


def _find(name: str) -> Query:
    found = QUERIES.get(name.lower().replace("-", "_"))
    if found is None:
        close = get_close_matches(name.lower().replace("-", "_"), QUERIES, n=1)
        meant = f", perhaps you mean {close[0]}" if close else ""
        raise QueryError(f"there is no query {name!r}{meant}: `liq query` lists them")
    return found


def _refuse_unknown(query: Query, said: Mapping[str, object]) -> None:
    takes = [option for name in query.accepts for option in (_SPAN_OPTIONS if name == "span" else (name,))]
    wrong = [_flag(option) for option in said if option not in takes]
    if wrong:
        known = ", ".join(map(_flag, takes)) or "no options but --format, --out and --home"
        raise QueryError(f"{query.name} takes no {' and no '.join(wrong)}: it takes {known}")
    if lacking := [name for name in query.needs if name != "span" and name not in said]:
        raise QueryError(f"{query.name} needs {' and '.join(map(_flag, lacking))}: of which is it to tell?")


_SPAN_OPTIONS: Final = ("hours", "day", "from", "to")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _span(hours: float | None, day: datetime | None, first: datetime | None, last: datetime | None) -> Span:
    asked = (("--hours", hours), ("--day", day), ("--from", first or last))
    ways = [name for name, value in asked if value is not None]
    if len(ways) > 1:
        raise QueryError(f"{' and '.join(ways)} exclude each other")
    if day is not None:
        return Span.day(day.date())
    if first is None and last is not None:
        raise QueryError("--to needs --from")
    if first is not None:
        end: date = (last or datetime.now(first.tzinfo)).date()
        return Span.days(first.date(), end)
    return Span.last(24 if hours is None else hours)


def _format(format_name: str | None, out: Path | None) -> str:
    if format_name is None:
        ending = "" if out is None else out.suffix.lstrip(".")
        format_name = ending if ending in MACHINE_FORMATS else "table"
    if format_name == "parquet" and out is None and sys.stdout.isatty():
        raise QueryError("Parquet is no text for a terminal: add --out FILE, or send it to another program")
    return format_name


def _write(query: Query, values: Mapping[str, Any], answer: pl.DataFrame, format_name: str, out: Path | None) -> None:
    try:
        if format_name == "table":
            _write_table(query, values, answer, out)
        elif out is None:
            sys.stdout.buffer.write(encoded(answer, format_name))
            sys.stdout.flush()
        else:
            _replace(out, encoded(answer, format_name))
    except BrokenPipeError:
        # Whoever read it has enough, as `head` does. What Python would still flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_table(query: Query, values: Mapping[str, Any], answer: pl.DataFrame, out: Path | None) -> None:
    fits = out is None and sys.stdout.isatty()
    console = Console(width=None if fits else _WIDE, record=out is not None, quiet=out is not None)
    if answer.is_empty():
        return
    title = f"{query.name}, {values['span']}" if "span" in values else query.name
    left_out = show(console, f"{title}, {len(answer):,} rows", answer, query.columns)
    if left_out:
        click.echo(f"liq: too wide to show {', '.join(left_out)}: --format csv has them", err=True)
    if out is not None:
        _replace(out, console.export_text().encode())


def _replace(out: Path, content: bytes) -> None:
    """Whoever reads the file meanwhile sees the one before."""
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise QueryError(f"--out {out}: {error.strerror}: name a file in a folder that can be written") from None


def _why_empty(store: Store, query: Query, values: Mapping[str, Any]) -> str:
    if query.empty:
        return query.empty
    said = {name: values[name] for name in ("symbol", "exchange") if name in values}
    if "span" in values:
        return queries.why_empty(store, values["span"], **said)
    return queries.why_quiet(store, **said)


def _list_queries() -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("query", "answers", "needs"):
        table.add_column(title, overflow="fold")
    for query in QUERIES.values():
        needs = [query.server, *(_flag(name) for name in query.needs if name != "span")]
        table.add_row(query.name, query.about, " ".join(needs))
    Console().print(table, markup=False)
    click.echo("\n`liq query NAME --columns` says what an answer holds, and what else can be asked.")


def _list_columns(query: Query) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("column", "type", "unit", "meaning"):
        table.add_column(title, overflow="fold")
    for column in query.columns:
        table.add_row(column.name, str(column.dtype), column.unit, column.meaning)
    Console().print(table, markup=False)
    takes = [_flag(option) for name in query.accepts for option in (_SPAN_OPTIONS if name == "span" else (name,))]
    click.echo(f"\n{query.name} takes {' '.join(takes) or 'nothing more'}")
