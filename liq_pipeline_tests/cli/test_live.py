"""`liq live` as a process: what it prints, how it stops, what it refuses."""

from __future__ import annotations

import time

import redis

from liq_pipeline import streams
from liq_pipeline_tests.cli.running import liq
from liq_pipeline_tests.warehouse.making import add, entry


def test_without_a_database_it_shows_the_last_hour_says_that_nothing_is_recorded_and_ends_in_time(
    redis_url: str,
) -> None:
    now = time.time_ns() // 1_000_000
    add(redis_url, [entry(n, now - 100 * n, value_usd="50000") for n in range(6)])
    done = liq("live", "--for", "5s", LIQ_REDIS_URL=redis_url, LIQ_HOME="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "nothing is recorded" in done.stdout
    assert "6 events" in done.stdout
    assert "1 active" in done.stdout
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.hget("liq:cascade:status:BTCUSDT", "event_count") == "6"
        assert client.hget("liq:live", "state") == "stopped"
        assert not client.exists(streams.lease_key(streams.LIVE))


def test_a_redis_that_cannot_be_reached_is_one_line_and_exit_code_2() -> None:
    done = liq("live", LIQ_REDIS_URL="redis://127.0.0.1:1/1", LIQ_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert done.stderr.startswith("liq: Redis at 127.0.0.1:1") and done.stderr.count("\n") == 1
