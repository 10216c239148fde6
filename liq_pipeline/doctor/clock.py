"""Clocks: the streams' ids are Redis' time, commits PostgreSQL's, coverage and the live view ours."""

from __future__ import annotations

from typing import Final

from liq_pipeline.doctor.finding import Findings, fine, wrong

_SECONDS: Final = 2.0


def compared(server: str, theirs: float, before: float, after: float) -> Findings:
    """A server's clock, asked between two looks at ours; all in seconds since 1970."""
    apart = max(before - theirs, theirs - after, 0.0)
    if apart <= _SECONDS:
        yield fine("clock", f"{server}'s is within {max(apart, 0.1):.1f} s of ours")
    else:
        sign = "behind" if theirs < before else "ahead of"
        yield wrong(
            "clock", f"{server}'s is {apart:.1f} s {sign} ours", "synchronise both machines with chrony or timesyncd"
        )
