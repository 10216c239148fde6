"""The live view's process: reading, showing and remembering, until a time, a signal or cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from liq_pipeline.collector.lease import Lease
from liq_pipeline.collector.resp import Address, RedisAwayError, RedisConnection, RedisRefusedError
from liq_pipeline.collector.run import cancel, until
from liq_pipeline.collector.timing import Timing
from liq_pipeline.errors import ServerError
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.records import Levels, Recorder
from liq_pipeline.live.session import Session
from liq_pipeline.settings import Settings
from liq_pipeline.streams import LIVE
from liq_pipeline.warehouse.live_record import LiveRecord, levels

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS: Final = 15.0


async def live(
    settings: Settings,
    *,
    redis_url: str,
    database_url: str | None,
    until_ms: int | None = None,
    stop: asyncio.Event | None = None,
    watch: Callable[[LiveReport], None] | None = None,
    timing: Timing | None = None,
) -> LiveReport:
    """Show the last hour in Redis until ``until_ms`` (UTC), ``stop`` or cancellation.

    Without a database nothing is recorded, and what the streams hold no more is not known. ``watch`` is called about
    once a second. However it ends, what is to be recorded is, within ``timing.flush`` seconds.
    Raises ServerError if Redis cannot be reached at the start; a database may come later.
    """
    recorder = None if database_url is None else LiveRecord(database_url, settings)
    return await follow(
        settings,
        recorder,
        levels(settings),
        redis_url=redis_url,
        until_ms=until_ms,
        stop=stop,
        watch=watch,
        timing=timing or Timing(),
    )


async def follow(
    settings: Settings,
    recorder: Recorder | None,
    watched: Levels,
    *,
    redis_url: str,
    until_ms: int | None,
    stop: asyncio.Event | None,
    watch: Callable[[LiveReport], None] | None,
    timing: Timing,
) -> LiveReport:
    """``live`` with any recorder and levels."""
    address = Address(redis_url)
    session = Session(settings, recorder, watched)
    connection = await _first(address)
    redis = Redis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0))
    lease = Lease(redis, [LIVE], timing)
    tasks = [
        asyncio.create_task(_keep_following(session, address, connection, timing), name="live"),
        asyncio.create_task(_report(session, timing, watch), name="records"),
    ]
    helpers = [asyncio.create_task(lease.hold(), name="lease")]
    try:
        await until(until_ms, stop, [*tasks, *helpers])
    finally:
        await cancel(tasks)
        try:
            async with asyncio.timeout(timing.flush):
                await session.remember()
        except TimeoutError:
            _log.error("stopped with %d records that the database did not take", session.report().unrecorded)
        finally:
            await cancel(helpers)
            await lease.release()
            await redis.aclose()
            await _say_goodbye(session, address)
    return session.report()


async def _first(address: Address) -> RedisConnection | None:
    try:
        return await RedisConnection.open(address, _TIMEOUT_SECONDS)
    except RedisRefusedError as error:
        raise ServerError(
            f"Redis at {address} refuses the login: {error}; correct the password, user or database in LIQ_REDIS_URL"
        ) from None
    except RedisAwayError as error:
        # A server that is still loading its data will be back; a wrong address will not.
        if not str(error).startswith(("LOADING", "BUSY", "MASTERDOWN")):
            raise ServerError(
                f"Redis at {address} cannot be reached: {error}; start it or correct LIQ_REDIS_URL"
            ) from None
        return None


async def _keep_following(
    session: Session, address: Address, connection: RedisConnection | None, timing: Timing
) -> None:
    """Follow the streams for ever; a Redis that goes away is waited for."""
    failures = 0
    while True:
        try:
            if connection is None:
                connection = await RedisConnection.open(address, _TIMEOUT_SECONDS)
            failures = 0
            await session.follow(connection)
        except RedisAwayError as error:
            if session.redis_away is None:
                _log.warning("Redis at %s is away, waiting: %s", address, error)
            session.redis_away = str(error)
        finally:
            if connection is not None:
                connection.close()
                connection = None
        failures += 1
        await asyncio.sleep(min(timing.retry(failures), 2.0))


async def _report(session: Session, timing: Timing, watch: Callable[[LiveReport], None] | None) -> None:
    while True:
        if watch is not None:
            watch(session.report())
        await session.remember()
        await asyncio.sleep(timing.health)


async def _say_goodbye(session: Session, address: Address) -> None:
    session.stopped = True
    try:
        connection = await RedisConnection.open(address, 1.0)
        await connection.send([session.report().command(session.now())], 1.0)
        connection.close()
    except RedisAwayError:
        return
