"""What a venue lists: read over REST, kept in Redis for the next start, on top of the package's snapshot."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from liq_pipeline.collector.connection import is_loopback, now_ms
from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.base import Adapter, Contract
from liq_pipeline.exchanges.instruments import snapshot

_MAX_PAGES: Final = 100
_TIMEOUT_SECONDS: Final = 15.0


class ListUnavailableError(Exception):
    """The venue's instrument list could not be read; the text says why."""


class _Cached(msgspec.Struct):
    fetched_at: int
    contracts: list[Contract]


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

    def get(self, contract: str) -> Contract | None:
        found = self._known.get(contract)
        if found is None:
            self.misses += 1
            self.missed.set()
        return found

    def learn(self, contracts: list[Contract], source: str) -> None:
        """Take over a newer list."""
        self._known = self._known.merged(contracts)
        self.listed = tuple(contracts)
        self.source = source


def cache_key(feed: str) -> str:
    """Where the last list read of a feed is kept in Redis."""
    return f"liq:instruments:{feed}"


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


async def load_cache(redis: Redis, feed: str) -> list[Contract]:
    """The list kept in Redis; empty if there is none, or Redis is away."""
    try:
        value = await redis.get(cache_key(feed))
        return msgspec.json.decode(value, type=_Cached).contracts if value else []
    except (RedisError, OSError, msgspec.DecodeError):
        return []


async def save_cache(redis: Redis, feed: str, contracts: list[Contract]) -> None:
    """Keep the list for the next start; a Redis that is away only costs that start its freshness."""
    try:
        await redis.set(cache_key(feed), msgspec.json.encode(_Cached(now_ms(), contracts)))
    except (RedisError, OSError):
        return
