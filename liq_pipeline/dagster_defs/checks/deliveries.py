"""How events of a day arrived: on time by our clock, and from each venue as many as it usually has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from statistics import median
from typing import Final

from liq_pipeline.dagster_defs.checks.rules import Look, Row, Verdict

_HISTORY: Final = timedelta(days=14)
_LEAST_DAYS: Final = 5
_LEAST_EVENTS: Final = 200
"""A day with fewer says little about shares."""
_LEAST_STREAMED: Final = 20
_TO_DEVIATION: Final = 1.4826
"""Median absolute deviations of a normal distribution in a standard deviation."""
_DEVIATIONS: Final = 5
_AHEAD_SHARE: Final = 0.01
_LATE_SHARE: Final = 0.5


def venue_shares(look: Look) -> Verdict:
    """Each venue has the share of the day's events that it usually has."""
    events: dict[str, int] = defaultdict(int)
    for row in look.landed:
        events[row["exchange"]] += row["events"]
    history: dict[date, dict[str, int]] = defaultdict(dict)
    # A day of few events is not judged, and its history not read.
    if sum(events.values()) >= _LEAST_EVENTS:
        for row in look.rows("venue_history", since=look.start - _HISTORY):
            history[row["day"]][row["exchange"]] = int(row["events"])
    return judge_shares(events, list(history.values()), float(look.settings.venue_share_distance))


def clock_skew(look: Look) -> Verdict:
    """Events arrive after they happened, and mostly soon."""
    return judge_delays(look.landed, look.settings.clock_ahead_seconds, look.settings.delivery_seconds)


def judge_shares(events: Mapping[str, int], history: Iterable[Mapping[str, int]], distance: float) -> Verdict:
    """Passes when no share is further from the median of its history than ``distance`` and five deviations.

    ``history`` is events by venue of each earlier day. A short history, or a day of few events, passes unjudged.
    """
    total = sum(events.values())
    shares = {venue: count / total for venue, count in events.items()} if total else {}
    seen = {"events": total, **{venue: round(share, 4) for venue, share in sorted(shares.items())}}
    days = [day for day in history if sum(day.values()) >= _LEAST_EVENTS]
    if total < _LEAST_EVENTS or len(days) < _LEAST_DAYS:
        return Verdict(True, f"{total} events and {len(days)} days of history: too few to judge shares by", seen)
    off = []
    for venue in sorted({*events, *(venue for day in days for venue in day)}):
        before = [day.get(venue, 0) / sum(day.values()) for day in days]
        usual, share = median(before), shares.get(venue, 0.0)
        allowed = max(distance, _DEVIATIONS * _TO_DEVIATION * median(abs(value - usual) for value in before))
        if abs(share - usual) > allowed:
            numbers = {"share": share, "usual": usual, "allowed": allowed}
            off.append({"exchange": venue, **{name: f"{value:.1%}" for name, value in numbers.items()}})
    return Verdict(
        not off,
        "; ".join(f"{row['exchange']} has {row['share']} of the events, usually {row['usual']}" for row in off)
        or f"shares of {total} events as in {len(days)} days before",
        {**seen, "days_of_history": len(days)},
        severe=False,
        worst=off,
    )


def judge_delays(landed: Iterable[Row], ahead_seconds: float, late_seconds: float) -> Verdict:
    """Passes when next to nothing comes from the future, and half of each venue's events soon enough."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in landed:
        if row["streamed"]:
            groups[row["exchange"]].append(row)
    seen: dict[str, int | float] = {"streamed": sum(row["streamed"] for rows in groups.values() for row in rows)}
    off = []
    for exchange, rows in sorted(groups.items()):
        count, ahead, late = (sum(row[name] for row in rows) for name in ("streamed", "ahead", "late"))
        mean = sum((row["delays"] for row in rows), timedelta()) / count
        seen[f"{exchange}_mean_delay_seconds"] = round(mean.total_seconds(), 3)
        seen[f"{exchange}_least_delay_seconds"] = round(min(row["least_delay"] for row in rows).total_seconds(), 3)
        if count < _LEAST_STREAMED:
            continue
        if ahead > _AHEAD_SHARE * count:
            off.append(f"{ahead / count:.1%} of {exchange}'s events arrived over {ahead_seconds:g} s before their time")
        if late > _LATE_SHARE * count:
            off.append(f"{late / count:.1%} of {exchange}'s events arrived over {late_seconds:g} s after their time")
    text = f"{seen['streamed']} events arrived on time" if seen["streamed"] else "no events came over a stream"
    return Verdict(not off, "; ".join(off) or text, seen, severe=False)
