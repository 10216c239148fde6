"""One seed from its schedule to its verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from liq_pipeline.simulate.venues import Behaviour, serve
from liq_pipeline_tests.faults import kinds
from liq_pipeline_tests.faults.ledger import Ledger
from liq_pipeline_tests.faults.line import SETTINGS, Line, NeverRecoveredError, running, variables_of
from liq_pipeline_tests.faults.market import frames
from liq_pipeline_tests.faults.oracle import Evidence, Verdict, judge
from liq_pipeline_tests.faults.play import Play, now_ms
from liq_pipeline_tests.faults.schedule import Schedule, Step
from liq_pipeline_tests.faults.servers import PLAIN, TIMESCALEDB, Servers, Template, serving

_BEHAVIOUR: Final = Behaviour(control_seconds=0.1)
_WINDOW_MS: Final = int(SETTINGS["LIQ_CASCADE_WINDOW_SECONDS"]) * 1000
_UNDER_DAGSTER: Final = 5
_AFTERWARDS: Final = 25
"""Frames of the market after the last fault."""
_ABORTED: Final = "Fatal Python error: Aborted"
_STACKS: Final = 8_000
"""Characters."""


@dataclass
class Report:
    """What one seed did: per step, its kinds and the seconds from the end of the faults until everything flowed."""

    schedule: Schedule
    recoveries: list[tuple[tuple[str, ...], float]] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    restarts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        return self.verdict.failures


def scheduled(
    seed: int, only: Sequence[str] | None = None, steps: int | None = None, *, dagster: bool | None = None
) -> Schedule:
    """The schedule of a seed, every fifth under Dagster unless that is said; ``only`` of these kinds."""
    if dagster is None:
        dagster = seed % _UNDER_DAGSTER == 0
    possible = kinds.possible({"dagster"} if dagster else {"services"})
    unknown = sorted(set(only or ()) - kinds.ALL.keys())
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such kind; there are {', '.join(sorted(kinds.ALL))}")
    chosen = [kind for kind in possible if only is None or kind in only]
    return Schedule.of(seed, chosen, steps, dagster=dagster)


def run(schedule: Schedule, template: Template, folder: Path) -> Report:
    """Attack a line of its own in ``folder``, which is removed, and judge what became of it."""
    began, report = time.monotonic(), Report(schedule)
    database = TIMESCALEDB if schedule.timescaledb and TIMESCALEDB in template.flavours else PLAIN
    with serving(template, folder) as servers:
        try:
            evidence = asyncio.run(_attack(schedule, servers, folder, database, report))
        except* NeverRecoveredError as errors:
            error: BaseException = errors
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            report.verdict.failures.append(f"{error}; the logs: {logs(folder)}")
        else:
            report.verdict = judge(evidence)
    report.seconds = round(time.monotonic() - began, 1)
    return report


async def _attack(schedule: Schedule, servers: Servers, folder: Path, database: str, report: Report) -> Evidence:
    ledger = Ledger()
    async with serve(behaviour=_BEHAVIOUR) as venues:
        play = Play(venues, ledger)
        async with running(servers, venues, play, folder, database, dagster=schedule.dagster) as line:
            await line.listening()
            began = now_ms()
            async with asyncio.TaskGroup() as group:
                playing = group.create_task(play.run(frames(schedule.seed, began, throttle=schedule.throttle)))
                await line.recovered()
                for step in schedule.steps:
                    await play.until(step.frame)
                    await _inject(step, line)
                    report.recoveries.append((step.kinds, round(await line.recovered(), 3)))
                await play.until(play.count + _AFTERWARDS)
                playing.cancel()
            await line.settled(_WINDOW_MS)
            ended = now_ms()
            # The collector first: what it still holds it writes, and the loader and the view find it there.
            for name in line.parts:
                await line.stop(name)
            play.watch()
            report.restarts = {name: part.started - 1 for name, part in line.parts.items()}
            return Evidence(
                line.database_url, line.redis_url, variables_of(line, folder), ledger, began, ended, line.lag_ms
            )


async def _inject(step: Step, line: Line) -> None:
    """All faults of a step at once; each draws from a seed of its own."""
    async with asyncio.TaskGroup() as faults:
        for number, kind in enumerate(step.kinds):
            faults.create_task(kinds.ALL[kind].inject(line, Random(f"{step.draw} {number}")))


def logs(folder: Path) -> str:
    """How the logs in a folder end, each by its name."""
    last = {log.stem: _end(log.read_text(errors="replace")) for log in sorted(folder.glob("*.log"))}
    return "; ".join(f"{name}: {text}" for name, text in last.items())


def _end(log: str) -> str:
    """The last lines; of a process that was aborted because it never ended, where its threads stood."""
    start = log.find(_ABORTED)
    return log[start:][:_STACKS] if start >= 0 else " | ".join(log.splitlines()[-2:])[-400:]
