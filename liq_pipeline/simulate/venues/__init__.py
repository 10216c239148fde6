"""Venues on loopback that speak the real protocols, for tests, for rehearsals and for ``liq up --demo``.

``serve`` starts Binance USD-M, Bybit linear and OKX on free ports. Frames come from a script, played to whoever
subscribes, or from ``live.run``, a market that goes on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.venues.binance import Binance
from liq_pipeline.simulate.venues.bybit import Bybit
from liq_pipeline.simulate.venues.okx import Okx
from liq_pipeline.simulate.venues.protocol import Message
from liq_pipeline.simulate.venues.server import Behaviour, Sent, VenueServer

__all__ = ["Behaviour", "Message", "Sent", "Venues", "serve"]


class Venues:
    """The running servers; methods take a venue's name, or None for all three."""

    def __init__(self, servers: Mapping[str, VenueServer], subscribed: asyncio.Event) -> None:
        self.servers = servers
        self.subscribed = subscribed
        """Set once anybody has subscribed liquidations anywhere."""

    @property
    def urls(self) -> dict[str, str]:
        """LIQ_WS_URL_* and LIQ_REST_URL_*, without paths: adapters append the venues' own."""
        return {
            f"LIQ_{kind}_URL_{venue.upper()}": f"{scheme}://127.0.0.1:{server.port}"
            for venue, server in self.servers.items()
            for kind, scheme in (("WS", "ws"), ("REST", "http"))
        }

    @property
    def sent(self) -> list[Sent]:
        """Every frame of the scripts that was sent, by venue, in order."""
        return [sent for server in self.servers.values() for sent in server.sent]

    def play(self, exchange: str, frames: Sequence[Message]) -> None:
        """Add frames to a venue's script; text is sent as text, bytes as binary frames, both as they are."""
        server = self.servers[exchange]
        if isinstance(server.protocol, Bybit):
            server.protocol.list_symbols(frames)
        server.play(frames)

    async def wait_until_played(self, exchange: str | None = None, seconds: float = 60.0) -> None:
        """Return when the scripts have been sent; raises TimeoutError if that takes longer than ``seconds``."""
        async with asyncio.timeout(seconds):
            for server in self._chosen(exchange):
                await server.played.wait()

    async def drop_connections(self, exchange: str | None = None, *, abruptly: bool = False) -> None:
        """Close all connections; scripts go on with the next ones.

        ``abruptly`` there is no closing handshake, and what was on its way may be lost, as in life.
        """
        for server in self._chosen(exchange):
            await server.drop_connections(abruptly=abruptly)

    def go_silent(self, exchange: str | None = None) -> None:
        """Keep present connections open and say nothing more on them; scripts wait for new ones."""
        for server in self._chosen(exchange):
            server.go_silent()

    def refuse_subscriptions(self, exchange: str | None = None, refuse: bool = True) -> None:
        """Answer subscriptions with the venue's error from now on; Binance ignores streams named in the URL."""
        for server in self._chosen(exchange):
            server.protocol.refusing = refuse

    def _chosen(self, exchange: str | None) -> Iterable[VenueServer]:
        return self.servers.values() if exchange is None else (self.servers[exchange],)


@asynccontextmanager
async def serve(
    script: Mapping[str, Sequence[Message]] | None = None,
    behaviour: Behaviour = Behaviour(),  # noqa: B008 - frozen
    *,
    ports: Mapping[str, int] | None = None,
    okx_contract_values: Mapping[str, str] | None = None,
    bybit_page_size: int = 500,
) -> AsyncIterator[Venues]:
    """Run the three venues on loopback until the block ends.

    ``script`` are frames by venue, played in order to every connection that subscribed their topic; frames that
    belong to no topic of the venue go to every subscriber. ``ports`` are free ones unless given.
    ``okx_contract_values`` lists more swaps; Bybit lists the symbols of its script by itself.
    """
    script = script or {}
    subscribed = asyncio.Event()
    protocols = (Binance(), Bybit(page_size=bybit_page_size), Okx(okx_contract_values))
    servers = {protocol.venue: VenueServer(protocol, behaviour, subscribed.set) for protocol in protocols}
    venues = Venues(servers, subscribed)
    try:
        for venue in VENUES:
            venues.play(venue, script.get(venue, ()))
            await servers[venue].start((ports or {}).get(venue, 0))
        yield venues
    finally:
        await asyncio.gather(*(server.stop() for server in servers.values()))
