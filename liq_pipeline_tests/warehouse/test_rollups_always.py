"""Whatever happens to days in whatever order: a rollup is the sum of its day's liquidations, or what it last was."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import days, dropping, policies, reads, retention, rollups
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline_tests.warehouse.making import DAY, KEEP, as_entry, query, utc
from liq_pipeline_tests.warehouse.test_days import burst, land

DAYS = 5
_NEXT = itertools.count()
_UP_TO_DATE = """
SELECT rollup_state.day FROM rollup_state JOIN day_state USING (day)
WHERE table_name = %s AND rollup_state.materialization = day_state.materialization"""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Landing:
    """Events from so many seconds after a day's midnight on: an import, or what comes late."""

    day: int
    seconds: int
    length: int
    symbol: str


@dataclass(frozen=True)
class Making:
    """A day is materialized, rollups included."""

    day: int
    force: bool


@dataclass(frozen=True)
class Compressing:
    """All chunks are compressed."""


@dataclass(frozen=True)
class Dropping:
    """Retention takes the events of the days before this one."""

    day: int


@dataclass
class World:
    """A database, the days an example plays on, and what rollups held when their day lost its events."""

    url: str
    first: date
    timescaledb: bool
    frozen: dict[tuple[str, date], Rows] = field(default_factory=dict)

    def day(self, number: int) -> date:
        return self.first + timedelta(number)

    def play(self, step: Landing | Making | Compressing | Dropping) -> None:
        match step:
            case Landing(day, seconds, length, symbol):
                start = day_span(self.day(day)).start + seconds * 1000
                land(self.url, [as_entry(event) for event in burst(start, length, 15, "30000", symbol)])
            case Making(day, force):
                self.make(self.day(day), force=force)
            case Compressing():
                for table in policies.COMPRESSED if self.timescaledb else ():
                    compress = "SELECT compress_chunk(chunk, if_not_compressed => true) FROM show_chunks(%s) AS chunk"
                    query(self.url, compress, table)
            case Dropping(day):
                self.drop_before(self.day(day))

    def make(self, day: date, *, force: bool = False) -> None:
        try:
            days.materialize_events(self.url, day, KEEP, force=force)
        except DayRefusedError:
            return
        for table in rollups.TABLES:
            rollups.materialize(self.url, table, day, KEEP, force=force)

    def drop_before(self, day: date) -> None:
        if self.timescaledb:
            for table in retention.EVENTS:
                query(self.url, f"SELECT drop_chunks('{table}', %s::timestamptz)", utc(day_span(day).start))
        else:
            forever = Settings(retention_days=1, rollup_retention_days=0)
            dropping.drop(self.url, forever, today=day + timedelta(1))

    def check(self) -> None:
        """Every rollup of every day is right now."""
        wanted = [self.day(number) for number in range(-1, DAYS + 1)]
        with connect(self.url) as connection:
            gone = retention.gone(connection, wanted)
            for table in rollups.TABLES:
                current = {day for (day,) in connection.execute(_UP_TO_DATE, (table,)).fetchall()}
                held = self.by_day(connection, f"SELECT * FROM {table} WHERE {rollups.TABLES[table]} >= %(start)s")
                statement = rollups._statement(table).decode()
                summed = self.by_day(connection, statement[statement.index("SELECT") :])
                for day in wanted:
                    if day in gone:
                        assert held[day] == self.frozen.get((table, day), [])
                        continue
                    if day in current:
                        assert held[day] == summed[day]
                    self.frozen[table, day] = held[day]

    def by_day(self, connection: Connection, select: str) -> defaultdict[date, Rows]:
        """Rows from the first day on, each day's in an order of its own; their first column is the time."""
        bounds = {"start": utc(day_span(self.day(-1)).start), "end": utc(day_span(self.day(DAYS + 1)).start)}
        found = defaultdict(list)
        for row in sorted(connection.execute(select.encode(), bounds).fetchall(), key=repr):
            found[row[0].date()].append(row)
        return found


NUMBERS = st.integers(0, DAYS - 1)
STEPS = st.one_of(
    st.builds(
        Landing,
        NUMBERS,
        st.sampled_from([0, 20, 43_200, 14_390, 86_300, 86_399]),
        st.sampled_from([1, 60, 200]),
        st.sampled_from(["BTCUSDT", "SOLUSDT"]),
    ),
    st.builds(Making, NUMBERS, st.booleans()),
    st.builds(Making, NUMBERS, st.just(False)),
    st.builds(Compressing),
    st.builds(Dropping, NUMBERS),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_every_rollup_equals_the_same_select_over_liquidations(
    steps: list[Landing | Making | Compressing | Dropping], warehouse_url: str
) -> None:
    with connect(warehouse_url) as connection:
        timescaledb = reads.flavour(connection).timescaledb
    # Days that no other example has played on, since what was dropped stays so.
    world = World(warehouse_url, DAY + timedelta((DAYS + 3) * next(_NEXT)), timescaledb)
    for step in steps:
        world.play(step)
        world.check()
    for number in range(DAYS):
        world.make(world.day(number))
    world.check()
