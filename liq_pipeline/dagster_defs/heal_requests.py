"""When to ask a venue's history about gaps: a pure rule over the clock and what was asked before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from liq_pipeline.healing.gaps import Gap

SPACING_MS: Final = 5 * 60_000
"""Between two runs at least, and between the first and the second attempt at a gap."""
LONGEST_MS: Final = 6 * 3_600_000
"""Between two attempts at most."""


class Attempts(msgspec.Struct, array_like=True):
    """How often a gap was asked about, and when it is again, UTC milliseconds."""

    count: int = 0
    next_ms: int = 0


class Asked(msgspec.Struct):
    """What the sensor remembers between its ticks."""

    gaps: dict[str, Attempts] = {}
    last_ms: int = 0


def heal_due(gaps: Iterable[Gap], asked: Asked, now_ms: int) -> tuple[str | None, Asked]:
    """The key of a run that is due for these unhealed gaps, if one is, and what to remember.

    A gap is asked about as soon as it is known, since what happened in it lands at once, and again after 5 minutes, 10,
    20 and so on to 6 hours: a history may be late, away for a while, or never have held it. A run asks about all gaps.
    """
    known = {f"{gap.feed}|{gap.start}": Attempts() for gap in gaps}
    known |= {name: attempts for name, attempts in asked.gaps.items() if name in known}
    remembered = Asked(known, asked.last_ms)
    due = any(attempts.next_ms <= now_ms for attempts in known.values())
    if not due or now_ms < asked.last_ms + SPACING_MS:
        return None, remembered
    tried = {name: _once_more(attempts, now_ms) for name, attempts in known.items()}
    return f"heal:{now_ms // SPACING_MS}", Asked(tried, now_ms)


def _once_more(attempts: Attempts, now_ms: int) -> Attempts:
    # Six doublings and more are beyond the longest wait anyway.
    wait = min(LONGEST_MS, SPACING_MS * 2 ** min(attempts.count, 10))
    return Attempts(attempts.count + 1, now_ms + wait)
