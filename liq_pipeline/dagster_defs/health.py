"""What Redis says of the feeds and of itself, as states and metadata of the external assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import dagster as dg
import redis

from liq_pipeline import streams
from liq_pipeline.collector.health import state_of
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE, LIVE_VIEW, exchange_key
from liq_pipeline.errors import ServerError
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.settings import FEEDS
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.landing_zone import hash_text, stream_states

_GONE_MS: Final = 15_000
"""Collectors and live views write their health every few seconds; older than that, none is there to correct it."""
_TIMES: Final = ("connected_since", "last_frame_at", "last_event_at")
_COUNTS: Final = (
    *("frames", "events", "rejected", "reconnects", "crashes"),
    *("symbols", "refused_symbols", "buffered"),
)
_LIVE_COUNTS: Final = (
    *("lag_ms", "rate", "memory", "active", "events", "repeated", "late", "undecodable"),
    *("finals", "corrections", "unrecorded"),
)


class Health(NamedTuple):
    """An external asset as it is now: a state in a word or two, whether there is news of it, and numbers."""

    state: str
    active: bool
    metadata: Mapping[str, Any]


def look(redis_url: str, configured: Sequence[str], now_ms: int) -> dict[dg.AssetKey, Health]:
    """The health of every feed that is configured or was ever collected, of the landing zone and of the live view.

    A Redis that does not answer is a state of the landing zone; of the others nothing is known then.
    """
    try:
        with open_redis(redis_url) as client:
            fields = {feed: hash_text(client, streams.feed_key(feed)) for feed in FEEDS}
            leased = {feed for feed in FEEDS if client.exists(streams.lease_key(feed))}
            live_view = live_health(hash_text(client, LIVE_KEY), now_ms)
            landing_zone = _landing_zone(client, [feed for feed in configured if feed not in leased], now_ms)
    except ServerError as error:
        return {LANDING_ZONE: Health("away", True, {"error": str(error)})}
    feeds = {
        exchange_key(feed): feed_health(fields[feed], feed in leased, now_ms)
        for feed in FEEDS
        if fields[feed] or feed in configured
    }
    return {**feeds, LANDING_ZONE: landing_zone, LIVE_VIEW: live_view}


def feed_health(fields: Mapping[str, str], leased: bool, now_ms: int) -> Health:
    """A feed by the fields of its hash (collector/health.py) and whether a collector holds its lease."""
    recent = _recent(fields, now_ms)
    state = _state(fields, state_of({}, leased), recent or leased)
    metadata: dict[str, Any] = {"collected": leased}
    metadata |= {name: dg.MetadataValue.timestamp(int(fields[name]) / 1000) for name in _TIMES if fields.get(name)}
    metadata |= {name: int(fields[name]) for name in _COUNTS if fields.get(name)}
    metadata |= {name: fields[name] for name in ("instruments", "error") if fields.get(name)}
    return Health(state, leased or recent, metadata)


def live_health(fields: Mapping[str, str], now_ms: int) -> Health:
    """The live view by the fields of its hash (live/health.py)."""
    recent = _recent(fields, now_ms)
    metadata: dict[str, Any] = {name: int(fields[name]) for name in _LIVE_COUNTS if fields.get(name)}
    metadata |= {name: fields[name] for name in ("database", "redis") if fields.get(name)}
    if fields.get("watermark"):
        metadata["watermark"] = dg.MetadataValue.timestamp(int(fields["watermark"]) / 1000)
    return Health(_state(fields, "never ran", recent), recent, metadata)


def _recent(fields: Mapping[str, str], now_ms: int) -> bool:
    return now_ms - int(fields.get("updated_at") or 0) < _GONE_MS


def _state(fields: Mapping[str, str], never: str, there: bool) -> str:
    """What a process last said of itself, unless it ended without saying so."""
    state = fields.get("state")
    if not state:
        return never
    return state if there or state == "stopped" else "gone"


def _landing_zone(client: redis.Redis, missing: Sequence[str], now_ms: int) -> Health:
    states = stream_states(client)
    memory: dict[str, Any] = client.info("memory")
    waiting = [state.waiting_ms for state in states if state.waiting_ms is not None]
    return Health(
        f"nobody collects {', '.join(missing)}" if missing else "collected",
        True,
        {
            **{f"{state.key} entries": state.length for state in states},
            "backlog": sum(state.uncommitted for state in states),
            # Of what waits for the database, how long the oldest has waited.
            "lag_seconds": round((now_ms - min(waiting)) / 1000, 1) if waiting else 0.0,
            "memory_bytes": int(memory["used_memory"]),
            "memory_limit_bytes": int(memory["maxmemory"]) or "none",
        },
    )
