"""The check of liquidation_report: the file is there, and says what the tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from liq_pipeline.dagster_defs.checks.catalogue import Check
from liq_pipeline.dagster_defs.checks.rules import Look, Verdict
from liq_pipeline.report import numbers, path_of
from liq_pipeline.report.totals import Headline

AGAIN: Final = "materialize liquidation_report of the day again"


def matches_tables(look: Look) -> Verdict:
    """The numbers that can be read from the day's file are those of the tables, exactly."""
    path = path_of(look.settings, look.day)
    try:
        page, written = path.read_text("utf-8"), datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        return Verdict(False, f"{path} cannot be read: {reason}: {AGAIN}")
    verdict = judge_report(str(path), numbers(page), Headline(*look.row("report")))
    if verdict.passed or not look.row("report_rewritten", written=written)[0]:
        return verdict
    text = "the day was rewritten after its report, which the run that did it writes again"
    return verdict._replace(description=f"{text}: {verdict.description}", severe=False)


def judge_report(path: str, found: Mapping[str, str], expected: Headline) -> Verdict:
    """Passes when the file has every number of the headline with its value."""
    off = [
        {"number": name, "report": found.get(name, "missing"), "tables": str(value)}
        for name, value in expected._asdict().items()
        if not _equal(found.get(name), value)
    ]
    seen = {"numbers": len(expected), "wrong": len(off), "events": expected.events, "usd": float(expected.usd)}
    if off:
        return Verdict(False, f"{path} differs from the tables in {len(off)} numbers: {AGAIN}", seen, worst=off)
    return Verdict(True, f"{len(expected)} numbers of {path} are those of the tables", seen)


def _equal(text: str | None, value: int | Decimal) -> bool:
    try:
        return text is not None and Decimal(text) == value
    except InvalidOperation:
        return False


REPORT: Final[Sequence[Check]] = (
    Check(
        "matches_tables",
        matches_tables,
        "The day's file is there, and its headline numbers, read back from it, equal those of liquidations and "
        f"liquidation_cascades. If it fails: {AGAIN} (a warning that the day was rewritten mends itself); if it fails "
        "again, something writes to LIQ_REPORT_DIR beside its asset, or the rollups differ from liquidations: see "
        "their checks.",
        blocking=True,
    ),
)
