"""The lease of a feed: proof, for whoever would start a collector, that one is running.

``liq:lease:{feed}`` holds the holder's token for 6 s and is renewed every 2 s. It is no lock: two collectors overlap
at every hand-over on purpose. The newest takes the lease over and the older one leaves it alone, so that the end of
the older one does not look like the end of collecting; when the holder dies, any other renews it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from typing import Final

from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from liq_pipeline import streams
from liq_pipeline.collector.timing import Timing
from liq_pipeline.errors import ServerError

# What is held is renewed by its expiry alone, which a Redis that is out of memory allows: a collector that waits for
# memory must not look like one that died, or rescuers are sent to wait beside it.
_RENEW: Final = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif holder == false then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Lease:
    """The leases of the feeds one collector collects."""

    def __init__(self, redis: Redis, feeds: Sequence[str], timing: Timing) -> None:
        self._redis = redis
        self._keys = [streams.lease_key(feed) for feed in feeds]
        self._timing = timing
        self._life_ms = int(timing.lease_life * 1000)
        self._token = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    async def hold(self) -> None:
        """Take the leases over and renew them until cancelled; a Redis that is away is asked again."""
        taken = False
        this = asyncio.current_task()
        assert this is not None
        # A cancellation that meets the client's own time-outs can be swallowed there; the task still remembers it.
        while not this.cancelling():
            try:
                for key in self._keys:
                    if taken:
                        await self._redis.eval(_RENEW, 1, key, self._token, str(self._life_ms))
                    else:
                        await self._redis.set(key, self._token, px=self._life_ms)
                taken = True
            except (RedisError, OSError):
                # Expiry is the message here: without Redis nothing is landed, and someone may look.
                pass
            await asyncio.sleep(self._timing.lease)

    async def release(self) -> None:
        """Remove what is still ours; what cannot be removed expires."""
        try:
            for key in self._keys:
                await self._redis.eval(_RELEASE, 1, key, self._token)
        except (RedisError, OSError):
            return


def held(redis_url: str, feeds: Sequence[str]) -> bool:
    """Whether every one of ``feeds`` has a running collector; raises ServerError if Redis cannot say."""
    return not missing(redis_url, feeds)


def missing(redis_url: str, feeds: Sequence[str]) -> list[str]:
    """Those of ``feeds`` whose lease nobody holds; raises ServerError if Redis cannot say."""
    once = Retry(NoBackoff(), 0)
    with SyncRedis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=3, retry=once) as redis:
        try:
            holders = redis.mget([streams.lease_key(feed) for feed in feeds])
            return [feed for feed, holder in zip(feeds, holders, strict=True) if holder is None]
        except (RedisError, OSError) as error:
            raise ServerError(f"Redis cannot say whether a collector runs: {error}; is LIQ_REDIS_URL right?") from None
