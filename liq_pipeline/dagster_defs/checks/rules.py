"""What a check is given and what it answers: a day to look at, and a verdict on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.rows import dict_row

from liq_pipeline.dagster_defs.partitions import window
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import READER, Connection, connect

_FOLDER: Final = Path(__file__).parent

# Tables just written have no statistics: PostgreSQL takes them for a few rows, and would go through the cascades once
# for every event. Where there is no other way it joins like that all the same, but believes the cost to be so high that
# it would compile the query first, for longer than a day takes.
_PLANNING: Final = "SELECT set_config('enable_nestloop', 'off', false), set_config('jit', 'off', false)"

Row = Mapping[str, Any]


class Verdict(NamedTuple):
    """Whether a day passed, in words, with the numbers seen and the worst rows, worst first.

    A failure that is not ``severe`` only warns: it stops nothing, even where the check blocks.
    """

    passed: bool
    description: str
    seen: Mapping[str, int | float | str] = {}
    severe: bool = True
    worst: Sequence[Mapping[str, object]] = ()


@dataclass
class Look:
    """A UTC day of the tables, looked at as the reader over one connection; ``now`` says how much of it is over."""

    connection: Connection
    day: date
    settings: Settings
    now: datetime

    @property
    def start(self) -> datetime:
        """Midnight, UTC."""
        return window(self.day)[0]

    @property
    def end(self) -> datetime:
        """The next midnight, which is no longer the day."""
        return window(self.day)[1]

    def row(self, query: str, **values: object) -> tuple[Any, ...]:
        """The only row of ``query``; see ``rows``."""
        row = self.connection.execute(*self._statement(query, values)).fetchone()
        assert row is not None
        return row

    def rows(self, query: str, **values: object) -> list[Row]:
        """The rows of ``{query}.sql`` beside this module, by column name.

        Given are ``%(start)s``, ``%(end)s`` (excluded), ``%(day)s`` and ``values``: those that are SQL (names of
        tables, say) in place of ``{name}``, all others bound to ``%(name)s``.
        """
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return list[Row](cursor.execute(*self._statement(query, values)).fetchall())

    @cached_property
    def landed(self) -> list[Row]:
        """The day's raw rows counted by exchange, market, symbol and hour, in the one scan that many checks share."""
        return self.rows("landed", ahead=self.settings.clock_ahead_seconds, late=self.settings.delivery_seconds)

    def _statement(self, query: str, values: Mapping[str, object]) -> tuple[sql.Composed, dict[str, object]]:
        text = (_FOLDER / f"{query}.sql").read_text("utf-8")
        parts = {name: value for name, value in values.items() if isinstance(value, sql.Composable)}
        bound = {name: value for name, value in values.items() if name not in parts}
        return sql.SQL(text).format(**parts), {"start": self.start, "end": self.end, "day": self.day, **bound}


@contextmanager
def looking(database_url: str, days: Sequence[date], settings: Settings) -> Iterator[list[Look]]:
    """A look at each of ``days``; raises ServerError."""
    with connect(database_url, autocommit=True, role=READER) as connection:
        connection.execute(_PLANNING)
        now = datetime.now(UTC)
        yield [Look(connection, day, settings, now) for day in days]
