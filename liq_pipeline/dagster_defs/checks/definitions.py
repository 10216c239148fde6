"""The checks as Dagster runs them: in a few steps, partitioned by day, so that bad rows stop where they are found."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs import markdown
from liq_pipeline.dagster_defs.assets.coverage import TABLES as COVERED
from liq_pipeline.dagster_defs.assets.rollups import TABLES as ROLLUPS
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.checks.cascades import CASCADES
from liq_pipeline.dagster_defs.checks.catalogue import Check
from liq_pipeline.dagster_defs.checks.coverage import COVERAGE, GAPS
from liq_pipeline.dagster_defs.checks.events import LIQUIDATIONS, SIGNIFICANT
from liq_pipeline.dagster_defs.checks.raw import LANDED
from liq_pipeline.dagster_defs.checks.report import REPORT
from liq_pipeline.dagster_defs.checks.rollups import checks_of
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict, looking
from liq_pipeline.dagster_defs.partitions import daily, day_of
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.warehouse import retention

CHECKS: Final[Mapping[str, Sequence[Check]]] = {
    "liquidations_raw": LANDED,
    "liquidations": LIQUIDATIONS,
    "liquidations_significant": SIGNIFICANT,
    "liquidation_cascades": CASCADES,
    **{table: checks_of(table) for table in ROLLUPS},
    "feed_gaps": GAPS,
    "feed_coverage": COVERAGE,
    "liquidation_report": REPORT,
}
"""Every check of a day, by table."""


# A step of its own for each check would cost a day more than its tables do. A step that fails stops what is made of any
# of its tables, so only those of which the same is made share one.
_STEPS: Final = {
    "liquidations_raw": ("liquidations_raw",),
    "liquidations": ("liquidations",),
    "detection": ("liquidations_significant", "liquidation_cascades"),
    "rollups": ROLLUPS,
    "coverage": COVERED,
    "liquidation_report": ("liquidation_report",),
}


def _step(name: str, tables: Sequence[str]) -> dg.AssetChecksDefinition:
    declared = {dg.AssetCheckKey(dg.AssetKey(table), check.name): check for table in tables for check in CHECKS[table]}

    @dg.multi_asset_check(
        name=f"{name}_checks",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=key.asset_key,
                description=check.description,
                blocking=check.blocking,
                partitions_def=daily,
            )
            for key, check in declared.items()
        ],
        can_subset=True,
    )
    def step(context: dg.AssetCheckExecutionContext, line: Line) -> Iterator[dg.AssetCheckResult]:
        days = [day_of(key) for key in context.op_execution_context.partition_keys]
        with looking(line.servers().database_url, days, line.settings()) as looks:
            gone = retention.gone(looks[0].connection, days)
            for key, check in declared.items():
                if key in context.selected_asset_check_keys:
                    yield worst(key, [(look.day, judged(check, look, look.day in gone)) for look in looks])

    return step


def judged(check: Check, look: Look, gone: bool) -> Verdict:
    """The check's verdict, unless the day's events are ``gone``."""
    if gone:
        # What was made of the events is all there is, and there is nothing to hold it against.
        return Verdict(True, f"the events of {look.day} were dropped by retention: nothing to compare")
    return check.rule(look)


def worst(key: dg.AssetCheckKey, verdicts: Sequence[tuple[date, Verdict]]) -> dg.AssetCheckResult:
    """The verdict that stands for all: a range run asks for several days at once."""
    day, verdict = min(verdicts, key=lambda item: (item[1].passed, not item[1].severe))
    return result(key.asset_key, key.name, verdict, {"day": day.isoformat()})


def result(
    asset: dg.AssetKey, check: str, verdict: Verdict, also: Mapping[str, str] | None = None
) -> dg.AssetCheckResult:
    """A verdict as Dagster shows it, with what else is to be seen beside its numbers."""
    rows = {"worst": dg.MetadataValue.md(_table(verdict.worst))} if verdict.worst else {}
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if verdict.severe else dg.AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata={**(also or {}), **verdict.seen, **rows},
    )


def _table(rows: Sequence[Mapping[str, object]]) -> str:
    return markdown.table(list(rows[0]), [list(row.values()) for row in rows])


@dg.multi_asset_check(name="freshness_checks", specs=freshness.specs(), can_subset=True)
def freshness_checks(context: dg.AssetCheckExecutionContext, line: Line) -> Iterator[dg.AssetCheckResult]:
    """The checks about now, for whoever asks by hand: a sensor reports them by itself, and no run of a day has them."""
    servers = line.servers()
    for finding in freshness.evaluate(line.settings(), servers.database_url, servers.redis_url):
        if dg.AssetCheckKey(finding.asset, finding.check) in context.selected_asset_check_keys:
            yield result(finding.asset, finding.check, finding.verdict)


checks: Final = [*(_step(name, tables) for name, tables in _STEPS.items()), freshness_checks]
