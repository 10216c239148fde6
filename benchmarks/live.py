"""The live view: from entries in the Redis streams to the rolling hour and the status of cascades in Redis.

Run by hand: ``python -m benchmarks.live [--redis URL]``. Without a URL it starts a durable Redis of its own (AOF,
fsync every second) and throws it away afterwards. Everything is on one symbol and in one cascade.

Redis, what lands the entries and what looks at the result share the cores with the view: the rate in CPU time is what
one core of its own would give it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
import psutil
import redis

from benchmarks.landing import server
from liq_pipeline import streams
from liq_pipeline.collector.landing import Landing
from liq_pipeline.detection.columns import Params
from liq_pipeline.exchanges.base import FrameKind, Landed, Parsed
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side, event_id
from liq_pipeline.live.run import live
from liq_pipeline.live.view import View
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entries

PROTOTYPE: Final = 291
"""Events per second of the original prototype in such a burst; it lost 29 % of them (design.md, section 4)."""
TARGET: Final = 30_000
TARGET_MS: Final = 10
BURST: Final = 100_000
BURST_MS: Final = 30_000
WINDOWS: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
MEASURED: Final = 5_000
PER_SECOND: Final = 1_000
LATENCIES: Final = 10_000
NOON: Final = 1_765_368_000_000
STATUS: Final = "liq:cascade:status:BTCUSDT"
RAW: Final = (
    b'{"e":"forceOrder","E":1791565603055,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.125",'
    b'"p":"59910.00","ap":"59911.30","X":"FILLED","l":"0.125","z":"0.125","T":1791565603055}}'
)


def events(count: int, start: int, span_ms: int, begin: int = 0, end: int | None = None) -> list[Liquidation]:
    """The events ``begin`` to ``end`` of ``count`` in a falling market on three venues, ``span_ms`` from ``start``."""
    dice, made = random.Random(start), []
    for number in range(begin, count if end is None else end):
        exchange, price = ("binance", "bybit", "okx")[number % 3], f"{60_000 - 5_000 * number / count:.1f}"
        event = Liquidation(
            time=start + number * span_ms // count, event_id=event_id(exchange, str(start), str(number)),
            exchange=exchange, market=Market.LINEAR, contract="BTCUSDT", symbol="BTCUSDT",
            side=Side.LONG if dice.random() < 0.9 else Side.SHORT, price=price, price_kind=PriceKind.FILL,
            quantity="0.125", value_usd=f"{float(price) / 8:.4f}", limit_price=None, feed_semantics="all",
        )  # fmt: skip
        made.append(event)
    return made


def land_all(url: str, made: Sequence[Liquidation]) -> None:
    """Put events into the streams as the collector does."""

    async def land() -> None:
        landing = Landing(url)
        await landing.start()
        for number, event in enumerate(made):
            parsed = Parsed(FrameKind.LIQUIDATIONS, (Landed(event, RAW),))
            landing.land(parsed, exchange=event.exchange, received_at=event.time, source="stream")
            if number % 250 == 0:
                await asyncio.sleep(0)
                await landing.room()
        await landing.flush()
        await landing.close(10)

    asyncio.run(land())


def now() -> int:
    return time.time_ns() // 1_000_000


def _view(url: str) -> None:
    asyncio.run(live(Settings(), redis_url=url, database_url=None))


@contextmanager
def view(url: str) -> Iterator[psutil.Process]:
    """A live view in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=_view, args=(url,))
    process.start()
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def _wait(client: redis.Redis, count: int) -> None:
    """Until the status says that so many events are in the cascade."""
    while int(client.hget(STATUS, "event_count") or 0) < count:  # type: ignore[arg-type]
        time.sleep(0.005)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def burst(url: str, client: redis.Redis) -> tuple[float, float]:
    """Events per second of a burst that is in the streams when the view sees them again: all it does, end to end; and
    the same per second of the view's CPU time."""
    client.flushdb()
    with view(url) as process:
        while client.hget("liq:live", "state") != b"live":
            time.sleep(0.05)
        made = events(BURST, now() - BURST_MS, BURST_MS)
        # Held still while they land, so that nobody else's speed is measured.
        process.suspend()
        land_all(url, made)
        used, began = _cpu(process), time.perf_counter()
        process.resume()
        _wait(client, BURST)
        elapsed = time.perf_counter() - began
        return BURST / elapsed, BURST / (_cpu(process) - used)


