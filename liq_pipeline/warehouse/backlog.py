"""The streams of the landing zone as the loader sees them: entries not yet in the database, and what may go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import redis

from liq_pipeline.errors import ServerError
from liq_pipeline.streams import LOADER_GROUP, REJECTED, events_key

StreamId = tuple[int, int]
Fields = dict[bytes, bytes]

# One name for all loaders: only one runs at a time, and its successor finds what it left pending under that name.
_CONSUMER: Final = "loader"
_BATCH: Final = 10_000
_REJECTED_BATCH: Final = 200
"""Rejected frames can be as large as a venue's largest message, and are few."""
_FREE: Final = 0.2
"""With less than this share of Redis's memory limit free, committed entries are kept for a shorter time."""


class Item(NamedTuple):
    """An entry of a stream; ``fields`` is None when it was deleted before it was acknowledged."""

    id: bytes
    fields: Fields | None


@contextmanager
def open_redis(redis_url: str) -> Iterator[redis.Redis]:
    """A client whose errors are ServerErrors that name the server and the fix, and never a password."""
    try:
        parts = urlsplit(redis_url)
        where = (
            f"Redis at {parts.hostname or 'the local socket'} port {parts.port or 6379}, database {parts.path[1:] or 0}"
        )
        client = redis.Redis.from_url(redis_url, protocol=2, socket_timeout=60, socket_connect_timeout=5)
    except ValueError:
        raise ServerError(
            "LIQ_REDIS_URL (hidden) is not a Redis URL; write it like redis://:password@host:6379/1"
        ) from None
    # As the parser made them: redis-py's lists of pairs and dictionaries cost more than all the rest of the reading.
    for command in ("XREADGROUP", "XAUTOCLAIM"):
        client.set_response_callback(command, lambda response, **_: response)
    try:
        yield client
    except redis.AuthenticationError as error:
        raise ServerError(f"{where}: {error}: correct the password in LIQ_REDIS_URL") from None
    except redis.RedisError as error:
        raise ServerError(f"{where}: {error}: start Redis, or correct LIQ_REDIS_URL") from error
    finally:
        client.close()


def now_ms(client: redis.Redis) -> int:
    """The server's clock, the one that makes stream ids."""
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000


def stream_keys(client: redis.Redis) -> list[str]:
    """All event streams there are, sorted, then the stream of rejected frames; each with the loader's group."""
    found = client.scan_iter(match=events_key("*"), count=1000, _type="stream")
    keys = [*sorted(key.decode() for key in found), REJECTED]
    for key in keys:
        # Asked first: a Redis that is out of memory refuses to create even what exists, and only the loader's
        # trimming will make room there.
        if not _has_group(client, key):
            client.xgroup_create(key, LOADER_GROUP, id="0", mkstream=True)
    return keys


def uncommitted(client: redis.Redis, key: str, until_ms: int) -> Iterator[list[Item]]:
    """Batches of entries older than ``until_ms``: first those delivered before but never acknowledged, then new ones.

    What is read stays pending until ``acknowledge``. A newer entry that comes along stays pending for the next run.
    """
    if gone := _claim_all(client, key):
        yield gone
    position: bytes = b"0"
    while entries := _read(client, key, position):
        position = entries[-1].id
        batch = [item for item in entries if parse_id(item.id)[0] < until_ms]
        if batch:
            yield batch
        if len(batch) < len(entries):
            return
    while entries := _read(client, key, b">"):
        batch = [item for item in entries if parse_id(item.id)[0] < until_ms]
        if batch:
            yield batch
        if len(batch) < len(entries):
            return


def acknowledge(client: redis.Redis, key: str, ids: Sequence[bytes]) -> None:
    """Say that the database has these entries."""
    client.xack(key, LOADER_GROUP, *ids)


def trim(client: redis.Redis, key: str, horizon_ms: int) -> int:
    """Delete what is older than ``horizon_ms`` and acknowledged; how many entries that were.

    Where memory runs out the horizon moves towards the present, never into what is not acknowledged.
    """
    committed = _first_uncommitted(client, key)

    def cut(horizon: int) -> int:
        return client.xtrim(key, minid="{}-{}".format(*min((horizon, 0), committed)), approximate=False)

    trimmed = cut(horizon_ms)
    now = now_ms(client)
    kept = now - horizon_ms
    while kept > 0 and _memory_is_short(client):
        kept //= 2
        trimmed += cut(now - kept)
    return trimmed


def parse_id(entry_id: bytes) -> StreamId:
    """A stream id as numbers, which compare as Redis orders them."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)


def _has_group(client: redis.Redis, key: str) -> bool:
    try:
        return any(group["name"] == LOADER_GROUP.encode() for group in client.xinfo_groups(key))
    except redis.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return False


def _memory_is_short(client: redis.Redis) -> bool:
    memory = cast("Any", client).info("memory")
    limit = memory["maxmemory"]
    return bool(limit and memory["used_memory"] > (1 - _FREE) * limit)


def _first_uncommitted(client: redis.Redis, key: str) -> StreamId:
    groups = client.xinfo_groups(key)
    group = next(group for group in groups if group["name"] == LOADER_GROUP.encode())
    milliseconds, sequence = parse_id(group["last-delivered-id"])
    first_pending = client.xpending(key, LOADER_GROUP)["min"]
    never_delivered = (milliseconds, sequence + 1)
    return min(never_delivered, parse_id(first_pending)) if first_pending else never_delivered


def _claim_all(client: redis.Redis, key: str) -> list[Item]:
    """Take over what other consumers left pending; the pending entries that are no longer there.

    Redis 6.2 answers a deleted entry without its id, so only ids are asked for, and reading finds out; from 7 on it
    lists deleted ones itself.
    """
    start, gone = b"0-0", []
    while True:
        start, _, *deleted = _call(client, "XAUTOCLAIM", key, LOADER_GROUP, _CONSUMER, 0, start, "JUSTID")
        gone += [Item(entry_id, None) for entry_id in (deleted[0] if deleted else ())]
        if start == b"0-0":
            return gone


def _read(client: redis.Redis, key: str, after: bytes) -> list[Item]:
    count = _REJECTED_BATCH if key == REJECTED else _BATCH
    command = ("XREADGROUP", "GROUP", LOADER_GROUP, _CONSUMER, "COUNT", count, "STREAMS", key, after)
    reply = _call(client, *command)
    if not reply:
        return []
    return [
        Item(entry_id, None if flat is None else dict(zip(pair := iter(flat), pair, strict=False)))
        for entry_id, flat in reply[0][1]
    ]


def _call(client: redis.Redis, *command: object) -> Any:
    return cast("Any", client).execute_command(*command)
