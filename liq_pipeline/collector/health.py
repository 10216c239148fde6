"""The health of a feed, as the hash ``liq:feed:{feed}`` shows it.

``state``             ``connecting``, ``live``, ``silent`` (connected, nothing comes), ``backing_off`` (waiting before
                      the next attempt), ``blocked`` (Redis takes nothing, reading has stopped), ``crashed`` (a defect
                      of ours; restarted after a pause), ``stopped``
``connected_since``   UTC ms, of the connection in charge; empty while there is none
``last_frame_at``     UTC ms of receipt of the last frame of any kind
``last_event_at``     UTC ms of receipt of the last liquidation
``frames``, ``events``, ``rejected``, ``reconnects``, ``crashes``
                      counters over all collectors there ever were; a liquidation that arrives twice counts twice
``events_per_minute`` of the collector that wrote last: liquidations it received in the last minute
``instruments``       where contract sizes and symbol lists come from: ``venue``, ``cache``, ``snapshot`` (shipped with
                      the package) or ``none`` (not needed)
``symbols``           number of symbols asked for by name; 0 means all, by a wildcard
``refused_symbols``   number of those the venue refused
``error``             why it last failed; empty if it did not
``buffered``          entries waiting for Redis
``updated_at``        UTC ms; older than some seconds means nobody collects
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from liq_pipeline import streams

_MINUTE_MS: Final = 60_000


def state_of(fields: Mapping[str, str], held: bool) -> str:
    """The state in a feed's hash; ``held``: some collector has its lease, which it takes before it says any."""
    return fields.get("state") or ("starting" if held else "never collected")


class LastMinute:
    """How much a growing count grew within the last minute, by the samples taken of it."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque()

    def of(self, count: int, now: int) -> int:
        """Take a sample at ``now``, UTC ms, and compare it with the one of a minute ago, or the first."""
        self._samples.append((now, count))
        while len(self._samples) > 1 and self._samples[1][0] <= now - _MINUTE_MS:
            self._samples.popleft()
        return count - self._samples[0][1]


class Health:
    """Publishes one feed's health. ``counts`` are of this process; the hash adds up all of them."""

    def __init__(self, redis: Redis, feed: str) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(("frames", "events", "rejected", "reconnects", "crashes"), 0))
        self._published: Counter[str] = Counter()
        self._redis = redis
        self._key = streams.feed_key(feed)
        self._new = True

    async def publish(self, fields: Mapping[str, str | int]) -> None:
        """Write ``fields`` and add what was counted since; a Redis that is away gets it next time."""
        counts = self.counts.copy()
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(self._key, mapping={name: str(value) for name, value in fields.items()})
                for name, count in counts.items():
                    if self._new or count != self._published[name]:
                        pipeline.hincrby(self._key, name, count - self._published[name])
                await pipeline.execute()
        except (RedisError, OSError):
            return
        self._new = False
        self._published = counts
