"""How venues send: late, repeated, out of order, and what nobody understands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from liq_pipeline.simulate.ledger import Line as Frame
from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import VENUES, Line

_BROKEN: Final = {
    "binance": (
        '{"stream":"!forceOrder@arr","data":"nonsense"}',
        '{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","S":"SELL","T":-1}}}',
        '{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1,"o":null}}',
    ),
    "bybit": (
        "nonsense",
        '{"topic":"allLiquidation.BTCUSDT","data":[{"s":"BTCUSDT","S":"Buy","p":"1e999999","v":"1","T":1}]}',
        '{"topic":"allLiquidation.BTCUSDT","data":{}}',
    ),
    "okx": (
        '{"arg":',
        '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"instId":"BTC-USDT-SWAP","details":[{}]}]}',
        "[]",
    ),
}


@dataclass
class _Disorder:
    """Holds back a share of the frames, each until up to ``longest`` others were due, and sends a share twice."""

    draw: Random
    held_share: float
    longest: int
    twice_share: float
    held: list[tuple[int, Frame]] = field(default_factory=list)
    due: int = 0

    def __call__(self, frame: Frame) -> Iterable[Frame]:
        self.due += 1
        going = [held for at, held in self.held if at <= self.due]
        self.held = [(at, held) for at, held in self.held if at > self.due]
        if self.draw.random() < self.held_share:
            self.held.append((self.due + self.draw.randint(1, self.longest), frame))
        else:
            going.append(frame)
        self.draw.shuffle(going)
        return [each for each in going for _ in range(2 if self.draw.random() < self.twice_share else 1)]


@dataclass(frozen=True)
class Disordered:
    """A venue sends late, repeatedly or out of order for a while, and what it held back in the end."""

    name: str
    held_share: float
    longest: int
    """In frames of the venue, of which there are a dozen a second."""
    twice_share: float
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        venue = draw.choice(VENUES)
        if venue in line.play.disorder:
            return
        disorder = _Disorder(draw, self.held_share, self.longest, self.twice_share)
        line.play.disorder[venue] = disorder
        await asyncio.sleep(draw.uniform(1, 4))
        del line.play.disorder[venue]
        for _, frame in disorder.held:
            await line.play.send(frame)


@dataclass(frozen=True)
class Broken:
    """A venue sends frames that nobody understands."""

    name: str = "broken_frames"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        for _ in range(draw.randint(1, 10)):
            venue = draw.choice(VENUES)
            await line.play.send_broken(venue, draw.choice(_BROKEN[venue]))
            await asyncio.sleep(draw.uniform(0, 0.1))


KINDS: Final[Sequence[Fault]] = (
    Disordered("late_frames", 0.5, 30, 0.0),
    Disordered("repeated_frames", 0.1, 10, 0.8),
    Disordered("shuffled_frames", 0.7, 4, 0.1),
    Broken(),
)
