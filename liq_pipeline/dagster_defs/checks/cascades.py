"""Checks of liquidation_cascades: their members are the events, they do not meet, and their ids are the contract's."""

from __future__ import annotations

from typing import Final

from liq_pipeline.dagster_defs.checks.catalogue import FORCE, Check
from liq_pipeline.dagster_defs.checks.parity import LIVE_EQUALS_BATCH
from liq_pipeline.dagster_defs.checks.rules import Look, Row, Verdict
from liq_pipeline.detection.cascades import cascade_id
from liq_pipeline.warehouse.day_rows import params

_SHOWN: Final = 10


def members_add_up(look: Look) -> Verdict:
    """Each cascade of the day has the events and USD of its members in liquidations, and no member lacks one."""
    return judge_members(*look.row("cascades"))


def disjoint(look: Look) -> Verdict:
    """No two cascades of a symbol meet, and every event of the symbol from a cascade's start to its end is a member."""
    return judge_disjoint(look.rows("disjoint"))


def ids_stable(look: Look) -> Verdict:
    """Every cascade has the id that its symbol, start and today's parameters give."""
    cascades = look.rows("cascade_ids")
    seen = {"cascades": len(cascades), "wrong": 0}
    if not cascades:
        return Verdict(True, "no cascades began", seen)
    if cascades[0]["settings_hash"] != look.settings.detection_hash:
        return Verdict(True, "made with other cascade settings than today's: the day is stale", seen)
    definition = params(look.settings)
    expected = [cascade_id(row["symbol"], row["start_ms"], definition) for row in cascades]
    wrong = [
        {"cascade_id": row["cascade_id"], "symbol": row["symbol"], "start_ms": row["start_ms"], "expected": id_}
        for row, id_ in zip(cascades, expected, strict=True)
        if row["cascade_id"] != id_
    ]
    return Verdict(
        not wrong,
        f"{len(wrong)} of {len(cascades)} cascades have another id than their start gives"
        if wrong
        else f"{len(cascades)} cascades, each with the id of its symbol, start and parameters",
        {"cascades": len(cascades), "wrong": len(wrong)},
        worst=wrong[:_SHOWN],
    )


def inside_day(look: Look) -> Verdict:
    """The hour is that of the start, and the duration the time from start to end."""
    cascades, wrong_hours, wrong_durations = look.row("cascade_hours")
    passed = not wrong_hours and not wrong_durations
    return Verdict(
        passed,
        f"{cascades} cascades, each in the hour of its start"
        if passed
        else f"of {cascades} cascades {wrong_hours} are in another hour than their start, "
        f"{wrong_durations} do not last from start to end",
        {"cascades": cascades, "wrong_hours": wrong_hours, "wrong_durations": wrong_durations},
    )


def judge_members(cascades: int, members: int, wrong: int) -> Verdict:
    """Passes when no cascade differs from its members."""
    return Verdict(
        wrong == 0,
        f"{wrong} cascades differ from their members in liquidations"
        if wrong
        else f"{cascades} cascades began, {int(members)} events are members of one",
        {"cascades": cascades, "members": int(members), "wrong": wrong},
    )


def judge_disjoint(symbols: list[Row]) -> Verdict:
    """Passes when, symbol by symbol, spans are apart and hold exactly their members."""
    names = ("cascades", "meeting", "strangers", "astray")
    sums = {name: int(sum(row[name] for row in symbols)) for name in names}
    wrong = [dict(row) for row in symbols if row["meeting"] or row["strangers"] or row["astray"]]
    return Verdict(
        not wrong,
        f"of {sums['cascades']} cascades {sums['meeting']} meet another of their symbol, {sums['strangers']} events "
        f"lie within one without being its member, {sums['astray']} members outside theirs"
        if wrong
        else f"{sums['cascades']} cascades, none meets another, every event within one is its member",
        {**sums, "wrong_symbols": len(wrong)},
        worst=sorted(wrong, key=lambda row: -row["meeting"] - row["strangers"] - row["astray"])[:_SHOWN],
    )


# Nothing is made of cascades, but a run whose tables are not what they must be is not green: those that compare with
# the events block. An id that is off leaves every number right, and the
# tables are right however live differs, so those checks only fail.
CASCADES: Final = (
    Check(
        "members_add_up",
        members_add_up,
        "Each cascade counts the events and USD of its members in liquidations, and each member has its cascade. If "
        f"it fails: {FORCE}; if it fails again, something wrote to liquidations or liquidation_cascades beside their "
        "asset.",
        blocking=True,
    ),
    Check(
        "disjoint",
        disjoint,
        "Cascades of a symbol never meet, and all events of the symbol from a cascade's start to its end are its "
        f"members. If it fails: {FORCE}; if it fails again, detection is not the contract's (section 5): keep the "
        "day's raw rows as a test of liq_pipeline/detection.",
        blocking=True,
    ),
    Check(
        "inside_day",
        inside_day,
        "hour is the hour of cascade_start, and duration_seconds the time from cascade_start to cascade_end. If it "
        f"fails: {FORCE}; if it fails again, something wrote to liquidation_cascades beside its asset.",
        blocking=True,
    ),
    Check(
        "ids_stable",
        ids_stable,
        "cascade_id is the UUIDv5 of symbol|start_ms|window_ms|min_events|min_usd, worked out again from the row and "
        f"today's settings. If it fails: {FORCE}; if it fails again, ids that were published mean other cascades now: "
        "take back what changed detection.cascades.cascade_id.",
    ),
    LIVE_EQUALS_BATCH,
)
