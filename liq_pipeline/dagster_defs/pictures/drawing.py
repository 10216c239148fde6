"""Which tables have a picture, and the rows it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from liq_pipeline.dagster_defs.descriptions import meanings
from liq_pipeline.dagster_defs.partitions import window
from liq_pipeline.warehouse.connection import READER, connect

_FOLDER: Final = Path(__file__).parent


def draw(database_url: str, table: str, day: date) -> bytes:
    """The PNG of a day of one of DRAWN; the day has rows. Raises ServerError."""
    return DRAWN[table](database_url, day)


# matplotlib is imported by those who draw, in the function that draws: everyone else starts a second sooner.
def _events(database_url: str, day: date) -> bytes:
    from liq_pipeline.plots import events

    return events.draw(day, [events.Minute(*row) for row in _rows(database_url, "minutes", day)])


def _cascades(database_url: str, day: date) -> bytes:
    from liq_pipeline.plots import cascades

    return cascades.draw(day, [cascades.Cascade(*row) for row in _rows(database_url, "cascades", day)])


def _shares(database_url: str, day: date) -> bytes:
    from liq_pipeline.plots import shares

    found = [shares.Share(*row) for row in _rows(database_url, "shares", day)]
    return shares.draw(day, found, meanings(database_url, day))


def _coverage(database_url: str, day: date) -> bytes:
    from liq_pipeline.plots import coverage

    feeds = [coverage.Feed(*row) for row in _rows(database_url, "feeds", day)]
    return coverage.draw(day, feeds, [coverage.Gap(*row) for row in _rows(database_url, "gaps", day)])


def _hours(database_url: str, day: date) -> bytes:
    from liq_pipeline.plots import hours

    return hours.draw(day, [hours.Hour(*row) for row in _rows(database_url, "hours", day)])


DRAWN: Final[Mapping[str, Callable[[str, date], bytes]]] = {
    "liquidations": _events,
    "liquidation_cascades": _cascades,
    "liquidation_exchange_comparison": _shares,
    "feed_coverage": _coverage,
    "liquidation_report": _hours,
}
"""How each table's picture is drawn."""


def _rows(database_url: str, query: str, day: date) -> list[tuple[Any, ...]]:
    start, end = window(day)
    text = (_FOLDER / f"{query}.sql").read_bytes()
    with connect(database_url, role=READER) as connection:
        return connection.execute(text, {"start": start, "end": end}).fetchall()
