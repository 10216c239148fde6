"""The frames of a play: the simulator's market, fast, and the same for a seed but for the hour it is played at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from liq_pipeline.simulate.frames import encode
from liq_pipeline.simulate.ledger import Ledger, Line
from liq_pipeline.simulate.market import Event, Pace, generate

PACE: Final = Pace(background=12.0, shock_seconds=3.0, strength=30, opening=True)
"""About forty liquidations a second, every venue several times a second, a cascade every few seconds."""
BASE_MS: Final = 1_794_279_600_000
"""2026-11-10 03:00 UTC, where every play begins before it is moved to the present: far from funding, which strikes
at its own hours."""


def frames(seed: int, start_ms: int, *, throttle: bool) -> Iterator[Line]:
    """The market's frames for ever, due (``received_at``) from ``start_ms`` on, UTC milliseconds.

    ``start_ms`` is taken at the full second before it, so that venues' half seconds fall on the same events.
    """
    later = start_ms // 1000 * 1000 - BASE_MS

    def moved() -> Iterator[Event]:
        for event in generate(seed, BASE_MS, PACE):
            yield replace(event, time=event.time + later)

    return Ledger().lines(encode(moved(), seed, throttle))
