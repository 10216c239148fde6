"""What a day must satisfy, measured in one statement each, judged by pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import sql

from liq_pipeline.dagster_defs.partitions import window
from liq_pipeline.dagster_defs.tables import MEASURES
from liq_pipeline.warehouse.connection import READER, connect

_FOLDER: Final = Path(__file__).parent
# By what rows are the same liquidation. Every column of identity is in the raw one, so two rows that share it are one
# landed under two ids. Without the parsed columns of one venue's identity, a fill and a limit price for instance, two
# liquidations of one millisecond would look like one. OKX's posSide is part of its identity, and no column tells net
# from long.
_IDENTITIES: Final = {
    "liquidations_raw": (
        sql.SQL(
            "time, exchange, contract, side, price, limit_price, quantity, ordinal,"
            " CASE exchange WHEN 'okx' THEN jsonb_path_query_first(raw_data, '$.**.posSide') END"
        ),
        sql.SQL("event_id"),
    ),
    "liquidations": (sql.SQL("event_id"),),
}


class Verdict(NamedTuple):
    """Whether a day passed, whether a failure stops what is downstream, why, and the numbers seen."""

    passed: bool
    description: str
    seen: Mapping[str, int | str]
    blocks: bool = True


def no_duplicates(database_url: str, table: str, day: date) -> Verdict:
    """Every liquidation of the day is in the table once."""
    counts = [
        _row(database_url, "duplicates", day, table=sql.Identifier(table), identity=identity)
        for identity in _IDENTITIES[table]
    ]
    return judge_duplicates(table, int(counts[0][0]), int(sum(repeated for _, repeated in counts)))


def matches_raw(database_url: str, day: date) -> Verdict:
    """liquidations holds exactly the day's landed events."""
    return judge_match(*_row(database_url, "matches_raw", day))


def significant_complete(database_url: str, day: date) -> Verdict:
    """liquidations_significant holds exactly the significant events and the members of cascades."""
    return judge_sums("liquidations_significant", *_row(database_url, "significant", day))


def cascades_add_up(database_url: str, day: date) -> Verdict:
    """Each cascade of the day has the events and USD of its members in liquidations, and no member lacks one."""
    return judge_cascades(*_row(database_url, "cascades", day))


def adds_up(database_url: str, table: str, day: date) -> Verdict:
    """A rollup counts every event and every micro-dollar of its day, per exchange and symbol."""
    measure = MEASURES[table]
    row = _row(
        database_url,
        "adds_up",
        day,
        name=table,
        table=sql.Identifier(table),
        time=sql.Identifier(measure.time),
        events=sql.Identifier(measure.events),
        usd=sql.Identifier(measure.usd),
    )
    return judge_rollup(table, *row)


def judge_duplicates(table: str, rows: int, repeated: int) -> Verdict:
    """Passes without repeats."""
    return Verdict(
        repeated == 0,
        f"{rows} rows, each liquidation once" if not repeated else f"{repeated} of {rows} rows of {table} are repeats",
        {"rows": rows, "repeated": repeated},
    )


def judge_match(
    raw_rows: int, raw_usd: Decimal, rows: int, usd: Decimal, raw_version: int, materialized_version: int | None
) -> Verdict:
    """Passes when counts and USD are equal, or when all that differs landed after the day was materialized."""
    seen: dict[str, int | str] = {"raw_rows": raw_rows, "rows": rows, "raw_usd": str(raw_usd), "usd": str(usd)}
    if (raw_rows, raw_usd) == (rows, usd):
        return Verdict(True, f"{rows} events, {usd} USD, as landed", seen)
    if materialized_version is not None and raw_version > materialized_version and raw_rows >= rows:
        # Raw never stands still on a live day. What arrived since made the day stale, and it runs again by itself.
        landed = raw_rows - rows
        return Verdict(True, f"{rows} events as landed when the run read them; {landed} landed since", seen)
    return Verdict(
        False, f"liquidations has {rows} events worth {usd} USD, liquidations_raw {raw_rows} worth {raw_usd} USD", seen
    )


def judge_sums(table: str, expected_rows: int, expected_usd: Decimal, rows: int, usd: Decimal) -> Verdict:
    """Passes when counts and exact USD are equal."""
    passed = (expected_rows, expected_usd) == (rows, usd)
    return Verdict(
        passed,
        f"{rows} events, {usd} USD"
        if passed
        else f"{table} has {rows} events worth {usd} USD, liquidations says {expected_rows} worth {expected_usd} USD",
        {"expected_rows": expected_rows, "rows": rows, "expected_usd": str(expected_usd), "usd": str(usd)},
    )


def judge_cascades(cascades: int, members: int, wrong: int) -> Verdict:
    """Passes when no cascade differs from its members."""
    return Verdict(
        wrong == 0,
        f"{wrong} cascades differ from their members in liquidations"
        if wrong
        else f"{cascades} cascades began, {int(members)} events are members of one",
        {"cascades": cascades, "members": int(members), "wrong": wrong},
    )


def judge_rollup(
    table: str,
    expected_events: int,
    expected_usd: Decimal,
    events: int,
    usd: Decimal,
    wrong_groups: int,
    day_at: int | None,
    rollup_at: int | None,
) -> Verdict:
    """Passes when no exchange and symbol differs; a day rewritten after the rollup is only a warning."""
    totals = judge_sums(table, int(expected_events), expected_usd, int(events), usd)
    if wrong_groups == 0:
        return totals
    seen = {**totals.seen, "wrong_groups": wrong_groups}
    if rollup_at is not None and day_at is not None and rollup_at < day_at:
        text = f"the day was rewritten (materialization {day_at}) after {table} was refreshed (from {rollup_at})"
        return Verdict(False, f"{text}; {wrong_groups} exchange and symbol pairs differ", seen, blocks=False)
    return Verdict(False, f"{wrong_groups} exchange and symbol pairs differ: {totals.description}", seen)


def _row(database_url: str, query: str, day: date, name: str = "", **parts: sql.Composable) -> tuple[Any, ...]:
    text = (_FOLDER / f"{query}.sql").read_text("utf-8")
    start, end = window(day)
    with connect(database_url, role=READER) as connection:
        row = connection.execute(
            sql.SQL(text).format(**parts), {"start": start, "end": end, "day": day, "name": name}
        ).fetchone()
    assert row is not None
    return row
