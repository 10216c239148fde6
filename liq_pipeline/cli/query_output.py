"""An answer of the read API as people read it, and as machines do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Final

import msgspec
import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from liq_pipeline.queries import Column, Columns

MACHINE_FORMATS: Final = ("csv", "json", "parquet")
_MINUTES: Final = "%Y-%m-%d %H:%M"
_GAP: Final = 2
_encoder = msgspec.json.Encoder(decimal_format="number")


def encoded(answer: pl.DataFrame, format_name: str) -> bytes:
    """The whole answer, exact: amounts with all their places, times in ISO 8601 with their zone.

    Lists are words with commas between them in CSV, which has none.
    """
    if format_name == "json":
        return msgspec.json.format(_encoder.encode(answer.to_dicts())) + b"\n"
    buffer = BytesIO()
    if format_name == "parquet":
        answer.write_parquet(buffer)
    else:
        flat = answer.with_columns(pl.col(pl.List(pl.String())).list.join(","))
        flat.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")
    return buffer.getvalue()


def show(console: Console, title: str, answer: pl.DataFrame, columns: Columns) -> list[str]:
    """Print a table of as many columns as fit; the names of those that do not."""
    cells = {column.name: _cells(column, answer[column.name]) for column in columns}
    chosen = _fitting(columns, cells, console.width)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in chosen:
        align = "right" if column.dtype.is_numeric() else "left"
        table.add_column(_heading(column), justify=align, no_wrap=True)  # type: ignore[arg-type]
    for row in zip(*(cells[column.name] for column in chosen), strict=True):
        table.add_row(*row)
    console.print(table, markup=False)
    return [column.name for column in columns if column not in chosen]


def _fitting(columns: Columns, cells: dict[str, list[str]], width: int) -> list[Column]:
    """Ids are long and say little to people: they come last."""
    by_worth = sorted(columns, key=lambda column: column.name.endswith("_id"))
    chosen, left = list[Column](), width
    for column in by_worth:
        needed = max(map(cell_len, [*_heading(column).split("\n"), *cells[column.name]])) + _GAP
        if not chosen or needed <= left:
            chosen.append(column)
            left -= needed
    return [column for column in columns if column in chosen]


def _heading(column: Column) -> str:
    name = column.name.removesuffix("_usd").removesuffix("_seconds").replace("_", " ")
    unit = {"seconds": "s", "USD per coin": "USD", "milliseconds": "ms", "UTC day": "UTC"}.get(column.unit, column.unit)
    return name if unit in ("", "0 to 1") else f"{name}\n{unit}"


def _cells(column: Column, values: pl.Series) -> list[str]:
    return ["-" if value is None else _cell(column, value) for value in values.to_list()]


def _cell(column: Column, value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:{_MINUTES}:%S}"
        case date():
            return str(value)
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value:,.0f}"
        case float():
            return _number(column, value)
        case str():
            return value
        case Sequence():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _number(column: Column, value: float) -> str:
    """Shares as per cent, amounts in whole dollars, prices and coins with six digits that count."""
    if column.unit == "0 to 1" and "risk" not in column.name:
        return f"{value:.2%}"
    if column.unit == "0 to 1":
        return f"{value:.3f}"
    if column.unit in ("USD", "milliseconds"):
        return f"{value:,.0f}"
    if column.unit == "seconds":
        return f"{value:,.1f}"
    if not value:
        return "0"
    places = max(0, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
