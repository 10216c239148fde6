"""The landing zone as an onlooker sees it: no stream is read, created or claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

import redis

from liq_pipeline.streams import LOADER_GROUP, REJECTED, events_key
from liq_pipeline.warehouse.backlog import parse_id

_COUNTED: Final = 1_000_000


class StreamState(NamedTuple):
    """One stream: entries held, those the database has not committed, and when its first and last landed (UTC ms).

    ``waiting_ms`` is when the oldest of the uncommitted landed; None where there is none.
    """

    key: str
    length: int
    uncommitted: int
    first_ms: int
    last_ms: int
    waiting_ms: int | None = None


def hash_text(client: redis.Redis, key: str) -> dict[str, str]:
    """A hash in which a process says how it is, as text; empty if there is none."""
    return as_text(cast(dict[bytes, bytes], client.hgetall(key)))


def as_text(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """The fields of a hash as text; bytes that are none are replaced."""
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()}


def stream_states(client: redis.Redis) -> list[StreamState]:
    """The event streams and the stream of rejected frames that hold anything, sorted by name."""
    found = client.scan_iter(match=events_key("*"), count=1000, _type="stream")
    keys = sorted({*(key.decode() for key in found), REJECTED})
    return [state for key in keys if client.exists(key) and (state := _state(cast("Any", client), key)) is not None]


def uncommitted_events(states: Iterable[StreamState]) -> int:
    """How many entries, of all streams, the database has not committed."""
    return sum(state.uncommitted for state in states)


def _state(client: Any, key: str) -> StreamState | None:
    info = client.xinfo_stream(key)
    if not info["length"]:
        return None
    first, last = info["first-entry"][0], info["last-entry"][0]
    group = next((group for group in client.xinfo_groups(key) if group["name"] == LOADER_GROUP.encode()), None)
    uncommitted = info["length"] if group is None else group["pending"] + _undelivered(client, key, group)
    waiting = _oldest_uncommitted(client, key, group) if uncommitted else None
    return StreamState(key, info["length"], uncommitted, parse_id(first)[0], parse_id(last)[0], waiting)


def _undelivered(client: Any, key: str, group: dict[str, Any]) -> int:
    # Redis before 7 does not say, and later ones do not after entries were deleted from the middle.
    lag = group.get("lag")
    if lag is not None:
        return int(lag)
    return len(client.xrange(key, min=b"(" + group["last-delivered-id"], count=_COUNTED))


def _oldest_uncommitted(client: Any, key: str, group: dict[str, Any] | None) -> int | None:
    after = b"-" if group is None else b"(" + group["last-delivered-id"]
    entries = client.xrange(key, min=after, count=1)
    return parse_id(entries[0][0])[0] if entries else None
