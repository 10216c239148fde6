"""The page: a template filled with the figures and tables of a day."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from liq_pipeline import saying
from liq_pipeline.exchanges.published import DOCS
from liq_pipeline.plots import palette
from liq_pipeline.report import cascades, tables, values, volumes
from liq_pipeline.report.gathering import Day
from liq_pipeline.report.labels import comparable, labels, why_empty
from liq_pipeline.report.totals import Headline, headline
from liq_pipeline.report.values import Number

_FOLDER: Final = Path(__file__).parent


def render(day: Day) -> str:
    """The day's report, HTML. The same answers and settings give the same text."""
    of_venues = labels(day)
    shown = {
        "day": day.day,
        "settings": day.settings,
        "saying": saying,
        "docs": DOCS,
        "palette": palette,
        "fingerprint": fingerprint(day),
        "headline": {number.name: number for number in _headline(headline(day))},
        "feeds": tables.feeds(day),
        "missed": tables.missed(day),
        "heatmap": volumes.heatmap(day),
        "why_empty": why_empty(day),
    }
    if day.hourly.is_empty():
        return _template().render(shown)
    return _template().render(
        shown,
        comparable=comparable(of_venues, set(day.hourly["exchange"])),
        events_course=volumes.course(day, "event_count"),
        usd_course=volumes.course(day, "total_value_usd"),
        cumulative=volumes.cumulative(day),
        passed=volumes.passed(day),
        strips=volumes.strips(day, of_venues),
        sides=volumes.sides(day),
        shares=volumes.shares(day),
        venues=tables.venues(day, of_venues),
        symbols=tables.symbols(day),
        significant=tables.significant(day),
        largest=tables.largest(day),
        ladders=tables.ladders(day),
        timeline=cascades.timeline(day),
        undrawn=cascades.undrawn(day),
        stories=cascades.stories(day),
    )


def fingerprint(day: Day) -> str:
    """Twelve digits that differ when what a report is made of differs."""
    digest = hashlib.sha256(day.settings.detection_hash.encode())
    for field in fields(day):
        value = getattr(day, field.name)
        frames = value.items() if isinstance(value, dict) else [(field.name, value)]
        for name, frame in frames:
            digest.update(f"|{name}|".encode())
            digest.update(frame.write_json().encode() if isinstance(frame, pl.DataFrame) else b"")
    return digest.hexdigest()[:12]


def _headline(numbers: Headline) -> list[Number]:
    return [
        values.usd(name, value) if name.endswith("usd") else values.count(name, value)
        for name, value in numbers._asdict().items()
    ]


@cache
def _template() -> Template:
    # What venues name their contracts is text, whatever it looks like.
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = shlex.quote
    return environment.get_template("page.html")
