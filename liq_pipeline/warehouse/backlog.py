"""The streams of the landing zone as the loader sees them: entries not yet in the database, and what may go.

The position of the loader's group in a stream says what the database has: everything up to it. The database notes it
too, with the rows, so that one which lost them again is met. Entries are read as a range and the position moves after
the commit. Delivering them to a consumer instead, and acknowledging each, took
Redis five times as long: it notes, and writes to its log, every entry that is on its way.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import redis

from liq_pipeline.errors import ServerError
from liq_pipeline.streams import LOADER_GROUP, REJECTED, events_key

StreamId = tuple[int, int]
Fields = dict[bytes, bytes]

_BATCH: Final = 10_000
_REJECTED_BATCH: Final = 25
"""Rejected frames can be as large as a venue's largest message, 16 MB, and are few."""
_FREE: Final = 0.2
"""With less than this share of Redis's memory limit free, committed entries are kept for a shorter time."""


class Item(NamedTuple):
    """An entry of a stream: its id, and its names and values in turn."""

    id: bytes
    flat: Sequence[bytes]

    @property
    def fields(self) -> Fields:
        """The values by their names."""
        return dict(zip(self.flat[::2], self.flat[1::2], strict=False))


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


def step_back(client: redis.Redis, key: str, known: str | None) -> bool:
    """Begin again where the database is, which says that it has all up to ``known``, where it has less than was said.

    So it is with one that was restored, with a standby that took over and had not got everything yet, and with another
    one, which knows nothing of the stream: it gets all that is left of it. True where what the database lost may be
    gone from the stream as well.
    """
    entries = client.xrange(key, count=1)
    first = parse_id(cast("bytes", entries[0][0])) if entries else None
    if known is None and first is None:
        return False
    has = _before(first) if known is None and first else parse_id((known or "0").encode())
    if has >= parse_id(_group(client, key)["last-delivered-id"]):
        return False
    client.xgroup_setid(key, LOADER_GROUP, "{}-{}".format(*has))
    return first is None or has < _before(first)


def uncommitted(client: redis.Redis, key: str, until_ms: int) -> Generator[list[Item], None, None]:
    """Batches of entries older than ``until_ms`` and newer than what is committed.

    Each is asked for before the one ahead of it is given out, so that Redis has answered by the time it is wanted.
    """
    _take_back_pending(client, key)
    count = _REJECTED_BATCH if key == REJECTED else _BATCH
    after = _group(client, key)["last-delivered-id"]
    with _connection(client) as connection:
        entries: Sequence[Any] | None = None
        while entries is None or entries:
            connection.send_command("XRANGE", key, b"(" + after, until_ms - 1, "COUNT", count)
            if entries:
                yield list(map(Item._make, entries))
            entries = connection.read_response()
            after = entries[-1][0] if entries else after


def was_robbed(client: redis.Redis, key: str) -> bool:
    """Whether something deleted entries that were not committed; Redis before 7 does not know."""
    if not client.exists(key):
        return False
    deleted = client.xinfo_stream(key).get("max-deleted-entry-id", b"0-0")
    return parse_id(deleted) > parse_id(_group(client, key)["last-delivered-id"])


def commit(client: redis.Redis, key: str, batch: Sequence[Item]) -> None:
    """Say that the database has these entries, the first after what it had, and all before."""
    last = batch[-1].id
    read = _entries_read(client, key)
    counted = () if read is None else ("ENTRIESREAD", read + len(batch))
    command = ("XGROUP", "SETID", key, LOADER_GROUP, last, *counted)
    try:
        _call(client, *command)
    except redis.OutOfMemoryError:
        # Redis before 7 refuses this when it is full, like writing. What is committed may go then.
        client.xtrim(key, minid="{}-{}".format(*_next(parse_id(last))), approximate=False)
        _call(client, *command)


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


def _group(client: redis.Redis, key: str) -> dict[str, Any]:
    return next(group for group in client.xinfo_groups(key) if group["name"] == LOADER_GROUP.encode())


def _first_uncommitted(client: redis.Redis, key: str) -> StreamId:
    never_delivered = _next(parse_id(_group(client, key)["last-delivered-id"]))
    first_pending = client.xpending(key, LOADER_GROUP)["min"]
    return min(never_delivered, parse_id(first_pending)) if first_pending else never_delivered


def _next(stream_id: StreamId) -> StreamId:
    return stream_id[0], stream_id[1] + 1


def _before(stream_id: StreamId) -> StreamId:
    milliseconds, sequence = stream_id
    return (milliseconds, sequence - 1) if sequence else (milliseconds - 1, 2**64 - 1)


def _entries_read(client: redis.Redis, key: str) -> int | None:
    """How many entries there ever were up to the group's position: with it Redis, from 7 on, tells its backlog."""
    group = _group(client, key)
    if (read := group.get("entries-read")) is not None:
        return int(read)
    lag = group.get("lag")
    return None if lag is None else int(client.xinfo_stream(key)["entries-added"]) - int(lag)


def _take_back_pending(client: redis.Redis, key: str) -> None:
    """Step back before what was delivered to a consumer, as earlier versions did, and never acknowledged."""
    if not client.xpending(key, LOADER_GROUP)["pending"]:
        return
    before = _before(_first_uncommitted(client, key))
    pipeline = client.pipeline(transaction=True)
    pipeline.xgroup_setid(key, LOADER_GROUP, "{}-{}".format(*before))
    for consumer in client.xinfo_consumers(key, LOADER_GROUP):
        pipeline.xgroup_delconsumer(key, LOADER_GROUP, consumer["name"])
    pipeline.execute()


@contextmanager
def _connection(client: redis.Redis) -> Iterator[Any]:
    """A connection of its own, whose replies stay as the parser made them: redis-py's lists of pairs and dictionaries
    cost more than all the rest of the reading."""
    connection: Any = client.connection_pool.get_connection()
    try:
        yield connection
    finally:
        # There may be a reply that nobody read.
        connection.disconnect()
        client.connection_pool.release(connection)


def _call(client: redis.Redis, *command: object) -> Any:
    return cast("Any", client).execute_command(*command)
