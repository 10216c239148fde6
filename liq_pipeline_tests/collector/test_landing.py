"""Landing: in order, at least once, within bounds, whatever Redis does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from liq_pipeline import exchanges, streams
from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.resp import pack
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.errors import ServerError
from liq_pipeline.exchanges.base import FrameKind, Parsed, Rejection
from liq_pipeline.exchanges.instruments import StaticInstruments
from liq_pipeline.liquidation import Market
from liq_pipeline.warehouse.backlog import parse_id
from liq_pipeline_tests.collector.harness import BOUND_SECONDS, Collector, collecting, run, until
from liq_pipeline_tests.collector.test_connections import FRAMES, venue_of
from liq_pipeline_tests.fakes import frames

KEY = streams.events_key("binance")


@pytest.fixture
def own_redis(tmp_path: Path, servers_directory: Path) -> Iterator[Redis]:
    """A durable server that a test may kill, and start again in its main thread: it ends with the thread it is of."""
    server = Redis(servers_directory / tmp_path.name, servers_directory / f"{tmp_path.name}.log")
    server.start()
    yield server
    server.stop()


def kill(server: Redis) -> None:
    assert server.server is not None
    server.server.kill()
    server.server.wait(10)


def parsed(number: int) -> Parsed:
    return exchanges.adapter("binance").parse(frames.binance(number).encode(), StaticInstruments())


def land(landing: Landing, *numbers: int) -> None:
    for number in numbers:
        landing.land(parsed(number), exchange="binance", received_at=1_791_565_603_000 + number, source="stream")


def landed_times(url: str) -> list[int]:
    with redis.Redis.from_url(url) as client:
        return [streams.decode_entry(fields).liquidation.time for _, fields in client.xrange(KEY)]


def test_an_entry_holds_the_fields_the_loader_reads(redis_url: str) -> None:
    async def scenario() -> None:
        landing = Landing(redis_url)
        await landing.start()
        land(landing, 1)
        bad = Parsed(FrameKind.INVALID, (), [Rejection("reason \udcff ✓", b"\x00\xff")])
        landing.land(bad, exchange="okx", received_at=5, source="stream", market=Market.INVERSE)
        assert await landing.close(5) == 0

    run(scenario())
    with redis.Redis.from_url(redis_url) as client:
        ((_, fields),) = client.xrange(KEY)
        ((_, rejected),) = client.xrange(streams.REJECTED)
    entry = streams.decode_entry(fields)
    assert entry.liquidation == parsed(1).landed[0].liquidation
    assert fields[b"event_id"].decode() == entry.liquidation.event_id
    assert (entry.received_at, entry.source, entry.raw) == (1_791_565_603_001, "stream", frames.binance(1).encode())
    assert rejected == {
        b"received_at": b"5", b"exchange": b"okx", b"reason": "reason \\udcff ✓".encode(), b"frame": b"\x00\xff",
        b"source": b"stream", b"market": b"inverse",
    }  # fmt: skip


def test_many_entries_arrive_in_the_order_they_were_queued(redis_url: str) -> None:
    async def scenario() -> None:
        landing = Landing(redis_url)
        await landing.start()
        for start in range(0, 5_000, 700):
            land(landing, *range(start, min(start + 700, 5_000)))
            await asyncio.sleep(0)
        await landing.flush()
        await landing.close(5)

    run(scenario())
    times = landed_times(redis_url)
    assert len(times) == 5_000 and times == sorted(times)


def test_a_redis_that_is_killed_and_returns_misses_nothing(own_redis: Redis) -> None:
    async def scenario() -> None:
        landing = Landing(own_redis.url())
        await landing.start()
        land(landing, *range(100))
        await landing.flush()
        # Durable to the second; what was acknowledged within the last one is Redis's own promise, not tested here.
        with redis.Redis.from_url(own_redis.url()) as client:
            client.bgrewriteaof()
            await until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "written to disk")
        kill(own_redis)
        land(landing, *range(100, 300))
        await until(lambda: landing.away is not None, "noticed")
        land(landing, *range(300, 400))
        own_redis.start()
        await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
        assert landing.away is None
        await landing.close(5)

    run(scenario())
    times = landed_times(own_redis.url())
    assert len(set(times)) == 400
    assert [time for index, time in enumerate(times) if time not in times[:index]] == sorted(set(times))


def test_what_redis_acknowledged_and_lost_is_written_again_before_what_waits(redis_url: str) -> None:
    """As after a power cut within the second between two syncs, or when a replica that lags takes over."""

    async def scenario() -> None:
        landing = Landing(redis_url)
        await landing.start()
        land(landing, *range(3))
        landing.claim(pack(b"XADD", b"liq:coverage:binance", b"*", b"from", b"1", b"to", b"2"))
        land(landing, 3, 4)
        await landing.flush()
        with redis.Redis.from_url(redis_url) as client:
            client.xtrim(KEY, maxlen=0, approximate=False)
            client.delete("liq:coverage:binance")
            for number in (5, 6):
                # At the second time it has everything.
                client.client_kill_filter(_type="normal", skipme=True)
                land(landing, number)
                await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
        await landing.close(5)

    run(scenario())
    assert landed_times(redis_url) == [parsed(number).landed[0].liquidation.time for number in range(7)]
    with redis.Redis.from_url(redis_url) as client:
        ((claimed, _),) = client.xrange("liq:coverage:binance")
        ids = [entry_id for entry_id, _ in client.xrange(KEY)]
    # Within a millisecond, entries of different streams cannot be told apart.
    assert parse_id(ids[2])[0] <= parse_id(claimed)[0]


def test_what_is_kept_of_the_acknowledged_is_bounded(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        landing = Landing(redis_url)
        await landing.start()
        with redis.Redis.from_url(redis_url) as client:
            for number in range(3):
                land(landing, number)
                await landing.flush()
                monkeypatch.setattr("liq_pipeline.collector.landing._KEPT_BYTES", 1_000)
            client.xtrim(KEY, maxlen=0, approximate=False)
            client.client_kill_filter(_type="normal", skipme=True)
            land(landing, 3)
            await landing.flush()
        await landing.close(5)

    run(scenario())
    assert landed_times(redis_url) == [parsed(number).landed[0].liquidation.time for number in (2, 3)]


def test_a_batch_whose_acknowledgement_was_lost_is_sent_again(redis_url: str) -> None:
    async def scenario() -> None:
        port = redis.Redis.from_url(redis_url).connection_pool.connection_kwargs["port"]
        async with cutting_proxy(port) as (proxy_port, cut):
            landing = Landing(redis_url.replace(f":{port}/", f":{proxy_port}/"))
            await landing.start()
            cut.set()
            land(landing, 1, 2, 3)
            await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
            await landing.close(5)

    run(scenario())
    times = landed_times(redis_url)
    assert len(times) == 6 and len(set(times)) == 3


@contextlib.asynccontextmanager
async def cutting_proxy(port: int):  # type: ignore[no-untyped-def]
    """A relay to Redis that, once told to, delivers one request and cuts the line instead of the answer."""
    cut = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while request := await reader.read(1 << 20):
                upstream_writer.write(request)
                answer = await upstream_reader.read(1 << 20)
                if cut.is_set() and b"XADD" in request:
                    cut.clear()
                    return
                writer.write(answer)
        finally:
            upstream_writer.close()
            writer.transport.abort()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], cut
    finally:
        server.close()


@pytest.mark.parametrize("trouble", ["out of memory", "read-only"])
def test_refusals_of_single_commands_are_waited_out(own_redis: Redis, trouble: str) -> None:
    async def scenario() -> None:
        landing = Landing(own_redis.url())
        await landing.start()
        with redis.Redis.from_url(own_redis.url()) as client:
            memory = client.config_get("maxmemory")["maxmemory"]
            if trouble == "out of memory":
                client.config_set("maxmemory", 1)
            else:
                client.replicaof("127.0.0.1", 1)
            land(landing, *range(50))
            await until(lambda: landing.away, "noticed")
            assert landing.away is not None and landing.away.startswith(("OOM", "READONLY"))
            client.config_set("maxmemory", memory)
            client.replicaof("NO", "ONE")
        await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
        await landing.close(5)

    run(scenario())
    assert len(landed_times(own_redis.url())) == 50


def test_a_claim_is_not_sent_before_everything_earlier_is_acknowledged(redis_url: str) -> None:
    async def scenario() -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.set(KEY, "in the way of the stream")
            landing = Landing(redis_url)
            await landing.start()
            land(landing, 1, 2)
            landing.claim(pack(b"SET", b"claimed", b"1"))
            land(landing, 3)
            await until(lambda: landing.away, "the stream refuses")
            assert client.get("claimed") is None
            client.delete(KEY)
            await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
            assert client.get("claimed") == b"1"
        await landing.close(5)

    run(scenario())
    assert len(landed_times(redis_url)) == 3


@pytest.mark.parametrize(
    ("bounds", "count"), [({"max_entries": 100}, 100), ({"max_bytes": 50_000}, 60)], ids=["entries", "bytes"]
)
def test_a_full_buffer_says_so_and_has_room_again_when_half_is_written(
    own_redis: Redis, bounds: dict[str, int], count: int
) -> None:
    async def scenario() -> None:
        landing = Landing(own_redis.url(), **bounds)
        await landing.start()
        kill(own_redis)
        number = 0
        while not landing.full:
            land(landing, number)
            number += 1
        assert number >= count
        waiting = asyncio.create_task(landing.room())
        await until(lambda: landing.away, "noticed")
        assert not waiting.done()
        own_redis.start()
        await asyncio.wait_for(waiting, BOUND_SECONDS)
        await asyncio.wait_for(landing.flush(), BOUND_SECONDS)
        assert not landing.full
        await landing.close(5)

    run(scenario())


def test_what_redis_does_not_take_before_the_end_is_counted(own_redis: Redis) -> None:
    async def scenario() -> None:
        landing = Landing(own_redis.url())
        await landing.start()
        kill(own_redis)
        land(landing, *range(7))
        assert await landing.close(0.3) == 7

    run(scenario())


def test_while_redis_is_away_reading_stops_at_the_bound_and_every_event_arrives_in_the_end(
    own_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        monkeypatch.setattr("liq_pipeline.collector.run.Landing", lambda url: Landing(url, max_entries=2_000))
        async with venue_of("okx") as venue, collecting(own_redis.url(), venue) as collector:
            await until(lambda: collector.covered("okx"), "covered")
            kill(own_redis)
            # Far more bytes than the buffers of a socket's two ends can swallow.
            total, padding = 20_000, ',"padding":"' + "x" * 2_000 + '"}'
            frames_sent = (FRAMES["okx"](number)[:-1] + padding for number in range(total))
            sending = asyncio.create_task(venue.send(*frames_sent))
            await until(lambda: collector.state("okx") == "blocked", "reading stopped")
            (connection,) = venue.live
            await until(lambda: connection.transport.get_write_buffer_size() > 0, "the venue feels it")
            assert not sending.done()
            assert collector.status["okx"].events <= 2_100
            own_redis.start()
            collector.redis = redis.Redis.from_url(own_redis.url())
            await asyncio.wait_for(sending, BOUND_SECONDS)
            key = streams.events_key("okx")
            await until(lambda: collector.redis.xlen(key) >= total, "everything was written")
            assert len(collector.times("okx")) == total
            await until(lambda: len(collector.covered("okx")) >= 2, "the time without reading is a gap")
            (_, start), (end, _), *_ = collector.covered("okx")
            await until(lambda: collector.explained("okx", "overloaded", start, end), "the gap is explained")

    run(scenario())


def test_a_collector_that_is_cut_off_leaves_its_gap_by_saying_nothing(redis_url: str) -> None:
    async def scenario() -> None:
        async with venue_of("binance") as venue:
            async with collecting(redis_url, venue) as collector:
                await until(lambda: collector.covered("binance"), "covered")
                abandoned = Collector(redis_url).spans("binance")
            end = max(span.end for span in abandoned)
            await asyncio.sleep(0.3)
            async with collecting(redis_url, venue) as collector:
                await until(lambda: len(collector.covered("binance")) == 2, "a gap between the two")
                first, second = collector.covered("binance")
                assert first[1] >= end and second[0] - first[1] >= 250

    run(scenario())


def test_a_wrong_password_is_one_clear_line(redis_url: str) -> None:
    wrong = redis_url.replace("redis://:", "redis://:not")

    async def scenario() -> None:
        with pytest.raises(ServerError, match=r"refuses the login.*LIQ_REDIS_URL") as raised:
            await Landing(wrong).start()
        assert wrong.split("@")[0].removeprefix("redis://:") not in str(raised.value)

    run(scenario())


def test_an_unreachable_redis_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def scenario() -> None:
        with pytest.raises(ServerError, match=rf"127.0.0.1:{port}, database 1 cannot be reached.*LIQ_REDIS_URL"):
            await Landing(f"redis://127.0.0.1:{port}/1").start()

    run(scenario())


def test_a_server_that_is_no_redis_is_one_clear_line() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ServerError, match="cannot be reached"):
                await Landing(f"redis://127.0.0.1:{port}/1").start()

    run(scenario())
