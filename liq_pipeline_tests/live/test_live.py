"""The live view over a real Redis: started again, run twice, cut off, and with a database that is not there."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import hiredis
import msgspec
import pytest
import redis

from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.lease import held
from liq_pipeline.collector.resp import RedisAwayError
from liq_pipeline.detection.columns import Params
from liq_pipeline.errors import ServerError
from liq_pipeline.live.projection import Round
from liq_pipeline.live.records import Blind, CascadeState, Crossed, LateEvent, Levels, Record
from liq_pipeline.live.view import View
from liq_pipeline.replay.player import Player
from liq_pipeline.replay.tape import Tape
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry, decode_entry, events_key
from liq_pipeline_tests.collector.harness import QUICK, until
from liq_pipeline_tests.live import naive
from liq_pipeline_tests.live.harness import Live, Memory, fields, land, running, shown
from liq_pipeline_tests.live.naive import HOUR, MINUTE, Shown
from liq_pipeline_tests.live.streaming import make
from liq_pipeline_tests.live.test_view import as_state
from liq_pipeline_tests.replay.making import tape_of
from liq_pipeline_tests.warehouse.making import NOON

RECORDINGS = Path("../shared/data/recordings")
BURST = 1_737_997_721_954
"""148 events in the four seconds from there."""
DEFINITION = 60_000, 5, Decimal(100_000)


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def now() -> int:
    return time.time_ns() // 1_000_000


def market(seed: int, count: int = 300) -> list[Entry]:
    """A replayed afternoon on three venues: disorder within seconds, some of it half an hour, cascades, repetitions."""
    dice = random.Random(seed)
    moment, made = NOON, []
    for number in range(count):
        moment += dice.choice((0, 0, 1, 200, 900, 5_000, 59_999, 60_000, 5 * MINUTE))
        symbol = dice.choice(("BTCUSDT", "BTCUSDT", "DOGEUSDT", "1INCHUSDT"))
        arrival = make(
            number,
            moment,
            landed=moment + dice.choice((0, 0, 400, 1_500, 30_000, 30 * MINUTE)),
            symbol=symbol,
            exchange=dice.choice(("binance", "bybit", "okx")),
            value=dice.choice(("20000", "30000.5", "600000", "0.25")),
            price=str(dice.choice((50_000, 50_099.9, 50_100))) if symbol == "BTCUSDT" else dice.choice(("0.1", "0.2")),
            is_long=dice.random() < 0.8,
            source="replay",
        )
        made += [arrival] * dice.choice((1, 1, 1, 2))
    made.sort(key=lambda each: each.landed)
    return [each.entry for each in made]


def expected(entries: Sequence[Entry], watermark: int) -> Shown:
    """Everything Redis has to show but ``supersedes``."""
    entries = naive.unique(entries)
    return {
        **naive.hour(entries, watermark),
        **naive.statuses(entries, watermark, *DEFINITION),
    }


def without_supersedes(found: Shown) -> Shown:
    return {
        key: {name: value for name, value in values.items() if name != "supersedes"} for key, values in found.items()
    }


async def shows(client: redis.Redis, wanted: Shown) -> Shown:
    """Wait until it shows what it has to, and return all of it."""
    found: Shown = {}

    def same() -> bool:
        nonlocal found
        found = shown(client)
        return without_supersedes(found) == wanted

    try:
        await until(same, "Redis shows what it should")
    except AssertionError:
        assert without_supersedes(found) == wanted
    return found


def finals(entries: Sequence[Entry], watermark: int) -> dict[str, object]:
    """The cascades that are final at a watermark."""
    cascades = naive.cascades(naive.unique(entries), *DEFINITION)
    return {each.cascade_id: as_state(each) for each in cascades if each.cascade_end + DEFINITION[0] <= watermark}


def newest(entries: Sequence[Entry]) -> int:
    return max(entry.liquidation.time for entry in entries)


def test_started_again_at_any_moment_or_run_twice_it_ends_as_if_undisturbed(
    client: redis.Redis, redis_url: str
) -> None:
    entries = market(1)
    unique = len(naive.unique(entries))

    async def undisturbed() -> tuple[Shown, Memory]:
        memory = Memory()
        async with running(redis_url, memory) as view:
            for start in range(0, len(entries), 40):
                land(client, entries[start : start + 40])
                await asyncio.sleep(0.02)
            await until(lambda: view.has(unique), "all events counted")
            return await shows(client, expected(entries, newest(entries))), memory

    async def disturbed(seed: int) -> tuple[Shown, Memory]:
        dice, memory = random.Random(seed), Memory()
        views: list[tuple[object, Live]] = []
        for start in range(0, len(entries), 40):
            while len(views) > dice.choice((0, 1, 1)):
                manager, view = views.pop(0)
                await view.kill()
            # What landed so far is in the database as well, by and by.
            memory.known.clear()
            memory.commit(naive.unique(entries[: start // 2]))
            while len(views) < dice.choice((1, 1, 2)):
                manager = running(redis_url, memory)
                views.append((manager, await manager.__aenter__()))
            land(client, entries[start : start + 40])
            await asyncio.sleep(dice.choice((0, 0.02, 0.2)))
        for _, view in views:
            await until(lambda view=view: view.has(unique), "all events counted")  # type: ignore[misc]
        found = await shows(client, expected(entries, newest(entries)))
        for manager, _ in views:
            await manager.__aexit__(None, None, None)  # type: ignore[attr-defined]
        return found, memory

    calm, told = asyncio.run(undisturbed())
    assert told.standing() == finals(entries, newest(entries))
    for seed in (1, 2):
        client.flushdb()
        found, memory = asyncio.run(disturbed(seed))
        assert found == calm, "supersedes, too, is a matter of how events landed alone"
        assert memory.standing() == finals(entries, newest(entries))
        assert not [record for record in memory.records if isinstance(record, Blind | LateEvent)]


def test_what_another_left_behind_or_redis_lost_is_right_again_soon(client: redis.Redis, redis_url: str) -> None:
    entries = market(2, 60)

    async def scenario() -> None:
        stale = {"liq:levels:XRPUSDT:1:LONG": "count", "liq:agg:XRPUSDT:60s:60000": "count"}
        stale["liq:cascade:status:XRPUSDT"] = "cascade_id"
        for key, name in stale.items():
            client.hset(key, name, "1")
        land(client, entries)
        wanted = expected(entries, newest(entries))
        async with running(redis_url):
            await shows(client, wanted)
            some = sorted(wanted)
            client.delete(*some[::2])
            client.hset(some[1], "count", "12345")
            client.hset("liq:levels:XRPUSDT:1:LONG", "count", "1")
            await shows(client, wanted)
            for key in wanted:
                assert 0 < client.pttl(key) <= (60_000 if "status" in key else HOUR)
            for key in (*stale, *some):
                client.delete(key)
            # Connections that break are made again, and everything is written anew.
            client.client_kill_filter(_type="normal", skipme=True)
            await shows(client, wanted)

    asyncio.run(scenario())


def test_events_leave_and_cascades_end_by_the_clock_when_nothing_comes_any_more(
    client: redis.Redis, redis_url: str
) -> None:
    settings = Settings(cascade_window_seconds=1)
    at = now()
    # The watermark is ten seconds behind the clock, and the newest event ahead of that at first.
    old = [make(number, at - HOUR - 7_000 + number, landed=at).entry for number in range(3)]
    cascade = [make(10 + number, at - 8_000 + number, landed=at, symbol="ETHUSDT").entry for number in range(6)]
    memory = Memory()

    async def scenario() -> None:
        async with running(redis_url, memory, settings) as view:
            land(client, old)
            await until(lambda: client.hget("liq:levels:BTCUSDT:50000:LONG", "count") == b"3", "the old are counted")
            land(client, cascade)
            await until(lambda: client.exists("liq:cascade:status:ETHUSDT"), "the cascade is active")
            assert view.report is not None
            assert not memory.standing()
            await until(lambda: not client.exists("liq:cascade:status:ETHUSDT"), "the cascade is final")
            await until(lambda: len(memory.standing()) == 1, "the final is recorded")
            await until(lambda: not client.exists("liq:levels:BTCUSDT:50000:LONG"), "the old have left")
            assert client.hget("liq:levels:ETHUSDT:50000:LONG", "count") == b"6"

    asyncio.run(scenario())
    (final,) = memory.standing().values()
    assert (final.event_count, final.start) == (6, at - 8_000)
    assert now() >= final.end + 1_000 + 10_000, "final by the clock, not before"


def test_where_the_streams_do_not_reach_the_database_does(client: redis.Redis, redis_url: str) -> None:
    # A cascade of an event each 10 s that began long before what Redis still has.
    entries = [make(number, NOON + number * 10_000, source="replay").entry for number in range(700)]
    memory = Memory()
    memory.commit(entries[:690])
    land(client, entries[680:])

    async def scenario() -> None:
        async with running(redis_url, memory):
            await shows(client, expected(entries, newest(entries)))

    asyncio.run(scenario())
    assert min(start for start, _ in memory.asked) < NOON, "it went back to where the cascade began"


def test_a_database_that_is_away_is_asked_again_and_gets_everything_then(client: redis.Redis, redis_url: str) -> None:
    memory = Memory(away=True)
    entries = [make(number, NOON + number * 9_000, source="replay").entry for number in range(60)]
    entries += [make(99, NOON + 12 * MINUTE, source="replay").entry]
    memory.commit(entries[:40])
    land(client, entries[30:])

    async def scenario() -> None:
        async with running(redis_url, memory) as view:
            await until(lambda: view.report and view.report.events == 31 and view.report.state == "live", "it goes on")
            assert view.report is not None
            assert view.report.database
            assert not memory.records
            memory.away = False
            await until(lambda: view.has(len(entries)), "all events counted")
            await shows(client, expected(entries, newest(entries)))

    asyncio.run(scenario())
    # It had seen the end of the cascade alone, and tells the whole instead.
    assert memory.standing() == finals(entries, newest(entries))
    assert len(memory.standing()) == 1


def test_a_database_that_never_answers_holds_back_nobody_who_wants_to_end(redis_url: str) -> None:
    asked, answers, ended = threading.Event(), threading.Event(), threading.Event()
    before = set(threading.enumerate())

    class Hanging(Memory):
        def record(self, items: Sequence[Record], *, watermark: int | None, landed: int) -> None:
            asked.set()
            answers.wait()

    async def scenario() -> None:
        async with running(redis_url, Hanging(), timing=replace(QUICK, flush=0.1)):
            await until(asked.is_set, "the database is asked")

    def run() -> None:
        asyncio.run(scenario())
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        # Nor may a thread that waits keep the interpreter, which waits for all but daemons.
        assert ended.wait(60)
        assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    finally:
        answers.set()


def test_a_cascade_longer_than_the_memory_is_whole_though_the_database_comes_late(
    client: redis.Redis, redis_url: str
) -> None:
    entries = [make(number, NOON + number * 10_000, source="replay").entry for number in range(700)]
    memory = Memory(away=True)
    memory.commit(entries[:300])
    land(client, entries[200:])

    async def scenario() -> None:
        async with running(redis_url, memory) as view:
            await until(lambda: view.report and view.report.events == 500 and view.report.state == "live", "it goes on")
            memory.away = False
            await shows(client, expected(entries, newest(entries)))
            await until(lambda: view.report and view.report.memory < 400, "what is older than the memory goes then")

    asyncio.run(scenario())


def test_what_landed_and_went_while_no_view_ran_is_a_blind_span(client: redis.Redis, redis_url: str) -> None:
    entries, memory = market(4, 40), Memory()

    async def one() -> None:
        async with running(redis_url, memory) as view:
            await until(lambda: view.report and view.report.state == "live", "it runs")

    land(client, entries[:20])
    asyncio.run(one())
    assert not any(isinstance(record, Blind) for record in memory.records)
    seen = memory.last
    assert seen is not None
    time.sleep(0.2)
    land(client, entries[20:30])
    for exchange in ("binance", "bybit", "okx"):
        client.xtrim(events_key(exchange), maxlen=0, approximate=False)
    land(client, entries[30:])
    asyncio.run(one())
    (blind,) = [record for record in memory.records if isinstance(record, Blind)]
    assert blind.start == seen
    assert seen < blind.end <= now()


def test_what_redis_lost_with_all_it_had_is_a_blind_span(client: redis.Redis, redis_url: str) -> None:
    entries, memory = market(4, 40), Memory()
    lost: list[int] = []

    def blind() -> list[Blind]:
        return [record for record in memory.records if isinstance(record, Blind)]

    async def while_it_runs() -> None:
        async with running(redis_url, memory) as view:
            land(client, entries[:20])
            await until(lambda: view.has(len(naive.unique(entries[:20]))), "all events counted")
            client.client_kill_filter(_type="normal", skipme=True)
            land(client, entries[20:30])
            await until(lambda: view.has(len(naive.unique(entries[:30]))), "all events counted")
            assert not blind(), "a connection that broke lost nothing"
            # One transaction, as a Redis that begins anew: others land what comes next before the view is there again.
            with client.pipeline() as pipeline:
                pipeline.client_kill_filter(_type="normal", skipme=True)
                pipeline.flushdb()
                for entry in entries[30:35]:
                    pipeline.xadd(events_key(entry.liquidation.exchange), fields(entry))  # type: ignore[arg-type]
                pipeline.execute()
            lost.append(now())
            await until(blind, "the loss is recorded")
            await until(lambda: view.has(len(naive.unique(entries[:35]))), "what came next is counted")
            await until(lambda: client.exists("liq:live"), "it says how it is")
            client.flushdb()
            await until(lambda: len(blind()) == 2, "a loss under a connection that stands is recorded, too")
            land(client, entries[35:])
            await until(lambda: view.has(len(naive.unique(entries))), "and what comes then is counted")

    async def before_it_starts() -> None:
        client.flushdb()
        async with running(redis_url, memory):
            await until(lambda: len(blind()) == 3, "the loss is recorded")

    asyncio.run(while_it_runs())
    asyncio.run(before_it_starts())
    first, second, third = blind()
    assert first.start <= lost[0] <= first.end <= second.end <= third.end <= now()


def test_what_is_no_event_is_counted_and_stops_nothing(client: redis.Redis, redis_url: str) -> None:
    good = [make(number, NOON + number, source="replay", landed=NOON + 10**7).entry for number in range(4)]
    wrong = make(99, NOON, source="replay").entry
    bad = wrong._replace(liquidation=msgspec.structs.replace(wrong.liquidation, price="none"))
    client.set("liq:events:nonsense", "not a stream")

    async def scenario() -> None:
        async with running(redis_url) as view:
            land(client, good[:2])
            client.xadd("liq:events:binance", {"event": "{}"})
            client.xadd("liq:events:binance", {"anything": "else"})
            land(client, [bad, *good[2:]])
            client.xadd("liq:events:newcomer", {"event": "{}"})
            await shows(client, expected(good, newest(good)))
            await until(lambda: view.report and view.report.undecodable == 4, "all four are counted")

    asyncio.run(scenario())


def test_levels_are_told_of_once_per_cascade(client: redis.Redis, redis_url: str) -> None:
    levels = Levels(risk=(500_000,), usd=(100_000_000_000, 300_000_000_000, 10**15))
    entries = [make(number, NOON + number * 100, source="replay", landed=NOON + 10**7).entry for number in range(30)]
    memory = Memory()

    async def scenario() -> None:
        async with running(redis_url, memory, levels=levels) as view:
            for start in range(0, 30, 3):
                land(client, entries[start : start + 3])
                await asyncio.sleep(0.01)
            await until(lambda: view.has(30), "all events counted")

    asyncio.run(scenario())
    crossed = [record for record in memory.records if isinstance(record, Crossed)]
    assert sorted((each.kind, each.level) for each in crossed) == [("risk", 0), ("usd", 0), ("usd", 1)]
    assert {each.cascade.symbol for each in crossed} == {"BTCUSDT"}


def test_it_holds_its_lease_and_says_how_it_is_until_it_stops(client: redis.Redis, redis_url: str) -> None:
    async def scenario() -> None:
        async with running(redis_url) as view:
            await until(lambda: client.hget("liq:live", "state") == b"live", "it says so")
            assert held(redis_url, ["live"])
            assert client.hget("liq:live", "watermark") == b"", "there was no event yet"
            view.stop.set()
            assert view.task is not None
            await view.task

    asyncio.run(scenario())
    assert not held(redis_url, ["live"])
    assert client.hget("liq:live", "state") == b"stopped"


def test_a_redis_that_is_not_there_at_the_start_is_an_error_that_names_it() -> None:
    async def scenario() -> None:
        async with running("redis://:secret@127.0.0.1:1/1") as view:
            assert view.task is not None
            await view.task

    with pytest.raises(ServerError, match=r"127\.0\.0\.1:1, database 1 cannot be reached") as raised:
        asyncio.run(scenario())
    assert "secret" not in str(raised.value)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the real recordings are not in {RECORDINGS}")
def test_a_recorded_burst_gives_the_same_cascades_at_real_speed_and_a_thousand_times_as_fast(
    client: redis.Redis, redis_url: str
) -> None:
    slow = replayed(client, redis_url, BURST, seconds=5, speed=1)
    assert slow == replayed(client, redis_url, BURST, seconds=5, speed=1000)
    assert slow[0]
    assert len(replayed(client, redis_url, BURST - 500_000, seconds=900, speed=1000)[0]) > len(slow[0])


def replayed(
    client: redis.Redis, redis_url: str, begin: int, *, seconds: int, speed: float
) -> tuple[dict[str, CascadeState], Shown]:
    """The finals told and all that is shown when a part of a recording was played; both are as they have to be."""
    settings = Settings(cascade_window_seconds=2, cascade_min_events=2, cascade_min_usd=Decimal(50))
    memory = Memory()
    client.flushdb()

    async def scenario(tape: Tape) -> Shown:
        landing = Landing(redis_url)
        await landing.start()
        async with running(redis_url, memory, settings) as view:
            await until(lambda: view.report and view.report.state == "live", "it runs")
            await Player(tape, landing, speed, tape.find(begin), tape.find(begin + seconds * 1000)).play()
            await landing.close(5)
            entries = [decode_entry(fields) for _, fields in client.xrange("liq:events:binance")]
            unique = naive.unique(entries)
            await until(lambda: view.has(len(unique)), "all events counted")
            definition = 2_000, 2, Decimal(50)
            cascades = naive.cascades(unique, *definition)
            end = newest(entries)
            assert memory.standing() == {
                each.cascade_id: as_state(each) for each in cascades if each.cascade_end + 2_000 <= end
            }
            found = shown(client)
            status = naive.statuses(unique, end, *definition)
            assert without_supersedes(found) == {**naive.hour(unique, end), **status}
            return found

    with tape_of(RECORDINGS / "binance_usdm_2025-01-26_two_writers.csv") as tape:
        found = asyncio.run(scenario(tape))
    return memory.standing(), found


def test_a_redis_that_names_no_keys_is_waited_for_instead_of_asked_without_end() -> None:
    with pytest.raises(RedisAwayError, match="BUSY"):
        Round().wrong(View(Params(60_000, 5, 0), 100_000, HOUR), [hiredis.ReplyError("BUSY Redis is busy")])
