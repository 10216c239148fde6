"""Whether what never ends stays up: the collector and the live view, whose shifts are replaced when one fails.

A failed shift is no news while another has taken over. It is when nobody holds the lease for a while, or when shifts
keep failing. Pure rules over what was seen so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypedDict

from liq_pipeline.dagster_defs.event_log import RunEnded
from liq_pipeline.settings import Settings
from liq_pipeline.streams import LIVE

FAILURES: Final = 3
WINDOW_SECONDS: Final = 600
"""So many failed shifts within that time are too many, even if each was replaced."""
_UNWATCHED_SECONDS: Final = 60
"""Nobody looked for so long: what was missing then says nothing, everything may be just starting."""


class Process(NamedTuple):
    """A job that never ends: the key of its incident, what people call it, and the leases its process holds."""

    job: str
    key: str
    name: str
    leases: Callable[[Settings], Sequence[str]]


PROCESSES: Final = (
    Process("collector_job", "collector", "the collector", lambda settings: settings.exchanges),
    Process("live_job", "live", "the live view", lambda settings: (LIVE,)),
)


class Seen(TypedDict):
    """What is remembered of one process between two looks; times are seconds since 1970."""

    looked_at: float
    missing_since: float | None
    failures: list[float]
    last_run: str
    last_reason: str


class Judgement(NamedTuple):
    """Whether it stays up (None: too early to say), and why."""

    well: bool | None
    text: str


def look(
    before: Seen | None, failed: Sequence[RunEnded], missing: str | None, now: float, down_seconds: int
) -> tuple[Seen, Judgement]:
    """Judge a process by the shifts that ``failed`` since the last look and by what is ``missing`` now.

    ``missing`` says in words which lease nobody holds, None if all are held.
    """
    known = before or Seen(looked_at=now, missing_since=None, failures=[], last_run="", last_reason="")
    watched = now - known["looked_at"] < _UNWATCHED_SECONDS
    since = known["missing_since"] if watched and known["missing_since"] is not None else now
    failures = [*known["failures"], *(run.at for run in failed)]
    seen = Seen(
        looked_at=now,
        missing_since=None if missing is None else since,
        failures=[when for when in failures if now - when < WINDOW_SECONDS],
        last_run=failed[-1].run_id if failed else known["last_run"],
        last_reason=failed[-1].reason if failed else known["last_reason"],
    )
    return seen, _judge(seen, missing, now, down_seconds)


def _judge(seen: Seen, missing: str | None, now: float, down_seconds: int) -> Judgement:
    reason = f"the last failed run: {seen['last_reason']}" if seen["failures"] else "no run failed lately"
    if seen["missing_since"] is not None and now - seen["missing_since"] >= down_seconds:
        return Judgement(False, f"{missing} for {now - seen['missing_since']:.0f} s; {reason}")
    if len(seen["failures"]) >= FAILURES:
        return Judgement(False, f"{len(seen['failures'])} runs failed within {WINDOW_SECONDS // 60} minutes; {reason}")
    return Judgement(True, "it runs, and its runs no longer fail") if missing is None else Judgement(None, missing)
