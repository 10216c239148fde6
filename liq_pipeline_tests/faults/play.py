"""The venues at work: frames of a market go out when they are due, and the ledger learns who was sent what.

Faults of the venues' own making (late, repeated, out of order, broken) are asked for here.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from liq_pipeline.liquidation import Side
from liq_pipeline.simulate.catalogue import LISTED
from liq_pipeline.simulate.frames import encode
from liq_pipeline.simulate.ledger import Ledger as Meaning
from liq_pipeline.simulate.ledger import Line
from liq_pipeline.simulate.market import Event
from liq_pipeline.simulate.venues import Venues
from liq_pipeline_tests.faults.ledger import Ledger, Sending

REMEMBERED: Final = 50
"""So many of a venue's last frames can be sent again."""
_DELIVERY_MS: Final = 20
"""What the simulator's ``received_at`` adds to the time at which the venue sends."""
_LOOK_SECONDS: Final = 0.05

Disorder = Callable[[Line], Iterable[Line]]
"""What goes out in place of a frame: nothing yet, the frame, or it and others that were held back."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Play:
    """One play of a market on running venues; ``count`` is how many of its frames were due."""

    def __init__(self, venues: Venues, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0
        self.disorder: dict[str, Disorder] = {}
        """By venue, while a fault wants it."""
        self._venues = venues
        self._moved = asyncio.Condition()
        self._latest: defaultdict[str, deque[Line]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._open: dict[str, set[int]] = defaultdict(set)

    async def run(self, frames: Iterator[Line]) -> None:
        """Send until cancelled; what is late by the machine's fault is sent at once, in order."""
        watching = asyncio.create_task(self._watch_connections())
        try:
            for line in frames:
                await asyncio.sleep(max(0.0, (line.received_at - _DELIVERY_MS - now_ms()) / 1000))
                disorder = self.disorder.get(line.venue)
                for each in (line,) if disorder is None else disorder(line):
                    await self.send(each)
                async with self._moved:
                    self.count += 1
                    self._moved.notify_all()
        finally:
            watching.cancel()
            self.watch()

    async def until(self, frame: int) -> None:
        """Return when so many frames of the market were due."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.count >= frame)

    async def send(self, line: Line) -> None:
        """Send a frame of the market, now, and note it."""
        self._latest[line.venue].append(line)
        at = now_ms()
        connections = await self._venues.servers[line.venue].publish(line.text)
        self.ledger.note(line, Sending(at, tuple(connections)))

    async def repeat(self, venue: str, count: int) -> None:
        """Send a venue's last frames again, as some do to a client that returns."""
        for line in list(self._latest[venue])[-count:]:
            await self.send(line)

    async def send_broken(self, venue: str, text: str) -> None:
        """Send what nobody understands to every client of a venue that listens to what is no topic."""
        if await self._venues.servers[venue].publish(text):
            self.ledger.note_broken(text)

    async def close(self) -> None:
        """One small liquidation on each venue, now: with it the live view's clock passes all that went before."""
        for line in _closing(now_ms()):
            await self.send(line)

    async def _watch_connections(self) -> None:
        while True:
            self.watch()
            await asyncio.sleep(_LOOK_SECONDS)

    def watch(self) -> None:
        """Note which connections there are no more."""
        at = now_ms()
        for venue, server in self._venues.servers.items():
            now_open = server.open_connections
            self.ledger.note_ended(venue, sorted(self._open[venue] - now_open), at)
            self._open[venue] = now_open


def _closing(at: int) -> Sequence[Line]:
    contracts = {contract.venue: contract for contract in LISTED if contract.symbol == "BTCUSDT"}
    events = [
        Event(
            time=at,
            contract=contract,
            side=Side.LONG,
            price=contract.tick * 824_000,
            limit_price=contract.tick * 823_000 if contract.venue == "binance" else None,
            quantity=contract.step,
        )
        for contract in contracts.values()
    ]
    return list(Meaning().lines(encode(events, 0)))
