"""Redis: whether it is reached and recent enough, and keeps what was landed until the database has it."""

from __future__ import annotations

import time
from typing import Any, Final

import redis

from liq_pipeline.doctor.clock import compared
from liq_pipeline.doctor.finding import Findings, fine, note, wrong
from liq_pipeline.embedded.redis import check_redis
from liq_pipeline.errors import LiqError
from liq_pipeline.warehouse.backlog import now_ms, open_redis

_NEARLY_FULL: Final = 0.8


def examine(redis_url: str) -> Findings:
    """Everything about one Redis; one finding if it cannot be asked."""
    try:
        check_redis(redis_url)
        with open_redis(redis_url) as client:
            information: dict[str, Any] = client.info()
            yield from _server(information)
            yield from _durability(client, information)
            yield from _memory(information)
            before = time.time()
            yield from compared("Redis", now_ms(client) / 1000, before, time.time())
    except LiqError as error:
        yield wrong("Redis", str(error))


def _server(information: dict[str, Any]) -> Findings:
    name = information.get("server_name", "redis")
    yield fine("Redis", f"{name} {information.get('valkey_version', information['redis_version'])}")
    if information.get("role") == "slave":
        yield wrong("Redis", "it is a replica, which takes no writes", "name its master in LIQ_REDIS_URL")


def _durability(client: redis.Redis, information: dict[str, Any]) -> Findings:
    if not information.get("aof_enabled"):
        yield wrong(
            "Redis",
            "the append-only file is off: a restart loses what the database does not have yet",
            "set appendonly yes in redis.conf, and run CONFIG SET appendonly yes",
        )
        return
    if information.get("aof_last_write_status") == "err":
        yield wrong("Redis", "the append-only file cannot be written", "make room on its disk, or correct its owner")
    try:
        fsync = client.config_get("appendfsync").get("appendfsync")
    except redis.ResponseError:
        fsync = None  # Managed servers keep their configuration to themselves.
    if fsync in (b"no", "no"):
        yield wrong(
            "Redis", "appendfsync is no: a crash loses more than a second", "set appendfsync everysec in redis.conf"
        )
    else:
        yield fine("Redis", "the append-only file is on")


def _memory(information: dict[str, Any]) -> Findings:
    policy, most = information.get("maxmemory_policy", "noeviction"), int(information.get("maxmemory") or 0)
    if policy != "noeviction":
        yield wrong(
            "Redis",
            f"maxmemory-policy is {policy}: it may forget events that nobody has stored yet",
            "set maxmemory-policy noeviction in redis.conf, and by CONFIG SET",
        )
    used = information["used_memory"] / most if most else 0.0
    if used > 1:
        yield wrong(
            "Redis",
            f"{used:.0%} of maxmemory is used: it takes nothing more, and nothing lands",
            "raise maxmemory, or lower LIQ_STREAM_HOURS",
        )
    elif used > _NEARLY_FULL:
        yield note("Redis", f"{used:.0%} of maxmemory is used", "raise maxmemory, or lower LIQ_STREAM_HOURS")
    else:
        yield fine("Redis", f"{information.get('used_memory_human')} used of {most >> 20 or 'unlimited'} MiB")
