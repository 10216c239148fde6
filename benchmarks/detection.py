"""Detection of a day of a million events, beside what copying and sorting the same columns costs.

Run by hand: ``python -m benchmarks.detection [--events N]``.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import click
import numpy as np

from liq_pipeline.detection.cascades import detect
from liq_pipeline.detection.columns import MICRO, Events, Params

TARGET: Final = 2_000_000
DAY_START: Final = 1_765_411_200_000
DAY: Final = 86_400_000
USUAL: Final = Params(60_000, 5, 100_000 * MICRO)
ROUNDS: Final = 5


def market(count: int, symbols: int, span: int, places: int = 1) -> Events:
    """Random events, sorted, of several symbols within ``span`` ms: prices walk, values have a long tail."""
    random = np.random.default_rng(1)
    moment = DAY_START + random.integers(0, span, count)
    symbol = random.integers(0, symbols, count).astype(np.int32)
    order = np.lexsort((moment, symbol))
    return Events(
        time=moment[order],
        symbol=symbol[order],
        value=(random.pareto(1.2, count) * 3_000 * MICRO).clip(0, 5e13).astype(np.int64),
        price=np.round(90_000 + np.cumsum(random.normal(0, 0.5, count)), places),
        is_long=random.random(count) < 0.7,
        exchange=random.integers(0, 3, count).astype(np.uint8),
        symbols=[f"S{code}USDT" for code in range(symbols)],
        exchanges=["binance", "bybit", "okx"],
    )


def rate(work: Callable[[], object], count: int) -> float:
    """Events per second of processor time, which other work on the machine hardly touches, in the fastest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return count / best


def copied(events: Events) -> Events:
    """Every column read and written once."""
    return dataclasses.replace(
        events,
        time=events.time.copy(),
        symbol=events.symbol.copy(),
        value=events.value.copy(),
        price=events.price.copy(),
        is_long=events.is_long.copy(),
        exchange=events.exchange.copy(),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args().events
    arrival = np.random.default_rng(2).permutation(count)
    day = market(count, 1, DAY)
    time_of, symbol_of = day.time[arrival], day.symbol[arrival]
    rows = [
        ("limit: copy and validate the columns", rate(partial(copied, day), count), None),
        ("limit: sort by (symbol, time) from any order", rate(partial(np.lexsort, (time_of, symbol_of)), count), None),
        ("a day, one symbol, one cascade without end", rate(partial(detect, day, USUAL), count), TARGET),
    ]
    for title, events, target in (
        ("half as many events (linear: the same rate)", market(count // 2, 1, DAY), TARGET),
        ("a day, 500 symbols", market(count, 500, DAY), TARGET),
        ("a burst inside one window, one symbol", market(count, 1, 59_000), TARGET),
        ("a burst inside one millisecond", market(count, 1, 1), TARGET),
        ("a day, prices too fine for 64 bits", market(count, 1, DAY, places=7), None),
    ):
        rows.append((title, rate(partial(detect, events, USUAL), len(events)), target))
    click.echo(f"{count:,} events, 6-factor risk, numpy {np.__version__}, Python {platform.python_version()}, one core")
    click.echo(f"{'':48}{'events/s':>14}{'target':>14}")
    for title, result, target in rows:
        verdict = "" if target is None else f"{target:>14,}  {'met' if result >= target else 'MISSED'}"
        click.echo(f"{title:48}{result:>14,.0f}{verdict}")


if __name__ == "__main__":
    main()
