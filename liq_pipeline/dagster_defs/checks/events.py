"""Checks of liquidations and liquidations_significant: they are the landed events, all of them, once, in their day."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from psycopg import sql

from liq_pipeline.dagster_defs.checks.catalogue import FORCE, Check
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict

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


def no_duplicates(look: Look, table: str) -> Verdict:
    """Every liquidation of the day is in the table once."""
    counts = [look.row("duplicates", table=sql.Identifier(table), identity=identity) for identity in _IDENTITIES[table]]
    return judge_duplicates(table, int(counts[0][0]), int(sum(repeated for _, repeated in counts)))


def matches_raw(look: Look) -> Verdict:
    """liquidations holds exactly the day's landed events."""
    return judge_match(*look.row("matches_raw"))


def inside_day(look: Look) -> Verdict:
    """Every row has the time, and so the day, under which its event landed."""
    rows, elsewhere, raw_version, materialized_version = look.row("inside_day")
    return judge_inside(rows, elsewhere, raw_version, materialized_version)


def significant_complete(look: Look) -> Verdict:
    """liquidations_significant holds exactly the significant events and the members of cascades."""
    return judge_sums("liquidations_significant", *look.row("significant"))


def significant_inside_day(look: Look) -> Verdict:
    """Every significant row has its event's time in liquidations, and the session of that hour."""
    rows, elsewhere, wrong_sessions = look.row("significant_inside_day")
    wrong = f"{elsewhere} of {rows} rows have no event of their time, {wrong_sessions} the session of another hour"
    return Verdict(
        not elsewhere and not wrong_sessions,
        wrong if elsewhere or wrong_sessions else f"{rows} rows, each at its event's time",
        {"rows": rows, "elsewhere": elsewhere, "wrong_sessions": wrong_sessions},
    )


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


def judge_inside(rows: int, elsewhere: int, raw_version: int, materialized_version: int | None) -> Verdict:
    """Passes when every row landed at its time; one that was read again since is only a warning."""
    seen = {"rows": rows, "elsewhere": elsewhere}
    if not elsewhere:
        return Verdict(True, f"{rows} rows, each at the time its event landed with", seen)
    changed = materialized_version is not None and raw_version > materialized_version
    return Verdict(
        False,
        f"{elsewhere} of {rows} rows have no landed event of their time"
        + ("; raw rows changed since the day was materialized" if changed else ""),
        seen,
        severe=not changed,
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


# All of them block: the rollups and the significant rows are sums and copies of liquidations.
LIQUIDATIONS: Final = (
    Check(
        "no_duplicates",
        lambda look: no_duplicates(look, "liquidations"),
        "No event_id twice on a day. If it fails: look at liquidations_raw/no_duplicates of the same day first; if "
        f"that passes, something wrote to liquidations beside its asset: {FORCE}.",
        blocking=True,
    ),
    Check(
        "matches_raw",
        matches_raw,
        f"As many events and USD as landed in liquidations_raw. If it fails: {FORCE}; if it fails again, raw rows "
        "changed without raising day_state.raw_version: find who wrote to liquidations_raw.",
        blocking=True,
    ),
    Check(
        "inside_day",
        inside_day,
        "Every row has the time with which its event landed, so that it is in its own day. If it fails: "
        f"{FORCE}; a warning that raw rows changed since mends itself with the next run of the day.",
        blocking=True,
    ),
)
# Nothing is made of the significant rows, but a run whose tables are not what they must be is not green.
SIGNIFICANT: Final = (
    Check(
        "complete",
        significant_complete,
        f"Exactly the significant events and members of cascades of liquidations. If it fails: {FORCE}.",
        blocking=True,
    ),
    Check(
        "inside_day",
        significant_inside_day,
        "Every row has its event's time in liquidations, and session_type is that of its hour. If it fails: "
        f"{FORCE}; if it fails again, the sessions in warehouse/day_rows.py are not the contract's.",
        blocking=True,
    ),
)
