"""OKX on loopback with a past: what it published, whether or not anybody listened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from liq_pipeline.simulate.venues import Behaviour, Venues, serve
from liq_pipeline.simulate.venues.okx import Okx
from liq_pipeline_tests.exchanges import wire

NOW = 1_794_700_000_000
"""2026-11-15 00:26:40 UTC."""
QUICK = Behaviour(settle_seconds=0.0)


def frame(time: int, contract: str = "BTC-USDT-SWAP", **changed: object) -> str:
    """One liquidation as the WebSocket sends it."""
    family = contract.removesuffix("-SWAP")
    listed = {**wire.okx_listed(contract, wire.okx_detail(ts=str(time), **changed)), "instFamily": family}
    return wire.okx(listed).decode()


class Venue:
    """The running exchanges, of which OKX is the one that has a history."""

    def __init__(self, venues: Venues, loop: asyncio.AbstractEventLoop) -> None:
        self.venues = venues
        self._loop = loop

    @property
    def okx(self) -> Okx:
        return cast("Okx", self.venues.servers["okx"].protocol)

    @property
    def rest_url(self) -> str:
        return self.venues.urls["LIQ_REST_URL_OKX"]

    @property
    def families(self) -> list[str]:
        """Those asked for, each as often as it was."""
        return [query["instFamily"] for query in self.okx.asked]

    def published(self, frames: Sequence[str]) -> None:
        """Frames that went out in the past."""
        for text in frames:
            self.okx.remember(text)

    def publish(self, frames: Sequence[str]) -> None:
        """Send frames to whoever listens now."""
        for text in frames:
            asyncio.run_coroutine_threadsafe(self.venues.servers["okx"].publish(text), self._loop).result(10)


@contextmanager
def serving() -> Iterator[Venue]:
    """The exchanges in a thread of their own, so that what is tested may run its own loop."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop, found = asyncio.Event(), list[Venues]()

    async def main() -> None:
        async with serve(behaviour=QUICK) as venues:
            found.append(venues)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert ready.wait(30)
        yield Venue(found[0], loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
