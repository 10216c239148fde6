"""Checks of feed_coverage and feed_gaps: enough of each feed's day was seen, and the two say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liq_pipeline.dagster_defs.checks.catalogue import Check
from liq_pipeline.dagster_defs.checks.rules import Look, Row, Verdict

_LEAST_SECONDS: Final = 3600
"""Of less than an hour a restart is too large a share."""


def above_threshold(look: Look) -> Verdict:
    """Each feed that is collected was covered, or healed, for enough of the day."""
    return judge_coverage(look.rows("coverage"), look.settings.exchanges, look.settings.coverage_threshold)


def gaps_add_up(look: Look) -> Verdict:
    """Gaps lie within the day and, with what was covered, make up its seconds."""
    return judge_gaps(look.rows("gaps"))


def judge_coverage(feeds: Sequence[Row], configured: Sequence[str], threshold: float) -> Verdict:
    """Passes when no configured feed was seen too little, from its first collector on."""
    seen: dict[str, int | float] = {}
    off, unjudged = [], []
    for row in feeds:
        feed, since = row["exchange"], float(row["elapsed_seconds"] - row["uncollected_seconds"])
        if feed not in configured:
            continue
        if since < _LEAST_SECONDS:
            unjudged.append(f"{feed} {'never collected' if since <= 0 else 'collected for less than an hour'}")
            continue
        share = float(row["covered_seconds"] + row["healed_seconds"]) / since
        seen[feed.replace(":", "_")] = round(share, 6)
        if share < threshold:
            names = ("gap_count", "longest_gap_seconds", "down_seconds", "silent_seconds", "overloaded_seconds")
            off.append({"feed": feed, "seen": f"{share:.3%}", **{name: row[name] for name in names}})
    if off:
        said = ", ".join(f"{row['feed']} {row['seen']}" for row in off)
        text = f"seen or healed of the day: {said}; expected {threshold:.0%} at least"
    else:
        judged = [f"{len(seen)} feeds seen for at least {threshold:.0%} of the day"] if seen else []
        text = "; ".join([*judged, *unjudged]) or "no feed of LIQ_EXCHANGES to judge"
    return Verdict(not off, text, seen, severe=False, worst=off)


def judge_gaps(feeds: Sequence[Row]) -> Verdict:
    """Passes when no feed's gaps differ from its coverage."""
    off = [row for row in feeds if row["wrong"]]
    gaps = int(sum(row["gaps"] or 0 for row in feeds))
    return Verdict(
        not off,
        f"{', '.join(row['exchange'] for row in off)}: gaps and coverage do not make up the day"
        if off
        else f"{gaps} gaps of {len(feeds)} feeds, which with what was covered make up the day",
        {"feeds": len(feeds), "gaps": gaps, "wrong": len(off)},
        worst=[{name: row[name] for name in row if name != "wrong"} for row in off],
    )


COVERAGE: Final = (
    Check(
        "coverage_above_threshold",
        above_threshold,
        "Each feed of LIQ_EXCHANGES was covered, or healed from the venue's history, for LIQ_COVERAGE_THRESHOLD of the "
        "day at least, as far as it has passed and from the feed's first collector on. If it fails: feed_gaps of the "
        "day says when and why. down: see runs of collector_job; silent: the way to the venue, or its own outage; "
        "overloaded: Redis. `liq heal` fetches what the venue still has; the rest stays a gap.",
    ),
)
# Nothing is made of either, but a run whose tables contradict each other is not green.
GAPS: Final = (
    Check(
        "adds_up",
        gaps_add_up,
        "Gaps lie within their day, never overlap unless they are throttled, and with covered_seconds make up "
        "elapsed_seconds of feed_coverage. If it fails: materialize feed_gaps and feed_coverage of the day again; if "
        "it fails again, something wrote to them beside their asset.",
        blocking=True,
    ),
)
