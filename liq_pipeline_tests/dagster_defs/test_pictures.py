"""Pictures in the metadata: when they are drawn, and that every materialization of a day has one."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.dagster_defs.pictures.attach import Drawn, looks_different
from liq_pipeline.dagster_defs.pictures.drawing import DRAWN
from liq_pipeline_tests.dagster_defs.test_wiring import instance, line
from liq_pipeline_tests.warehouse.making import DAY, NOON, add, entry

__all__ = ["instance", "line"]


def _pictures(instance: dg.DagsterInstance) -> dict[str, tuple[str, int]]:
    """By table the Markdown of its newest picture, and of how many events or spans that is."""
    found = {}
    for table in DRAWN:
        event = instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event is not None and event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        if "picture" in metadata:
            assert isinstance(metadata["picture"], dg.MarkdownMetadataValue)
            found[table] = (str(metadata["picture"].value), int(str(metadata["picture_of"].value)))
    return found


def test_a_day_with_events_is_drawn_and_one_that_is_not_rewritten_keeps_its_pictures(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    _, redis_url = line
    assert materialize_day(instance, DAY).success
    assert _pictures(instance) == {}

    add(redis_url, [entry(n, NOON + n * 100, value_usd="50000") for n in range(8)])
    with redis.Redis.from_url(redis_url) as client:
        claim = {"connection": "c", "from": NOON, "to": NOON + 3_600_000, "part": 0, "parts": 1}
        client.xadd(streams.coverage_key("okx"), claim)  # type: ignore[arg-type]
    assert materialize_day(instance, DAY).success
    first = _pictures(instance)
    assert first.keys() == DRAWN.keys()
    assert {table for table, (_, shown) in first.items() if shown == 8} == DRAWN.keys() - {"feed_coverage"}
    for markdown, _ in first.values():
        picture = markdown.removesuffix(")").partition("data:image/png;base64,")[2]
        assert base64.b64decode(picture, validate=True).startswith(b"\x89PNG")

    assert materialize_day(instance, DAY).success
    assert _pictures(instance) == first

    add(redis_url, [entry(n, NOON + n * 100, value_usd="50000") for n in range(8, 10)])
    assert materialize_day(instance, DAY).success
    assert {shown for table, (_, shown) in _pictures(instance).items() if table != "feed_coverage"} == {10}


@pytest.mark.parametrize(
    ("events", "minutes", "days_ago", "again"),
    [
        (1_000, 5, 0, False),
        (1_200, 5, 0, False),
        (1_300, 5, 0, True),
        (700, 5, 0, True),
        (1_000, 61, 0, True),
        (1_001, 5, 1, True),
    ],
)
def test_today_is_drawn_again_when_it_looks_different_or_an_hour_has_passed(
    events: int, minutes: int, days_ago: int, again: bool
) -> None:
    now = datetime(2025, 12, 10, 12, tzinfo=UTC)
    last = Drawn(1_000, now - timedelta(minutes=minutes), "")
    assert looks_different(last, events, (now - timedelta(days=days_ago)).date(), now) is again


def test_loading_the_definitions_does_not_import_what_draws() -> None:
    code = "import sys, liq_pipeline.definitions; print('matplotlib' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert loaded.stdout == "False\n"
