"""The simulated market in real time: what ``liq up --demo`` collects."""

from __future__ import annotations

import asyncio
import time

from liq_pipeline.simulate.frames import encode
from liq_pipeline.simulate.market import LIVE, generate
from liq_pipeline.simulate.venues import Venues

_TOO_LATE_MS = 5_000


async def run(venues: Venues, seed: int) -> None:
    """From the first subscription on, publish liquidations of this very moment, for ever.

    Throttled as the venues throttle. After a pause of the whole machine the market goes on with the present:
    nobody sent the frames of the time between.
    """
    await venues.subscribed.wait()
    start_ms = _now_ms()
    for frame in encode(generate(seed, start_ms, LIVE), seed, throttle=True):
        now_ms = _now_ms()
        if frame.due < now_ms - _TOO_LATE_MS:
            continue
        await asyncio.sleep(max(0.0, (frame.due - now_ms) / 1000))
        await venues.servers[frame.venue].publish(frame.text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
