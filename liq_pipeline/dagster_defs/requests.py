"""Which runs to ask for: pure rules over the clock and the state of the days."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from liq_pipeline.archive.scan import Found
from liq_pipeline.collector.shifts import ShiftRequest, requests
from liq_pipeline.warehouse.day_state import DayState, StaleDay
from liq_pipeline.warehouse.reads import BehindRollup

DAYS_A_TICK: Final = 5
_DAY_MS: Final = 86_400_000
_FIRST_GAP_MS: Final = 8_000
_AGAIN_SECONDS: Final = 6 * 3600
"""A day that stays stale is asked for again in the next such span: its run may have been killed with its host."""


class DayRequest(NamedTuple):
    """A run of a day to ask for, unique by its key, and why."""

    run_key: str
    day: date
    reason: str


def shift_requests(kind: str, now_ms: int, shift_ms: int, *, lease_held: bool, starting: bool) -> list[ShiftRequest]:
    """The processes to start now. One that is ``starting`` has no lease yet, and is rescue enough."""
    return requests(kind, now_ms, shift_ms, lease_held=lease_held or starting)


def stale_requests(
    states: Iterable[DayState],
    stale: Iterable[StaleDay],
    behind: Iterable[BehindRollup],
    asked: Mapping[str, str],
    under_way: Container[date],
    now: datetime,
) -> tuple[list[DayRequest], dict[str, str]]:
    """At most ``DAYS_A_TICK`` stale days that were not asked for in their present state, and all asked for so far.

    Today is left out: it is stale most of the time, and a schedule refreshes it. A day that is ``under_way`` may be
    stale only because its run is half done. ``asked`` maps days to the
    fingerprints of the states they were asked for in: a day whose run failed is not asked for until it changes or some
    hours have passed, and does not stand in the way of the others.
    """
    reasons = {rollup.day: f"{rollup.table} was not summed again" for rollup in behind}
    reasons |= {item.day: item.reason for item in stale}
    by_day = {state.day: state for state in states}
    wanted = {day: (_text(by_day.get(day)) + reason, reason) for day, reason in reasons.items() if day < now.date()}
    return _not_asked("stale", wanted, asked, under_way, now)


def archive_requests(
    waiting: Iterable[Found], asked: Mapping[str, str], under_way: Container[date], now: datetime
) -> tuple[list[DayRequest], dict[str, str]]:
    """At most ``DAYS_A_TICK`` days with files to import that were not asked for yet, and all asked for so far.

    A day is asked for again when one of its files changes, or when they are not imported some hours later.
    """
    by_day = defaultdict[date, list[Found]](list)
    for file in sorted(waiting):
        by_day[file.place.day].append(file)
    wanted = {
        day: (
            "|".join(f"{file.path}|{file.size}|{file.modified_ns}" for file in files),
            f"{len(files)} files of the archive wait to be imported",
        )
        for day, files in by_day.items()
    }
    return _not_asked("archive", wanted, asked, under_way, now)


def young_day(now_ms: int, landed: tuple[int, int] | None, state: DayState | None) -> DayRequest | None:
    """Today again, soon after its first event and then at doubling distances, until the schedule is more frequent.

    So the first rows of a fresh start or of a new day are there within seconds, at the price of a handful of runs a
    day. ``landed`` is when the oldest and the newest entry of the streams landed (UTC ms).
    """
    midnight = now_ms - now_ms % _DAY_MS
    if landed is None or landed[1] < midnight:
        return None
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    request = DayRequest(f"young:{today}:{state.materialization if state else 0}", today, "the day has just begun")
    if state is None or state.materialized_at is None:
        return request
    refreshed = int(state.materialized_at.timestamp() * 1000)
    distance = max(_FIRST_GAP_MS, refreshed - max(landed[0], midnight))
    return request if landed[1] > refreshed and now_ms - refreshed >= distance else None


def _not_asked(
    kind: str,
    wanted: Mapping[date, tuple[str, str]],
    asked: Mapping[str, str],
    under_way: Container[date],
    now: datetime,
) -> tuple[list[DayRequest], dict[str, str]]:
    """Of the days wanted, each with what state it is in and why, some that were not asked for in that state."""
    span = int(now.timestamp()) // _AGAIN_SECONDS
    still: dict[str, str] = {}
    due: list[DayRequest] = []
    for day, (state, reason) in sorted(wanted.items()):
        key, fingerprint = day.isoformat(), hashlib.sha256(f"{state}|{span}".encode()).hexdigest()[:10]
        if asked.get(key) == fingerprint:
            still[key] = fingerprint
        elif len(due) < DAYS_A_TICK and day not in under_way:
            still[key] = fingerprint
            due.append(DayRequest(f"{kind}:{key}:{fingerprint}", day, reason))
    return due, still


def _text(state: DayState | None) -> str:
    if state is None:
        return ""
    parts = (state.raw_version, state.materialized_version, state.settings_hash, state.materialization)
    return "".join(f"{part}|" for part in parts)