def latencies(url: str, client: redis.Redis) -> list[float]:
    """Milliseconds from when an entry is sent to Redis until a reader finds its cascade's status counting it."""
    client.flushdb()
    with view(url):
        while client.hget("liq:live", "state") != b"live":
            time.sleep(0.05)
        seen: list[tuple[int, float]] = []
        sent: list[float] = []
        stop = multiprocessing.get_context("spawn").Event()
        pipe, other = multiprocessing.get_context("spawn").Pipe()
        watcher = multiprocessing.get_context("spawn").Process(target=_watch, args=(url, other, stop))
        watcher.start()
        pipe.recv()
        made = events(LATENCIES, now(), LATENCIES)
        began = time.perf_counter()
        for number, event in enumerate(made):
            if (pause := began + number / PER_SECOND - time.perf_counter()) > 0:
                time.sleep(pause)
            fields: dict[Any, Any] = {
                "event_id": event.event_id, "event": streams.encode_event(event), "received_at": event.time,
                "source": "stream", "raw": RAW,
            }  # fmt: skip
            sent.append(time.time())
            client.xadd(streams.events_key(event.exchange), fields)
        _wait(client, LATENCIES)
        stop.set()
        seen = pipe.recv()
        watcher.join()
    found, place = [], 0
    for number, at in enumerate(sent, 1):
        while place < len(seen) and seen[place][0] < number:
            place += 1
        # Until there are enough for a cascade there is no status.
        if place < len(seen) and number > Settings().cascade_min_events * 10:
            found.append((seen[place][1] - at) * 1000)
    return found


def _watch(url: str, pipe: Any, stop: Any) -> None:
    """When the status first said how many events."""
    seen: list[tuple[int, float]] = []
    with redis.Redis.from_url(url) as client:
        pipe.send(None)
        while not stop.is_set():
            count = int(client.hget(STATUS, "event_count") or 0)  # type: ignore[arg-type]
            if count and (not seen or count > seen[-1][0]):
                seen.append((count, time.time()))
            time.sleep(0.0005)
    pipe.send(seen)


def costs() -> tuple[list[float], float]:
    """CPU microseconds of an event with so many in its window, without Redis; and bytes of memory an event."""
    found: list[float] = []
    for size in WINDOWS:
        count = size + MEASURED
        span = 60_000 * count // size
        one, before = View(Params(60_000, 5, 100_000_000_000), 100_000_000_000, 7_200_000), _memory()
        for begin in range(0, size, 50_000):
            _take(one, events(count, NOON, span, begin, min(begin + 50_000, size)))
        made = events(count, NOON, span, size)
        began = time.process_time()
        _take(one, made)
        found.append((time.process_time() - began) / MEASURED * 1e6)
    return found, (_memory() - before) / len(one)


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _take(one: View, made: Sequence[Liquidation]) -> None:
    for start in range(0, len(made), 2_000):
        part = made[start : start + 2_000]
        times = [event.time for event in part]
        one.take(Entries(part, times, ["stream"] * len(part), [RAW] * len(part)), times)
        one.settle(times[-1])
        one.changed()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", help="URL of an empty logical database; default: a server of our own")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    click.echo(f"{os.cpu_count()} cores, load {load:.1f} before, Python {platform.python_version()}\n")
    with server(arguments.redis) as url, redis.Redis.from_url(url) as client:
        rate, alone = burst(url, client)
        waits = latencies(url, client)
    per_event, memory = costs()
    cuts = statistics.quantiles(waits, n=100)
    rows = [
        ("burst of 100,000 on one symbol, streams to status", f"{rate:>10,.0f}/s"),
        ("the same, per second of the view's CPU time", f"{alone:>10,.0f}/s"),
        ("target", f"{TARGET:>10,}/s"),
        ("the original prototype (published)", f"{PROTOTYPE:>10,}/s"),
        *(
            (f"an event with {size:,} in its window, CPU", f"{cost:>10.1f} us")
            for size, cost in zip(WINDOWS, per_event, strict=True)
        ),
        (f"entry sent to status seen, at {PER_SECOND:,}/s: median", f"{cuts[49]:>10.1f} ms"),
        ("99th percentile", f"{cuts[98]:>10.1f} ms"),
        ("target of that", f"{TARGET_MS:>10} ms"),
        ("memory per million events in the hour", f"{memory:>10,.0f} MB"),
    ]
    for name, value in rows:
        click.echo(f"{name:<52} {value}")


if __name__ == "__main__":
    main()
