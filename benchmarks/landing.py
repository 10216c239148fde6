"""Landing: from a frame's bytes in hand to its acknowledged entry in a Redis stream, in one process.

Run by hand: ``python -m benchmarks.landing [--frames N] [--redis URL]``. Without a URL it starts a durable Redis of
its own (AOF, fsync every second) and throws it away afterwards. Every frame is a different one, so nothing is answered
from a cache that a live market would not have.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import redis

from benchmarks import cryptofeed_stream
from liq_pipeline import exchanges, streams
from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.resp import Address, pack
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.exchanges.base import Adapter
from liq_pipeline.exchanges.instruments import StaticInstruments

CRYPTOFEED: Final = 31_000
"""Events per second of cryptofeed 2.5's Redis stream backend, published with the targets (2 cores, 2026-11)."""
TARGET: Final = 3 * CRYPTOFEED
ROUNDS: Final = 3
PIPELINE: Final = 1_000
NOW: Final = 1_791_565_603_055
ADAPTER: Final[Adapter] = exchanges.adapter("binance")
KEY: Final = streams.events_key("binance")
NONE: Final = StaticInstruments()


def frames(count: int) -> list[bytes]:
    """Frames of Binance as of 2026, of 300 symbols, all different."""
    dice = random.Random(1)
    made = []
    for number in range(count):
        size, price = f"{dice.uniform(0.001, 9):.3f}", dice.uniform(0.5, 90_000)
        order = {
            "s": f"COIN{dice.randrange(300)}USDT", "S": dice.choice(("BUY", "SELL")), "o": "LIMIT", "f": "IOC",
            "q": size, "p": f"{price * 0.99:.2f}", "ap": f"{price:.2f}", "X": "FILLED", "l": size, "z": size,
            "T": NOW + number, "ps": "BTCUSDT", "st": 1,
        }  # fmt: skip
        data = {"e": "forceOrder", "E": NOW + number + 950, "o": order}
        made.append(json.dumps({"stream": "!forceOrder@arr", "data": data}, separators=(",", ":")).encode())
    return made


def parse_all(batch: list[bytes]) -> None:
    parse = ADAPTER.parse
    for frame in batch:
        parse(frame, NONE)


async def _land(url: str, batch: list[bytes]) -> None:
    landing = Landing(url)
    await landing.start()
    parse = ADAPTER.parse
    for number, frame in enumerate(batch):
        landing.land(parse(frame, NONE), exchange="binance", received_at=NOW, source="stream")
        if number % 250 == 0:
            # A socket would give the loop such a moment with every read.
            await asyncio.sleep(0)
            await landing.room()
    await landing.flush()
    await landing.close(10)


def land_all(url: str, batch: list[bytes]) -> None:
    """Parse and land every frame; returns when all are acknowledged, and checks that they are there."""
    asyncio.run(_land(url, batch))
    with redis.Redis.from_url(url) as client:
        assert client.xlen(KEY) == len(batch)


def packed(batch: list[bytes]) -> list[bytes]:
    """The same entries as commands, PIPELINE of them a piece."""
    commands = []
    for frame in batch:
        ((liquidation, raw),) = ADAPTER.parse(frame, NONE).landed
        fields = (b"event_id", liquidation.event_id.encode(), b"event", streams.encode_event(liquidation))
        more = (b"received_at", b"%d" % NOW, b"source", b"stream", b"raw", raw)
        commands.append(pack(b"XADD", KEY.encode(), b"*", *fields, *more))
    return [b"".join(commands[start : start + PIPELINE]) for start in range(0, len(commands), PIPELINE)]


def send_all(url: str, pieces: list[bytes], count: int) -> None:
    """Push ready-made bytes through one socket and count the answers: what Redis itself can take."""
    address = Address(url)
    with socket.create_connection((address.host, address.port)) as connection:
        login = address.login()
        connection.sendall(b"".join(login))
        greeting = b""
        while greeting.count(b"\r\n") < len(login):
            greeting += connection.recv(1 << 16)
        sender = threading.Thread(target=connection.sendall, args=(b"".join(pieces),))
        sender.start()
        answers = 0
        while answers < count:
            answers += connection.recv(1 << 18).count(b"$")
        sender.join()


def redis_benchmark(url: str, batch: list[bytes]) -> float | None:
    """The same size of entry from the C client that comes with Redis, where it is installed."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if program is None:
        return None
    address = Address(url)
    size = sum(map(len, packed(batch[:PIPELINE]))) // PIPELINE
    login = ["-a", password] if (password := address.password) else []
    command = [program, "-h", address.host, "-p", str(address.port), *login, "--dbnum", str(address.database)]
    command += ["-n", str(len(batch)), "-c", "1", "-P", str(PIPELINE), "--csv", "XADD", KEY, "*", "raw", "x" * size]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return float(lines[-1].split(",")[1].strip('"'))


def rates(url: str, work: Callable[[], object], count: int) -> tuple[float, float]:
    """Per second, in the fastest of some rounds on an empty stream; and per second of this process's CPU time.

    The second is what the first would be if nobody else, Redis included, wanted this core.
    """
    best = cpu = float("inf")
    with redis.Redis.from_url(url) as client:
        for _ in range(ROUNDS):
            client.delete(KEY)
            begun, used = time.perf_counter(), time.process_time()
            work()
            best, cpu = min(best, time.perf_counter() - begun), min(cpu, time.process_time() - used)
        client.delete(KEY)
    return count / best, count / cpu


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The given server, or a durable one of our own."""
    if url is not None:
        yield url
        return
    directory = Path(tempfile.mkdtemp(prefix="liq-benchmark-"))
    directory.chmod(0o711)
    own = Redis(directory / "redis", directory / "redis.log")
    own.start()
    try:
        yield own.url()
    finally:
        own.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--redis", help="URL of an empty logical database; default: a server of our own")
    arguments = parser.parse_args()
    batch = frames(arguments.frames)
    count = len(batch)
    with server(arguments.redis) as url:
        pieces = packed(batch)
        limit, _ = rates(url, lambda: send_all(url, pieces, count), count)
        tool = redis_benchmark(url, batch)
        parsing, _ = rates(url, lambda: parse_all(batch), count)
        landing, undisturbed = rates(url, lambda: land_all(url, batch), count)
        theirs = None
        if cryptofeed_stream.available():
            theirs, _ = rates(url, lambda: cryptofeed_stream.land_all(url, batch), count)
    click.echo(f"{count:,} frames, {os.cpu_count()} cores, Python {platform.python_version()}; best of {ROUNDS}\n")
    rows = [
        ("limit: ready-made pipelined XADD over one socket", f"{limit:>12,.0f}/s"),
        ("limit: redis-benchmark, one field of the same size", f"{tool:>12,.0f}/s" if tool else "not on PATH"),
        ("parsing alone", f"{parsing:>12,.0f}/s"),
        ("landing: frame in hand to acknowledged, one process", f"{landing:>12,.0f}/s"),
        ("landing, per second of this process's CPU time", f"{undisturbed:>12,.0f}/s"),
        ("target: 3 x cryptofeed", f"{TARGET:>12,}/s"),
        ("cryptofeed 2.5, Redis stream backend (published)", f"{CRYPTOFEED:>12,}/s"),
        ("cryptofeed, measured in this run", f"{theirs:>12,.0f}/s" if theirs else "not installed"),
    ]
    for name, value in rows:
        click.echo(f"{name:<54} {value}")
    click.echo(
        f"\nlanding is {landing / (theirs or CRYPTOFEED):.1f} x cryptofeed and {landing / limit:.0%} of the limit"
    )


if __name__ == "__main__":
    main()
