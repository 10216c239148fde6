"""Fuzzing at length: broken frames of every feed and broken lines of every import format, a million of each.

Run by hand: ``python -m benchmarks.fuzz [--frames N] [--only PATTERN] [--seed S]``. Each is judged against a second,
naive reading of the same bytes (``liq_pipeline_tests/fuzz``): nothing may raise or hang, every row has exactly one
outcome, and what lands is what the bytes say. The same seed gives the same bytes; exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Final, NamedTuple, NoReturn

import click

from liq_pipeline.exchanges import FEEDS
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.landing import prepare
from liq_pipeline_tests.fuzz import corpus, judge, judge_lines, mutation

CHUNK: Final = 5_000
HANG_SECONDS: Final = 10.0
MEMORY: Final = 4 << 30
"""Of address space, for each process."""
SHOWN: Final = 3
OUTCOMES: Final = ("landed", "some rows landed", "invalid", "rejected", "refused", "control", "ack", "pong",
                   "elsewhere", "nothing to land")  # fmt: skip


class Target(NamedTuple):
    """What is fuzzed: the frames of a feed, or its lines in an import format."""

    feed: str
    format_name: str | None = None

    @property
    def name(self) -> str:
        return self.feed if self.format_name is None else f"{self.format_name} {self.feed}"


class Chunk(NamedTuple):
    target: Target
    seed: int
    first: int
    count: int


@dataclass
class Result:
    """What became of some inputs; ``found`` are the first texts of what must not be."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: int = 0
    found: list[str] = field(default_factory=list)
    slowest: float = 0.0
    seconds: float = 0.0

    def add(self, other: Result) -> None:
        self.outcomes += other.outcomes
        self.findings += other.findings
        self.found = (self.found + other.found)[:SHOWN]
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds


TARGETS: Final = (*map(Target, FEEDS), *(Target(feed, format_name) for format_name, feed in judge_lines.READ))


def work(chunk: Chunk) -> Result:
    """Judge the inputs of a chunk."""
    target, seed, first, count = chunk
    result, landed = Result(), list[Entry]()
    begun = time.process_time()
    for number in range(first, first + count):
        dice = Random(f"{target.name}:{seed}:{number}")
        text = made(target, dice)
        started = time.perf_counter()
        try:
            with alarm():
                outcome, entries = judged(target, text)
            result.outcomes[outcome] += 1
            landed += entries
        except (judge.FoundError, TimeoutError, MemoryError) as error:
            result.findings += 1
            if len(result.found) < SHOWN:
                result.found.append(f"number {number}: {type(error).__name__}: {str(error)[:3000] or text[:2000]!r}")
        result.slowest = max(result.slowest, time.perf_counter() - started)
    if refused := prepare(landed).refused:
        result.findings += len(refused)
        result.found += [f"the loader cannot encode it: {reason}" for _, reason in refused[:SHOWN]]
    result.seconds = time.process_time() - begun
    return result


def made(target: Target, dice: Random) -> bytes:
    if target.format_name is None:
        return mutation.frame(dice, corpus.frames(target.feed))
    known = corpus.lines(target.format_name, target.feed)
    line = (mutation.frame if target.format_name == "frames" else mutation.line)(dice, known)
    return line if dice.random() < 0.7 else line + b"\n" + dice.choice(known)


def judged(target: Target, text: bytes) -> tuple[str, list[Entry]]:
    if target.format_name is not None:
        return judge_lines.text(target.format_name, target.feed, text)
    outcome, landed = judge.frame(target.feed, text)
    return outcome, [Entry(item.liquidation, judge_lines.NOW, "stream", item.raw) for item in landed]


@contextmanager
def alarm() -> Iterator[None]:
    """Raise TimeoutError in what takes too long."""
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def prepare_process() -> None:
    def hang(number: int, stack: FrameType | None) -> NoReturn:
        raise TimeoutError(f"hung for {HANG_SECONDS:g} s")

    signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(targets: Iterable[Target], frames: int, seed: int, processes: int) -> int:
    """Judge ``frames`` inputs of each target and print a line for each; how much was found."""
    findings = 0
    click.echo(f"{'':<30}{'inputs':>10}{'found':>7}{'slowest':>9}{'per s':>8}  outcomes")
    with multiprocessing.get_context("spawn").Pool(processes, prepare_process) as pool:
        for target in targets:
            chunks = [
                Chunk(target, seed, first, min(CHUNK, frames - first)) for first in range(0, frames, CHUNK)
            ]  # fmt: skip
            total = Result()
            for result in pool.imap_unordered(work, chunks):
                total.add(result)
            said = ", ".join(f"{total.outcomes[name]:,} {name}" for name in OUTCOMES if total.outcomes[name])
            rate = frames / total.seconds if total.seconds else 0
            click.echo(
                f"{target.name:<30}{frames:>10,}{total.findings:>7}{total.slowest * 1000:>6.0f} ms{rate:>8,.0f}  {said}"
            )
            for text in total.found:
                click.echo(f"    {text}")
            findings += total.findings
    return findings


def main() -> None:
    """Fuzz what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000, help="of each feed, and lines of each format")
    parser.add_argument("--only", default="*", help="such as 'okx*' or 'tardis *'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    targets = [target for target in TARGETS if fnmatch.fnmatch(target.name, arguments.only)]
    if not targets:
        parser.error(f"--only {arguments.only} is none of: {', '.join(target.name for target in TARGETS)}")
    sys.exit(1 if run(targets, arguments.frames, arguments.seed, arguments.processes) else 0)


if __name__ == "__main__":
    main()
