"""Two collectors or live views at once, and how the hand-over from one to the other may go wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from liq_pipeline.embedded import process
from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import VENUES, Line, gone, until

_NEEDS: Final = frozenset({"services"})


@dataclass(frozen=True)
class Two:
    """A second process of a part, for a while, beside the first."""

    name: str
    part: str
    needs: frozenset[str] = _NEEDS

    async def inject(self, line: Line, draw: Random) -> None:
        second = replace(line.parts[self.part], server=None, log=line.parts[self.part].log.with_suffix(".second.log"))
        second.start()
        await asyncio.sleep(draw.uniform(2, 5))
        second.signal(draw.choice((signal.SIGTERM, signal.SIGKILL)))
        await gone(second, f"the end of the second {self.part}")


@dataclass(frozen=True)
class HandOver:
    """The successor collects beside the first, which is then told to end, or killed as it does."""

    name: str = "hand_over"
    needs: frozenset[str] = _NEEDS

    async def inject(self, line: Line, draw: Random) -> None:
        part = line.parts["collector"]
        servers = line.venues.servers
        before = {venue: servers[venue].accepted for venue in VENUES}
        first, part.server = part.server, None
        part.start()
        assert first is not None
        if draw.random() < 0.7:
            await until(
                lambda: all(servers[venue].accepted > before[venue] for venue in VENUES), "the successor's connections"
            )
        await asyncio.to_thread(process.stop, [first], signal.SIGTERM, draw.choice((0.0, 0.2, 30.0)))


KINDS: Final[Sequence[Fault]] = (Two("two_collectors", "collector"), Two("two_live_views", "live"), HandOver())
