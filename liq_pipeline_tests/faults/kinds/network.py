"""What the network does between the line's processes and the servers they speak to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from liq_pipeline_tests.faults.kinds.base import Fault
from liq_pipeline_tests.faults.line import VENUES, Line, until
from liq_pipeline_tests.faults.play import REMEMBERED
from liq_pipeline_tests.faults.proxy import Proxy, Way

_BYTES_PER_SECOND: Final = {"venue": (500, 5_000), "redis": (3_000, 30_000), "postgres": (3_000, 30_000)}
"""A venue sends one or two thousand, what lands is several times that."""
_SERVERS: Final = {"venue": VENUES, "redis": ("redis",), "postgres": ("postgres",)}


@dataclass(frozen=True)
class Cut:
    """All connections are reset, once or several times."""

    name: str
    to: Sequence[str]
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        proxy = line.proxies[draw.choice(self.to)]
        for _ in range(draw.choice((1, 1, 3))):
            await asyncio.sleep(draw.uniform(0, 0.7))
            proxy.cut()


@dataclass(frozen=True)
class Refuse:
    """All connections are reset, and new ones for a while."""

    name: str
    to: Sequence[str]
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        proxy = line.proxies[draw.choice(self.to)]
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(draw.uniform(0.5, 3))
        proxy.refusing = False


@dataclass(frozen=True)
class Stall:
    """Nothing moves for a while, in one direction or both; then it goes on, or what was on its way is lost."""

    name: str
    to: Sequence[str]
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        proxy = line.proxies[draw.choice(self.to)]
        proxy.stall(draw.choice((Way.TO_CLIENT, Way.TO_SERVER, Way.BOTH)))
        await asyncio.sleep(draw.uniform(0.5, 4))
        _end(proxy, draw, proxy.resume)


@dataclass(frozen=True)
class Slow:
    """Less is delivered than there is to deliver; then it goes on, or what was on its way is lost."""

    name: str
    to: Sequence[str]
    bytes_per_second: tuple[int, int]
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        proxy = line.proxies[draw.choice(self.to)]
        proxy.slow(draw.uniform(*self.bytes_per_second))
        await asyncio.sleep(draw.uniform(1, 4))
        _end(proxy, draw, lambda: proxy.slow(None))


@dataclass(frozen=True)
class HalfOpen:
    """The other host is gone and nobody says so: connections stand and carry nothing, new ones work."""

    name: str
    to: Sequence[str]
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        await asyncio.sleep(draw.uniform(0, 0.5))
        line.proxies[draw.choice(self.to)].half_open()


@dataclass(frozen=True)
class ReturnToRepeats:
    """A venue's connections are reset, and to those who return it sends its last frames again."""

    name: str = "repeats_after_cut"
    needs: frozenset[str] = frozenset()

    async def inject(self, line: Line, draw: Random) -> None:
        venue = draw.choice(VENUES)
        server = line.venues.servers[venue]
        before = server.accepted
        line.proxies[venue].cut()
        await until(lambda: server.accepted > before and server.connections, f"a client that returns to {venue}")
        await line.play.repeat(venue, draw.randint(1, REMEMBERED))


def _end(proxy: Proxy, draw: Random, mend: Callable[[], None]) -> None:
    if draw.random() < 0.5:
        proxy.cut()
    mend()


KINDS: Final[Sequence[Fault]] = (
    *(Cut(f"cut_{name}", to) for name, to in _SERVERS.items()),
    *(Refuse(f"refuse_{name}", to) for name, to in _SERVERS.items()),
    *(Stall(f"stall_{name}", to) for name, to in _SERVERS.items()),
    *(Slow(f"slow_{name}", to, _BYTES_PER_SECOND[name]) for name, to in _SERVERS.items()),
    HalfOpen("half_open_venue", VENUES),
    HalfOpen("half_open_redis", ("redis",)),
    ReturnToRepeats(),
)
