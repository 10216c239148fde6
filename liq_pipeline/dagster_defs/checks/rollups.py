"""Checks of the rollups: they are the sums of liquidations, in buckets that begin where buckets begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from psycopg import sql

from liq_pipeline.dagster_defs.checks.catalogue import FORCE, Check
from liq_pipeline.dagster_defs.checks.events import judge_sums
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict
from liq_pipeline.dagster_defs.tables import MEASURES

_BUCKETS: Final = {
    "liquidations_hourly": timedelta(hours=1),
    "liquidation_price_levels": timedelta(hours=1),
    "liquidation_exchange_comparison": timedelta(hours=4),
}


def adds_up(look: Look, table: str) -> Verdict:
    """A rollup counts every event and every micro-dollar of its day, per exchange and symbol."""
    return judge_rollup(table, *look.row("adds_up", name=table, **_names(table)))


def inside_day(look: Look, table: str) -> Verdict:
    """A rollup's buckets begin on the hour, or every four hours from midnight, and each holds its own events."""
    buckets, misaligned, wrong, *states = look.row("buckets", name=table, width=_BUCKETS[table], **_names(table))
    return judge_buckets(buckets, misaligned, wrong, *states)


def totals(look: Look) -> Verdict:
    """``liquidation_totals`` is what the hours and the significant events of the day add up to."""
    return judge_totals(*look.row("totals"))


def judge_totals(
    hours: int, wrong: int, events: Decimal, usd: Decimal, day_at: int | None, rollup_at: int | None
) -> Verdict:
    """Passes when no hour, exchange and side differs, and no significant event or micro-dollar is missing."""
    seen = {"hours": hours, "wrong": wrong, "missing_events": int(events), "missing_usd": float(usd)}
    if not wrong and not events and not usd:
        return Verdict(True, f"{hours} hours of an exchange and side, each with all its symbols", seen)
    rewritten = _rewritten(day_at, rollup_at)
    text = f"{wrong} of {hours} hours of an exchange and side differ, {events} significant events are missing"
    return Verdict(False, f"{rewritten}; {text}" if rewritten else text, seen, severe=not rewritten)


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
    if rewritten := _rewritten(day_at, rollup_at):
        return Verdict(False, f"{rewritten}; {wrong_groups} exchange and symbol pairs differ", seen, severe=False)
    return Verdict(False, f"{wrong_groups} exchange and symbol pairs differ: {totals.description}", seen)


def judge_buckets(buckets: int, misaligned: int, wrong: int, day_at: int | None, rollup_at: int | None) -> Verdict:
    """Passes when every bucket begins where it should and counts the events of its own time."""
    seen = {"buckets": buckets, "misaligned": misaligned, "wrong": wrong}
    if not misaligned and not wrong:
        return Verdict(True, f"{buckets} buckets, each with the events of its own time", seen)
    rewritten = None if misaligned else _rewritten(day_at, rollup_at)
    text = f"of {buckets} buckets {misaligned} begin where none does, {wrong} do not count the events of their time"
    return Verdict(False, f"{rewritten}; {text}" if rewritten else text, seen, severe=not rewritten)


def _rewritten(day_at: int | None, rollup_at: int | None) -> str | None:
    if rollup_at is None or day_at is None or rollup_at >= day_at:
        return None
    return f"the day was rewritten (materialization {day_at}) after the rollup was refreshed (from {rollup_at})"


def _names(table: str) -> dict[str, sql.Identifier]:
    measure = MEASURES[table]
    names = {"table": table, "time": measure.time, "events": measure.events, "usd": measure.usd}
    return {name: sql.Identifier(value) for name, value in names.items()}


_TOTALS: Final = Check(
    "totals",
    totals,
    "liquidation_totals, the sums over all symbols that the read API asks, equals what liquidations_hourly and "
    f"liquidations_significant add up to. If it fails: {FORCE}.",
    blocking=True,
)


def checks_of(table: str) -> Sequence[Check]:
    """The checks of one rollup. They block for what reads rollups, as reports do; no table of ours is made of them."""
    return (
        Check(
            "adds_up",
            lambda look: adds_up(look, table),
            f"Counts and USD per exchange and symbol equal those of liquidations, exactly. If it fails: {FORCE}; a "
            "warning that the day was rewritten after the refresh mends itself with the run that rewrote it.",
            blocking=True,
        ),
        Check(
            "inside_day",
            lambda look: inside_day(look, table),
            f"Buckets begin on UTC {'hours' if _BUCKETS[table] == timedelta(hours=1) else '4-hour periods'}, and each "
            f"counts the events of its own time. If it fails: {FORCE}; if buckets are misaligned after that, the "
            "rollup was defined with other bounds: compare it with sql/.",
            blocking=True,
        ),
        *([_TOTALS] if table == "liquidations_hourly" else []),
    )
