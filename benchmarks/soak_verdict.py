"""Whether the samples of a soak stayed flat: rules, a table and a plot, apart from what is measured."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.soak_line import OTHER, ROLES, Sample
from liq_pipeline.dagster_defs import markdown
from liq_pipeline.plots.palette import COLOURS, INK

_GROWN: Final = 0.10
"""The share by which the median of the last third may be above that of the middle one."""
_ALLOWED: Final[Mapping[str, float]] = {
    **{f"{role} MB": 8.0 for role in (*ROLES, OTHER)},
    # A day's run more or less at the time of sampling is two processes, their files and connections.
    "processes": 4,
    "files": 60,
    "TCP connections": 12,
    "PostgreSQL connections": 6,
    "Redis clients": 6,
    "backlog": 500,
    "runs stored": 6,
    "events stored": 1000,
    "verdicts stored": 250,
    "ticks stored": 100,
    "Dagster MB": 4.0,
    "temporary files": 20,
    "stream entries": 500,
    "Redis data MB": 2.0,
}
"""What has to be flat, and how much in its own unit it may grow however small it is."""
_GROWING: Final[Mapping[str, str]] = {
    "warehouse MB": "with its events, until LIQ_RETENTION_DAYS",
    "disk MB": "with Redis, the warehouse and its log",
}
_COLOURS: Final = 64
_PANELS: Final = (
    ("memory of what runs all the time, MB", ("liq up MB", "code server MB", "daemon MB", "webserver MB", "redis MB")),
    ("memory of PostgreSQL and of runs, MB", ("postgres MB", "runs MB")),
    ("processes and connections", ("processes", "TCP connections", "PostgreSQL connections", "Redis clients")),
    ("open files, and files in TMPDIR", ("files", "temporary files")),
    ("Dagster's storage: rows", ("events stored", "verdicts stored", "ticks stored")),
    ("Dagster's storage, MB", ("Dagster MB",)),
    ("streams: entries, and those not committed", ("stream entries", "backlog")),
    ("hand-overs, failed runs, gaps", ("collector shifts", "live shifts", "failed runs", "gaps")),
)


class Change(NamedTuple):
    """How a series went from the middle third of the soak to the last: medians, per hour, and how much it may grow
    (None for what grows by design)."""

    name: str
    middle: float
    last: float
    per_hour: float
    bound: float | None

    @property
    def flat(self) -> bool:
        return self.bound is None or self.last - self.middle <= self.bound


def changes(samples: Sequence[Sample]) -> list[Change]:
    """One per series that has to be flat, then one per series that grows by design. Needs at least three samples."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    hours = (_median(last, "seconds") - _median(middle, "seconds")) / 3600
    found = []
    for name in (*_ALLOWED, *_GROWING):
        before, after = _median(middle, name), _median(last, name)
        bound = max(_GROWN * before, _ALLOWED[name]) if name in _ALLOWED else None
        found.append(Change(name, before, after, (after - before) / hours, bound))
    return found


def table(found: Iterable[Change]) -> str:
    """The changes as a Markdown table."""
    rows = []
    for change in found:
        numbers = (f"{change.middle:,.1f}", f"{change.last:,.1f}", f"{change.per_hour:+,.1f}")
        bound = "" if change.bound is None else f"{change.bound:,.0f}"
        rows.append(
            (change.name, *numbers, bound, _GROWING.get(change.name) or ("flat" if change.flat else "**GROWS**"))
        )
    return markdown.table(("", "middle third", "last third", "an hour", "may grow", ""), rows)


def plot(samples: Sequence[Sample], file: Path) -> None:
    """The series over minutes, as a small PNG."""
    minutes = [sample["seconds"] / 60 for sample in samples]
    figure = Figure(figsize=(10, 11), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names) in zip(figure.subplots(4, 2).flat, _PANELS, strict=True):
        for name, colour in zip(names, COLOURS, strict=False):
            axes.plot(minutes, [sample[name] for sample in samples], color=colour, linewidth=1.2, label=name)
        axes.set_title(title, loc="left", fontsize=9, color=INK)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, minutes[-1])
        axes.tick_params(labelsize=8, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False)
    figure.supxlabel("minutes", fontsize=8, color=INK)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(file, "PNG", optimize=True)


def read(file: Path) -> list[Sample]:
    """The samples of a CSV file."""
    with file.open(newline="") as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def _median(samples: Iterable[Sample], name: str) -> float:
    return median(sample[name] for sample in samples)
