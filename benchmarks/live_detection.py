"""Incremental detection alone, event by event, beside what it takes to store the same events in columns.

Cost per event must not depend on how many events are in the window.

Run by hand: ``python -m benchmarks.live_detection [--events N]``.
"""

from __future__ import annotations

import argparse
import platform
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple

import click

from liq_pipeline.detection.columns import MICRO, Params
from liq_pipeline.detection.incremental import Incremental
from liq_pipeline.detection.incremental_rows import Rows

TARGET: Final = 100_000
START: Final = 1_765_411_200_000
WINDOW: Final = 60_000
USUAL: Final = Params(WINDOW, 5, 100_000 * MICRO)
ROUNDS: Final = 3
BATCH: Final = 10
"""Events after which the live view looks at what changed."""
VENUES: Final = ("binance", "bybit", "okx")


class Arrival(NamedTuple):
    """The arguments of ``Incremental.add``."""

    time: int
    event_id: str
    exchange: str
    is_long: bool
    price: str
    value: int


def market(count: int, span: int, late: int = 0) -> list[Arrival]:
    """Events of one symbol within ``span`` ms in the order of arrival: Binance ``late`` ms after the others."""
    source = random.Random(1)
    tenths, arrivals = 900_000, []
    for row in range(count):
        tenths += source.randint(-5, 5)
        whole, tenth = divmod(tenths, 10)
        arrivals.append(
            Arrival(
                time=START + row * span // count,
                event_id=f"{source.getrandbits(128):032x}",
                exchange=source.choice(VENUES),
                is_long=source.random() < 0.7,
                price=f"{whole}.{tenth}" if tenth else str(whole),
                value=int(min(source.paretovariate(1.2) * 3_000, 5e7) * MICRO),
            )
        )
    if late:
        arrivals.sort(key=lambda event: event.time + late * (event.exchange == "binance"))
    return arrivals


def seconds(work: Callable[[], object]) -> float:
    """Processor time, which other work on the machine hardly touches, of the fastest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def stored(arrivals: list[Arrival]) -> None:
    """The least that can be done with the events: keep them, in order."""
    rows = Rows("BTCUSDT")
    for event in arrivals:
        trait = rows.trait_of(event.exchange, event.is_long)
        rows.insert(len(rows), event.time, event.event_id, event.value, event.price, float(event.price), trait)


def detected(arrivals: list[Arrival], incremental: Incremental | None = None) -> Incremental:
    """The events added, and looked at as the live view does."""
    incremental = incremental or Incremental("BTCUSDT", USUAL)
    for row, event in enumerate(arrivals):
        incremental.add(*event)
        if row % BATCH == 0:
            for chain in incremental.touched:
                _ = chain.id, chain.last_risk
            incremental.touched.clear()
            incremental.gone.clear()
    return incremental


def growth(arrivals: list[Arrival]) -> Iterator[tuple[int, float]]:
    """How many events a single window holds, and the seconds an event takes between that many and the ones before."""
    steps = [0, *(10**power for power in range(2, 7) if 10**power <= len(arrivals))]
    best = dict.fromkeys(steps[1:], float("inf"))
    for _ in range(ROUNDS):
        incremental = Incremental("BTCUSDT", USUAL)
        for begin, end in pairwise(steps):
            part = arrivals[begin:end]
            begun = time.process_time()
            detected(part, incremental)
            best[end] = min(best[end], (time.process_time() - begun) / len(part))
    yield from best.items()


def memory(arrivals: list[Arrival]) -> float:
    """Bytes an event takes, besides its id, which the live view holds anyway."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    incremental = Incremental("BTCUSDT", USUAL)
    for event in arrivals:
        incremental.add(*event)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size / len(arrivals)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args().events
    sparse = market(count, 60 * count)
    burst = market(count, WINDOW - 1)
    some = count // 5
    click.echo(f"{count:,} events of one symbol, looked at every {BATCH}, Python {platform.python_version()}, one core")
    click.echo(f"{'':62}{'events/s':>12}{'target':>12}")
    for title, arrivals, target in (
        ("limit: store them in columns", sparse, None),
        ("a cascade without end, 1,000 in the window", sparse, TARGET),
        ("the same, Binance 1 s late", market(some, 60 * some, 1_000), TARGET),
        ("a burst inside one window", burst, TARGET),
        ("1,000 a second, Binance 1 s late", market(some, some, 1_000), TARGET),
        ("a burst inside one millisecond", market(some, 1), TARGET),
    ):
        work = partial(stored if target is None else detected, arrivals)
        result = len(arrivals) / seconds(work)
        verdict = "" if target is None else f"{target:>12,}  {'met' if result >= target else 'MISSED'}"
        click.echo(f"{title:62}{result:>12,.0f}{verdict}")
    click.echo("\nevents in the window     microseconds an event")
    for size, each in growth(burst):
        click.echo(f"{size:>20,}{each * 1e6:>26.2f}")
    incremental = detected(burst)
    begun = time.process_time()
    risks = [(chain.avg_risk, chain.max_risk) for chain in incremental.chains()]
    took = time.process_time() - begun
    click.echo(f"\nmean and greatest risk of {len(risks)} cascade of {count:,} events: {took:.2f} s, once")
    click.echo(f"memory: {memory(sparse[:some]):.0f} bytes an event beside its id")


if __name__ == "__main__":
    main()
