"""The lease says that somebody collects, across hand-overs, and stops saying so soon after a death."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

from liq_pipeline import streams
from liq_pipeline.collector.lease import Lease, held
from liq_pipeline.collector.timing import Timing
from liq_pipeline.errors import ServerError
from liq_pipeline_tests.collector.harness import collecting, run, until
from liq_pipeline_tests.collector.test_connections import venue_of

FEEDS = ("binance", "okx")
QUICK = Timing(lease=0.05, lease_life=0.5)


def holder(url: str) -> str | None:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        value = client.get(streams.lease_key("binance"))
        return None if value is None else str(value)


def test_a_lease_is_held_while_its_holder_lives_and_expires_when_it_dies(redis_url: str) -> None:
    async def scenario() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            holding = asyncio.create_task(Lease(client, FEEDS, QUICK).hold())
            await until(lambda: held(redis_url, FEEDS), "held")
            await asyncio.sleep(0.8)
            assert held(redis_url, FEEDS)
            holding.cancel()
            await until(lambda: not held(redis_url, FEEDS), "expired")

    run(scenario())


def test_the_newer_of_two_holders_keeps_it_when_the_older_one_leaves(redis_url: str) -> None:
    async def scenario() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            older, newer = Lease(client, FEEDS, QUICK), Lease(client, FEEDS, QUICK)
            first = asyncio.create_task(older.hold())
            await until(lambda: holder(redis_url), "held")
            token = holder(redis_url)
            second = asyncio.create_task(newer.hold())
            await until(lambda: holder(redis_url) not in (None, token), "taken over")
            await asyncio.sleep(0.2)
            assert holder(redis_url) != token
            first.cancel()
            await older.release()
            assert held(redis_url, FEEDS)
            second.cancel()
            await newer.release()
            assert not held(redis_url, FEEDS)

    run(scenario())


def test_the_older_holder_takes_it_back_when_the_newer_dies(redis_url: str) -> None:
    async def scenario() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            first = asyncio.create_task(Lease(client, FEEDS, QUICK).hold())
            await until(lambda: holder(redis_url), "held")
            token = holder(redis_url)
            second = asyncio.create_task(Lease(client, FEEDS, QUICK).hold())
            await until(lambda: holder(redis_url) not in (None, token), "taken over")
            second.cancel()
            await until(lambda: holder(redis_url) == token, "taken back")
            first.cancel()

    run(scenario())


def test_one_feed_without_a_collector_is_not_held(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(streams.lease_key("binance"), "somebody", px=5_000)
    assert held(redis_url, ["binance"])
    assert not held(redis_url, FEEDS)


def test_a_redis_that_cannot_be_asked_is_an_error_and_no_answer() -> None:
    with pytest.raises(ServerError, match="LIQ_REDIS_URL"):
        held("redis://127.0.0.1:1/0", FEEDS)


def test_a_collector_that_stops_cleanly_takes_its_lease_with_it(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("okx") as venue, collecting(redis_url, venue) as collector:
            await until(lambda: held(redis_url, ["okx"]), "held")
            await collector.finish()
            assert not held(redis_url, ["okx"])

    run(scenario())


def test_a_lease_is_renewed_by_a_redis_that_is_out_of_memory(redis_url: str) -> None:
    async def scenario() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            holding = asyncio.create_task(Lease(client, FEEDS, QUICK).hold())
            await until(lambda: held(redis_url, FEEDS), "held")
            memory = (await client.config_get("maxmemory"))["maxmemory"]
            await client.config_set("maxmemory", 1)
            try:
                await asyncio.sleep(2 * QUICK.lease_life)
                assert held(redis_url, FEEDS)
            finally:
                await client.config_set("maxmemory", memory)
            holding.cancel()

    run(scenario())
