"""What a venue lists: read over REST, kept in Redis for the next start, on top of the package's snapshot."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from liq_pipeline.collector.connection import is_loopback
from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.base import Adapter, Contract
from liq_pipeline.exchanges.instruments import Listed, read_listed, snapshot
from liq_pipeline.streams import instruments_key

_MAX_PAGES: Final = 100
_TIMEOUT_SECONDS: Final = 15.0


class ListUnavailableError(Exception):
    """The venue's instrument list could not be read; the text says why."""


class LiveInstruments:
    """The contract sizes known now; the Instruments that a feed's adapter asks.

    ``source`` says where they come from: ``venue``, ``cache`` (Redis), ``snapshot`` (the package), or ``none`` where
    the adapter needs no list.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._known = snapshot(adapter.exchange)
        self.source = "none" if adapter.instruments_endpoint is None else "snapshot"
        self.listed: tuple[Contract, ...] = ()
        """The venue's list itself, newest reading; empty before the first."""
        self.misses = 0
        self.missed = asyncio.Event()
        """Set when a contract was asked for that is not known."""

    def get(self, contract: str, time: int) -> Contract | None:
        found = self._known.get(contract, time)
        if found is None:
            self.misses += 1
            self.missed.set()
        return found

    def learn(self, contracts: list[Contract], source: str, seen_ms: int) -> None:
        """Take over a list that the venue gave at ``seen_ms``: it holds from then on, and sizes before it stay."""
        self._known = self._known.merged(self._known.news(contracts, seen_ms))
        self.listed = tuple(self._known.get(contract.name, seen_ms) or contract for contract in contracts)
        self.source = source


async def fetch(adapter: Adapter, rest_url: str) -> list[Contract]:
    """The venue's whole list, page by page; raises ListUnavailableError."""
    endpoint = adapter.instruments_endpoint
    assert endpoint is not None
    contracts: list[Contract] = []
    params = endpoint.params
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=not is_loopback(rest_url)) as client:
            for _ in range(_MAX_PAGES):
                response = await client.get(rest_url + endpoint.path, params=params)
                if response.status_code != httpx.codes.OK:
                    raise ListUnavailableError(f"{rest_url}{endpoint.path}: HTTP {response.status_code}")
                page = adapter.parse_instruments(response.content)
                contracts += page.contracts
                if page.next_params is None:
                    break
                params = {**endpoint.params, **page.next_params}
    except (httpx.HTTPError, httpx.InvalidURL, InvalidLiquidationError) as error:
        raise ListUnavailableError(f"{rest_url}{endpoint.path}: {type(error).__name__}: {error}") from None
    if not contracts:
        # An empty market is far less likely than a broken answer, and believing it would drop every symbol.
        raise ListUnavailableError(f"{rest_url}{endpoint.path} lists nothing")
    return contracts


async def load_cache(redis: Redis, feed: str) -> Listed | None:
    """The list kept in Redis; None if there is none, or Redis is away."""
    try:
        return read_listed(await redis.get(instruments_key(feed)))
    except (RedisError, OSError):
        return None


async def save_cache(redis: Redis, feed: str, listed: Listed) -> None:
    """Keep the list for the next start and for the loader; a Redis that is away only costs their freshness."""
    try:
        await redis.set(instruments_key(feed), msgspec.json.encode(listed))
    except (RedisError, OSError):
        return
