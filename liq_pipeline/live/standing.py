"""How the live view is, for whoever asks: what it says of itself, and whether one runs at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import redis

from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.streams import LIVE, lease_key
from liq_pipeline.warehouse.landing_zone import hash_text


class Standing(NamedTuple):
    """See ``live.health`` for the fields; ``state`` is ``not running`` where nobody holds the lease.

    ``watermark`` and ``updated_at`` are UTC ms, None before the first.
    """

    state: str
    watermark: int | None
    lag_ms: int
    rate: int
    memory: int
    active: int
    finals: int
    corrections: int
    unrecorded: int
    database: str
    redis: str
    updated_at: int | None

    @property
    def runs(self) -> bool:
        """Whether a view holds the lease."""
        return self.state != NOT_RUNNING


NOT_RUNNING = "not running"


def standing(client: redis.Redis) -> Standing:
    """The last view's account of itself."""
    return standing_of(hash_text(client, LIVE_KEY), bool(client.exists(lease_key(LIVE))))


def standing_of(said: Mapping[str, str], held: bool) -> Standing:
    """The same, of the fields of the hash ``liq:live`` and whether somebody holds the lease."""
    state = (said.get("state") or "starting") if held else NOT_RUNNING
    numbers = {name: int(said.get(name) or 0) for name in _NUMBERS}
    return Standing(
        state=state,
        watermark=_time(said, "watermark"),
        database=said.get("database", ""),
        redis=said.get("redis", ""),
        updated_at=_time(said, "updated_at"),
        **numbers,
    )


_NUMBERS = ("lag_ms", "rate", "memory", "active", "finals", "corrections", "unrecorded")


def _time(said: Mapping[str, str], name: str) -> int | None:
    return int(said[name]) if said.get(name) else None
