"""liquidation_report as an asset: a file for every day, its numbers in the UI, and a check that reads it back."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from liq_pipeline.dagster_defs.checks.report import matches_tables
from liq_pipeline.dagster_defs.checks.rules import Verdict, looking
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.report import numbers
from liq_pipeline.settings import load_settings
from liq_pipeline_tests.dagster_defs.test_wiring import instance, line
from liq_pipeline_tests.warehouse.making import DAY, NOON, add, entry

__all__ = ["instance", "line"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reports of this test are."""
    monkeypatch.setenv("LIQ_REPORT_DIR", str(tmp_path / "reports"))
    return tmp_path / "reports"


def _verdict(database_url: str) -> Verdict:
    with looking(database_url, [DAY], load_settings()) as (look,):
        return matches_tables(look)


def _metadata(instance: dg.DagsterInstance) -> dict[str, object]:
    event = instance.get_latest_materialization_event(dg.AssetKey("liquidation_report"))
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.partition == str(DAY)
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_day_is_reported_rebuilt_when_it_changes_and_held_against_the_tables(
    line: tuple[str, str], instance: dg.DagsterInstance, folder: Path
) -> None:
    database_url, redis_url = line
    assert materialize_day(instance, DAY).success
    path = folder / "2025/12/2025-12-10.html"
    assert numbers(path.read_text())["events"] == "0"
    assert "picture" not in _metadata(instance)

    add(redis_url, [entry(n, NOON + n * 100, value_usd="50000") for n in range(8)])
    assert materialize_day(instance, DAY).success
    assert numbers(path.read_text())["usd"] == "400000.000000"
    metadata = _metadata(instance)
    assert metadata["path"] == str(path)
    assert metadata["bytes"] == path.stat().st_size
    assert (metadata["events"], metadata["usd"], metadata["cascades"]) == (8, 400_000.0, 1)
    assert str(metadata["picture"]).startswith("![liquidation_report of 2025-12-10](data:image/png;base64,")

    os.utime(path, (1, 1))
    assert materialize_day(instance, DAY).success
    assert path.stat().st_mtime == 1
    assert _verdict(database_url).passed

    path.write_text(path.read_text().replace('data-name="events" value="8"', 'data-name="events" value="9"'))
    verdict = _verdict(database_url)
    assert not verdict.passed and verdict.severe
    assert verdict.worst == [{"number": "events", "report": "9", "tables": "8"}]
    # Another run rewrote the day, and has not come to the report yet.
    os.utime(path, (1, 1))
    verdict = _verdict(database_url)
    assert not verdict.passed and not verdict.severe
    assert "rewritten after its report" in verdict.description
    path.unlink()
    assert not _verdict(database_url).passed
    assert materialize_day(instance, DAY).success
    assert _verdict(database_url).passed


def test_a_folder_that_cannot_be_written_fails_the_run_with_the_fix_and_the_tables_are_made_all_the_same(
    line: tuple[str, str], instance: dg.DagsterInstance, folder: Path
) -> None:
    folder.touch()
    run = materialize_day(instance, DAY)
    assert not run.success
    assert "set LIQ_REPORT_DIR to a folder of its own" in " ".join(run.failures)
    assert instance.get_materialized_partitions(dg.AssetKey("liquidations_hourly")) == {str(DAY)}
