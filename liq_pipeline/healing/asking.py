"""Asking a venue's REST interface at its pace, and again while it asks for patience."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from liq_pipeline.collector.connection import is_loopback
from liq_pipeline.errors import InvalidLiquidationError, VenueError
from liq_pipeline.exchanges.base import BusyError

_TIMEOUT_SECONDS: Final = 15.0
_LONGEST_HOLD: Final = 60.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class Patience:
    """How often a request is tried, and how many seconds are waited after the first failure; each time twice as long.

    A ``Retry-After`` of the venue counts if it is longer.
    """

    tries: int = 6
    first: float = 1.0


class Venue:
    """One venue's REST interface; every request waits for its turn, all of them when the venue asks for patience.

    Proxies of the environment are used as everywhere: not for this machine.
    """

    def __init__(self, url: str, requests_per_second: float, patience: Patience = Patience()) -> None:
        self.requests = 0
        self._url = url
        self._gap = 1 / requests_per_second
        self._patience = patience
        self._next = 0.0
        """When the next turn is, on the monotonic clock."""
        self._held = 0.0
        """Until when nobody may ask."""
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=not is_loopback(url))

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, path: str, query: dict[str, str], read: Callable[[bytes], _T]) -> _T:
        """What ``read`` makes of the answer; raises VenueError when it cannot be had or read, whatever was tried."""
        for attempt in range(self._patience.tries):
            try:
                return read(await self._get(path, query))
            except (httpx.TransportError, BusyError) as error:
                failure = f"{type(error).__name__}: {error}" if isinstance(error, httpx.HTTPError) else str(error)
                self._hold(self._patience.first * 2**attempt * random.uniform(0.75, 1.25))
            except (httpx.HTTPError, httpx.InvalidURL, InvalidLiquidationError) as error:
                raise VenueError(f"{self._url}{path}: {error}") from None
        raise VenueError(f"{self._url}{path}: {failure}, {self._patience.tries} times")

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        await self._turn()
        self.requests += 1
        response = await self._client.get(self._url + path, params=query)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            after = response.headers.get("Retry-After", "")
            self._hold(float(after) if after.isdecimal() else 0.0)
            raise BusyError(f"HTTP {response.status_code}")
        # What a venue refuses with another status it explains in the body, which the reader understands.
        return response.content

    async def _turn(self) -> None:
        mine = self._next = max(self._next + self._gap, time.monotonic())
        while (wait := mine - time.monotonic()) > 0:
            await asyncio.sleep(wait)
            # Somebody may have been asked for patience meanwhile.
            if self._held > mine:
                mine = self._next = max(self._next + self._gap, self._held)

    def _hold(self, seconds: float) -> None:
        self._held = max(self._held, time.monotonic() + min(seconds, _LONGEST_HOLD))
        self._next = max(self._next, self._held)
