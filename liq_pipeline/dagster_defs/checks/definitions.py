"""The checks as Dagster runs them: partitioned by day and blocking, so that bad rows stop where they are found."""

from collections.abc import Callable
from datetime import date
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs.assets.rollups import TABLES as ROLLUPS
from liq_pipeline.dagster_defs.checks import rules
from liq_pipeline.dagster_defs.partitions import daily, day_of
from liq_pipeline.dagster_defs.resources import Line

_Rule = Callable[[str, date], rules.Verdict]


def _check(table: str, name: str, rule: _Rule, description: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table, name=name, description=description, blocking=True, partitions_def=daily)
    def check(context: dg.AssetCheckExecutionContext, line: Line) -> dg.AssetCheckResult:
        database_url = line.servers().database_url
        # A range run asks for several days at once; the worst of them speaks for all.
        days = [day_of(key) for key in context.op_execution_context.partition_keys]
        verdicts = [(day, rule(database_url, day)) for day in days]
        day, verdict = min(verdicts, key=lambda item: (item[1].passed, not item[1].blocks))
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if verdict.blocks else dg.AssetCheckSeverity.WARN,
            description=verdict.description,
            metadata={"day": day.isoformat(), **verdict.seen},
        )

    return check


def _for(table: str, rule: Callable[[str, str, date], rules.Verdict]) -> _Rule:
    return lambda database_url, day: rule(database_url, table, day)


checks: Final = [
    _check(
        "liquidations_raw",
        "no_duplicates",
        _for("liquidations_raw", rules.no_duplicates),
        "Every liquidation landed once, under one event_id. If it fails: two sources gave the same liquidation "
        "different identities. Compare raw_data, source and parser_version of the repeated rows; repair the parser "
        "and materialize the day again once its raw rows are replaced.",
    ),
    _check(
        "liquidations",
        "no_duplicates",
        _for("liquidations", rules.no_duplicates),
        "No event_id twice on a day. If it fails: look at liquidations_raw/no_duplicates of the same day first; if "
        "that passes, something wrote to liquidations beside its asset: run `liq materialize --force` for the day.",
    ),
    _check(
        "liquidations",
        "matches_raw",
        rules.matches_raw,
        "As many events and USD as landed in liquidations_raw. If it fails: materialize the day again with "
        "`liq materialize --from DAY --to DAY --force`; if it fails again, raw rows changed without raising "
        "day_state.raw_version: find who wrote to liquidations_raw.",
    ),
    _check(
        "liquidations_significant",
        "complete",
        rules.significant_complete,
        "Exactly the significant events and members of cascades of liquidations. If it fails: materialize the day "
        "again with `liq materialize --from DAY --to DAY --force`.",
    ),
    _check(
        "liquidation_cascades",
        "members_add_up",
        rules.cascades_add_up,
        "Each cascade counts the events and USD of its members in liquidations, and each member has its cascade. If it "
        "fails: materialize the day again with `liq materialize --from DAY --to DAY --force`; if it fails again, "
        "something wrote to liquidations or liquidation_cascades beside their asset.",
    ),
    *(
        _check(
            table,
            "adds_up",
            _for(table, rules.adds_up),
            "Counts and USD per exchange and symbol equal those of liquidations, exactly. If it fails: materialize "
            "the day again with `liq materialize --from DAY --to DAY --force`; a warning that the day was rewritten "
            "after the refresh mends itself with the run that rewrote it.",
        )
        for table in ROLLUPS
    ),
]
