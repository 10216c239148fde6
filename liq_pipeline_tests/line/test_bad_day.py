"""A scripted bad day: whatever goes wrong raises the right check on the right day, is told once, and heals once."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

import dagster as dg
import pytest
from pydantic import SecretStr

from liq_pipeline.healing.heal import heal_span
from liq_pipeline.settings import load_settings
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline.warehouse.reparse import reparse
from liq_pipeline_tests.fakes.channels import webhook
from liq_pipeline_tests.healing.okx import Venue, serving
from liq_pipeline_tests.line import bad_day
from liq_pipeline_tests.line.bad_day import DAY, FEEDS, HOUR, MINUTE, SECOND, Line, event, ms
from liq_pipeline_tests.line.conftest import Export

CUT, SILENT, DOUBLED, SWAPPED, FLOODED, STALE = map(bad_day.day, range(6))
CUT_OFF = range(3 * HOUR, 5 * HOUR)
SILENCE = range(10 * HOUR, 12 * HOUR + 40 * MINUTE)
EVERY = range(0, DAY, 100 * SECOND)
"""When each venue has an event, on the day on which one falls silent."""


class Misfortune(NamedTuple):
    """What strikes a day, what is told of it, and what puts it right before the day is run again."""

    day: date
    strike: Callable[[Line], None]
    told: str
    mend: Callable[[Line], None]
    tables_wait: float = 0.0
    """Seconds that nothing runs after it struck."""


@pytest.fixture
def venue() -> Iterator[Venue]:
    with serving() as venue:
        venue.published([_okx(CUT, -HOUR)])
        venue.published([_okx(CUT, offset) for offset in EVERY if offset in CUT_OFF])
        venue.published([_okx(SILENT, offset) for offset in EVERY])
        yield venue


@pytest.fixture
def line(
    database_url: str, redis_url: str, export: Export, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    migrate(database_url, plain=True)
    variables = {**export(database_url), "LIQ_REST_URL_OKX": venue.rest_url, "LIQ_SYMBOLS": "BTCUSDT"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # Drawing takes as long as half of all the rest, and has tests of its own.
    pictures = importlib.import_module("liq_pipeline.dagster_defs.pictures.attach")
    monkeypatch.setattr(pictures, "draw", lambda *_: b"")
    with webhook() as hook, dg.DagsterInstance.ephemeral() as instance:
        channel = {"alert_urls": (SecretStr(hook.url),)}
        settings = load_settings(variables, env_file=None).model_copy(update=channel)
        yield Line(database_url, redis_url, settings, instance, hook)


def _okx(at: date, offset: int) -> str:
    return bad_day.frame("okx", ms(at, offset), max(0, offset // (100 * SECOND))).decode()


def _cover(line: Line, at: date) -> None:
    for feed in FEEDS:
        line.claim(feed, ms(at), ms(at, DAY))


def _cut_a_feed(line: Line) -> None:
    for feed in ("binance", "bybit"):
        line.claim(feed, ms(CUT), ms(CUT, DAY))
    line.claim("okx", ms(CUT), ms(CUT, CUT_OFF.start))
    line.claim("okx", ms(CUT, CUT_OFF.stop), ms(CUT, DAY))


def _silence_a_venue(line: Line) -> None:
    _cover(line, SILENT)
    line.land(
        event(venue, ms(SILENT, offset), offset // EVERY.step)
        for offset in EVERY
        for venue in FEEDS
        if venue != "okx" or offset not in SILENCE
    )


def _heal(at: date) -> Callable[[Line], None]:
    """What heal_job does in the night after."""

    def mend(line: Line) -> None:
        now = ms(at, DAY + 2 * HOUR)
        report = heal_span("okx", line.settings, line.database_url, line.redis_url, ms(at), ms(at, DAY), now=now)
        assert (report.waiting, report.problems) == ([], [])

    return mend


def _import_under_other_ids(line: Line) -> None:
    _cover(line, DOUBLED)
    entries = [event("bybit", ms(DOUBLED, 12 * HOUR + number * SECOND), number) for number in range(10)]
    line.land([*entries, *map(bad_day.with_other_id, entries)])


def _swap_the_sides(line: Line) -> None:
    _cover(line, SWAPPED)
    for venue in FEEDS:
        entries = [event(venue, ms(SWAPPED, 12 * HOUR + number * MINUTE), number) for number in range(60)]
        line.land(map(bad_day.with_other_side, entries) if venue == "binance" else entries)


def _reparse(at: date) -> Callable[[Line], None]:
    def mend(line: Line) -> None:
        report = reparse(line.database_url, [at], line.settings, exchanges=FEEDS, now=ms(at, 2 * DAY))
        assert report.stale == {at}

    return mend


def _flood(line: Line) -> None:
    _cover(line, FLOODED)
    _flow(line, 12 * HOUR, 40, bybit_delay=10 * MINUTE)


def _flow_again(line: Line) -> None:
    _flow(line, 13 * HOUR, 60)


def _flow(line: Line, start: int, count: int, bybit_delay: int = 400) -> None:
    for venue in FEEDS:
        delay = bybit_delay if venue == "bybit" else 400
        times = (ms(FLOODED, start + number * SECOND) for number in range(count))
        line.land(event(venue, at, number, delay=delay) for number, at in enumerate(times))


def _run_nothing(line: Line) -> None:
    """Events land, and whatever should bring them into the tables does not."""
    _cover(line, STALE)
    line.run(STALE)
    line.land(event("bybit", ms(STALE, 12 * HOUR + number * SECOND), number) for number in range(10))


def _run_again(line: Line) -> None:
    """The run of the day is all that was missing."""


MISFORTUNES = {
    "a feed is cut off": Misfortune(
        CUT, _cut_a_feed, "WARN: feed_coverage/coverage_above_threshold of 2025-12-08", _heal(CUT)
    ),
    "a venue is silent while the others go on": Misfortune(
        SILENT, _silence_a_venue, "WARN: feed_coverage/coverage_above_threshold of 2025-12-09", _heal(SILENT)
    ),
    "an import comes under other identities": Misfortune(
        DOUBLED,
        _import_under_other_ids,
        "ERROR: liquidations_raw/ids_stable of 2025-12-10; ERROR: liquidations_raw/no_duplicates of 2025-12-10",
        _reparse(DOUBLED),
    ),
    "the sides are swapped": Misfortune(
        SWAPPED, _swap_the_sides, "ERROR: liquidations_raw/limit_beyond_fill of 2025-12-11", _reparse(SWAPPED)
    ),
    "a flood comes late": Misfortune(FLOODED, _flood, "WARN: liquidations_raw/clock_skew of 2025-12-12", _flow_again),
    "a table stands still": Misfortune(STALE, _run_nothing, "ERROR: liquidations_raw/fresh", _run_again, 1_000.0),
}


def test_each_misfortune_of_a_bad_day_is_told_once_by_the_right_check_and_heals_with_one_message(line: Line) -> None:
    assert line.told() == []
    for what, (at, strike, told, mend, tables_wait) in MISFORTUNES.items():
        strike(line)
        if not tables_wait:
            line.run(at)
        assert line.told(tables_wait=tables_wait) == [told], what
        assert line.told(tables_wait=tables_wait) == [], what
        mend(line)
        line.run(at)
        # What has been well for a moment only is not said to have healed.
        assert line.told() == [], what
        healed = told.replace("ERROR", "HEALED").replace("WARN", "HEALED")
        assert line.told(later=700.0) == [healed], what
        assert line.told(later=700.0) == [], what
