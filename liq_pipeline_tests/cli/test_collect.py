"""`liq collect` as a process: what it prints, how it stops, what it refuses."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import redis
from click.testing import CliRunner

from liq_pipeline import streams
from liq_pipeline.cli.collect import command
from liq_pipeline_tests.cli.running import LIQ, environment
from liq_pipeline_tests.collector.harness import run, until
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.fakes.venue import FakeVenue


async def start(redis_url: str, venue: FakeVenue, *arguments: str) -> asyncio.subprocess.Process:
    variables = environment(
        LIQ_REDIS_URL=redis_url,
        LIQ_EXCHANGES=venue.exchange,
        **{
            f"LIQ_WS_URL_{venue.exchange.upper()}": f"ws://127.0.0.1:{venue.port}",
            f"LIQ_REST_URL_{venue.exchange.upper()}": f"http://127.0.0.1:{venue.port}",
        },
    )
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(LIQ, "collect", *arguments, env=variables, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_with_everything_landed(redis_url: str, number: signal.Signals) -> None:
    async def scenario() -> None:
        async with FakeVenue("okx") as venue:
            process = await start(redis_url, venue, "--no-live")
            await until(lambda: venue.topics.get(venue.live[0]) if venue.live else False, "subscribed")
            await venue.send(*(frames.okx(number) for number in range(50)))
            client = redis.Redis.from_url(redis_url)
            await until(lambda: client.hget(streams.feed_key("okx"), "events") == b"50", "received")
            process.send_signal(number)
            out, err = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 0, err
            assert "50 events" in out.decode() and "stopped" in out.decode()
            assert client.xlen(streams.events_key("okx")) == 50
            assert not client.exists(streams.lease_key("okx"))
            client.close()

    run(scenario())


def test_it_ends_after_the_time_it_was_given(redis_url: str) -> None:
    async def scenario() -> None:
        async with FakeVenue("okx") as venue:
            process = await start(redis_url, venue, "--no-live", "--for", "1s")
            _, err = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 0, err

    run(scenario())


def test_a_redis_that_cannot_be_reached_is_one_line_and_exit_code_2() -> None:
    async def scenario() -> None:
        async with FakeVenue("okx") as venue:
            process = await start("redis://127.0.0.1:1/1", venue, "--no-live")
            _, err = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 2
            assert err.decode().startswith("liq: Redis at 127.0.0.1:1") and err.decode().count("\n") == 1

    run(scenario())


def test_a_live_view_runs_beside_it_comes_back_and_goes_with_it_however_it_ends(redis_url: str) -> None:
    async def scenario() -> None:
        async with FakeVenue("okx") as venue:
            process = await start(redis_url, venue)
            client = redis.Redis.from_url(redis_url, decode_responses=True)

            def holder() -> str:
                return str(client.get(streams.lease_key(streams.LIVE)) or "")

            await until(holder, "a live view")
            first = holder()
            os.kill(int(first.split(":")[1]), signal.SIGKILL)
            await until(lambda: holder() not in ("", first), "another live view")
            process.kill()
            await process.wait()
            await until(lambda: not holder(), "no live view")
            client.close()

    run(scenario())


@pytest.mark.parametrize("text", ["0s", "5", "soon", "-1m", "1w"])
def test_a_malformed_duration_is_refused_with_examples(text: str) -> None:
    result = CliRunner().invoke(command, ["--for", text])
    assert result.exit_code == 2 and "write 90s, 5m, 1h" in result.output


def test_an_unknown_exchange_is_refused() -> None:
    result = CliRunner().invoke(command, ["--exchanges", "mtgox"])
    assert "mtgox" in str(result.exception)
