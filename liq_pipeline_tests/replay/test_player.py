"""Playing into a real Redis, by a clock that moves when it is waited for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.collector.landing import Landing
from liq_pipeline.replay.commands import Command, Pause, Quit, Resume, Seek, Speed
from liq_pipeline.replay.player import Player
from liq_pipeline.replay.tape import Tape
from liq_pipeline_tests.collector.harness import run, until
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.replay.making import NOW, START, binance, received, tape_of, write

Script = Sequence[tuple[float, Command]]


class Clock:
    """Stands still but while it is waited for; ``script`` says what a player is told at which second."""

    def __init__(self, script: Script = ()) -> None:
        self.seconds = 0.0
        self.script = list(script)
        self.tell: Callable[[Command], None] = lambda command: None

    def now(self) -> float:
        return self.seconds

    def utc_ms(self) -> int:
        return NOW + round(self.seconds * 1000)

    async def wait(self, told: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        if told.is_set():
            return
        if self.script and self.script[0][0] <= self.seconds + seconds:
            at, command = self.script.pop(0)
            self.seconds = max(at, self.seconds)
            self.tell(command)
            return
        assert math.isfinite(seconds), "waiting for ever"
        self.seconds += seconds


class Played:
    """When each event was played, by its number, and what Redis has in the end."""

    def __init__(self, tape: Tape, redis_url: str, speed: float, script: Script = (), in_time: bool = False) -> None:
        self.times: list[tuple[int, float]] = []
        self.clock = Clock(script)
        run(self._play(tape, redis_url, speed, in_time))
        with redis.Redis.from_url(redis_url) as client:
            self.landed = [streams.decode_entry(fields) for _, fields in client.xrange(streams.events_key("binance"))]

    async def _play(self, tape: Tape, redis_url: str, speed: float, in_time: bool) -> None:
        landing = Landing(redis_url)
        await landing.start()
        self.player = Player(tape, landing, speed, 0, len(tape), in_time, self.clock)
        self.clock.tell = self.player.tell
        land = landing.land

        def watched(parsed, **said):  # type: ignore[no-untyped-def]
            for liquidation, _ in parsed.landed:
                number = liquidation.time - START - tape.delta
                self.times.append((number, round(self.clock.seconds, 2)))
            land(parsed, **said)

        landing.land = watched  # type: ignore[method-assign]
        await self.player.play()
        assert await landing.close(5) == 0


@pytest.mark.parametrize(("speed", "seconds"), [(1, [0, 2, 10]), (4, [0, 0.5, 2.5]), (0, [0, 0, 0])])
def test_events_come_as_far_apart_as_they_did_divided_by_the_speed(
    tmp_path: Path, redis_url: str, speed: float, seconds: list[float]
) -> None:
    with tape_of(binance(tmp_path / "a.jsonl", 0, 2000, 10_000)) as tape:
        played = Played(tape, redis_url, speed)
    assert played.times == list(zip([0, 2000, 10_000], seconds, strict=True))
    assert [entry.liquidation.time - START for entry in played.landed] == [0, 2000, 10_000]
    assert {entry.source for entry in played.landed} == {"replay"}
    assert [entry.received_at for entry in played.landed] == [entry.liquidation.time for entry in played.landed]


def test_a_recorded_time_of_receipt_is_kept(tmp_path: Path, redis_url: str) -> None:
    with tape_of(write(tmp_path / "a.jsonl", [received(frames.binance(0), START + 940)])) as tape:
        (entry,) = Played(tape, redis_url, 1).landed
    assert (entry.liquidation.time, entry.received_at) == (START, START + 940)


@pytest.mark.parametrize(
    ("script", "times"),
    [
        ([(1, Pause()), (61, Resume())], [(0, 0), (2000, 62), (10_000, 70)]),
        ([(1, Speed(2))], [(0, 0), (2000, 1.5), (10_000, 5.5)]),
        ([(1, Speed(0))], [(0, 0), (2000, 1), (10_000, 1)]),
        ([(1, Pause()), (2, Speed(4)), (5, Resume())], [(0, 0), (2000, 5.25), (10_000, 7.25)]),
        ([(1, Seek(START + 9000))], [(0, 0), (10_000, 2)]),
        ([(1, Seek(8_500, relative=True))], [(0, 0), (10_000, 1.5)]),
        ([(3, Seek(START))], [(0, 0), (2000, 2), (0, 3), (2000, 5), (10_000, 13)]),
        ([(3, Seek(-1500, relative=True))], [(0, 0), (2000, 2), (2000, 3.5), (10_000, 11.5)]),
        ([(3, Pause()), (4, Seek(START)), (5, Resume())], [(0, 0), (2000, 2), (0, 5), (2000, 7), (10_000, 15)]),
        ([(1, Seek(START + 60_000))], [(0, 0)]),
        ([(3, Quit())], [(0, 0), (2000, 2)]),
        ([(1, Pause()), (2, Quit())], [(0, 0)]),
    ],
)  # fmt: skip
def test_it_does_what_it_is_told_while_it_plays(
    tmp_path: Path, redis_url: str, script: Script, times: list[tuple[int, float]]
) -> None:
    with tape_of(binance(tmp_path / "a.jsonl", 0, 2000, 10_000)) as tape:
        played = Played(tape, redis_url, 1, script)
    assert played.times == times
    assert len(played.landed) == len(times)


def test_where_it_was_stopped_is_where_it_goes_on(tmp_path: Path, redis_url: str) -> None:
    with tape_of(binance(tmp_path / "a.jsonl", 0, 2000, 10_000)) as tape:
        player = Played(tape, redis_url, 1, [(3, Quit())]).player
        assert (player.position, player.time) == (2, START + 3000)


def test_moved_to_the_present_nothing_is_played_before_its_time(tmp_path: Path, redis_url: str) -> None:
    with tape_of(binance(tmp_path / "a.jsonl", 0, 2000, 10_000), moving=True) as tape:
        tape.move(NOW - START)
        script = [(1, Speed(0)), (3, Seek(START + 9_900))]
        played = Played(tape, redis_url, 1, script, in_time=True)
    assert played.times == [(0, 0), (2000, 2), (10_000, 10)]
    assert [entry.liquidation.time for entry in played.landed] == [NOW, NOW + 2000, NOW + 10_000]


def test_rejected_lines_are_recorded_with_where_they_came_from(tmp_path: Path, redis_url: str) -> None:
    bad = frames.binance(1).replace("SELL", "SIDEWAYS")
    row = "BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565602120"
    paths = write(tmp_path / "a.jsonl", [frames.binance(0), bad]), write(tmp_path / "b.csv", [row, row + "x"])
    with tape_of(*paths) as tape:
        player = Played(tape, redis_url, 0).player
    assert (player.progress.landed, player.progress.rejected) == (2, 2)
    with redis.Redis.from_url(redis_url) as client:
        rejected = [fields for _, fields in client.xrange(streams.REJECTED)]
    assert [fields[b"source"] for fields in rejected] == [b"replay", b"import:forceorder_csv"]
    assert [fields[b"frame"].decode() for fields in rejected] == [bad, row + "x"]
    assert {fields[b"received_at"] for fields in rejected} == {b"%d" % START}


def test_a_hundred_thousand_events_arrive_without_waiting_in_order_and_each_once(
    tmp_path: Path, redis_url: str
) -> None:
    count = 100_000
    template = frames.binance(0)
    path = write(tmp_path / "a.jsonl", [template.replace(str(START), str(START + number)) for number in range(count)])
    with tape_of(path) as tape:
        landed = Played(tape, redis_url, 0).landed
    assert [entry.liquidation.time for entry in landed] == list(range(START, START + count))


def test_while_redis_takes_nothing_the_tape_stands_and_a_quit_is_heard(tmp_path: Path, redis_url: str) -> None:
    async def scenario(tape: Tape) -> None:
        landing = Landing(redis_url, max_entries=50)
        await landing.start()
        player = Player(tape, landing, 0, 0, len(tape))
        playing = asyncio.create_task(player.play())
        await until(lambda: landing.away, "Redis takes nothing")
        player.tell(Quit())
        player.tell(Quit())
        await asyncio.wait_for(playing, 30)
        assert 50 <= player.position < len(tape)
        assert await landing.close(0.2) > 0

    with redis.Redis.from_url(redis_url) as client:
        client.set(streams.events_key("binance"), "in the way of the stream")
    with tape_of(binance(tmp_path / "a.jsonl", *range(5000))) as tape:
        run(scenario(tape))
