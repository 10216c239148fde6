"""The archive in Dagster: days with files are reported, asked for, imported and made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import dagster as dg
import pytest

from liq_pipeline.archive.scan import scan
from liq_pipeline.archive.survey import Survey, survey
from liq_pipeline.dagster_defs import archive
from liq_pipeline.dagster_defs.archive import archive_files, reported_versions, reports
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline_tests.archive.test_landing import DAY, EVENING, RECORDING, rows
from liq_pipeline_tests.archive.test_scan import put
from liq_pipeline_tests.warehouse.making import add, entry, query

BROKEN = f"forceorder_csv/binance/linear/broken/{DAY}.csv"


class Plant(NamedTuple):
    """A line that LIQ_* names, with an archive."""

    archive: Path
    database_url: str
    redis_url: str


@pytest.fixture
def plant(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    from liq_pipeline.warehouse.migrate import migrate

    migrate(database_url, plain=True)
    monkeypatch.setenv("LIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("LIQ_REDIS_URL", redis_url)
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "0")
    monkeypatch.setenv("LIQ_ARCHIVE_DIR", str(tmp_path))
    yield Plant(tmp_path, database_url, redis_url)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def _tick(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One look of the sensor, its events reported as the daemon does."""
    result = archive_files(dg.build_sensor_context(instance=instance, cursor=cursor, resources={"line": Line()}))
    if isinstance(result, dg.SkipReason):
        return dg.SensorResult(skip_reason=result, cursor=cursor)
    assert isinstance(result, dg.SensorResult)
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return result


def _said(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return result.skip_reason.skip_message or ""


def _metadata(instance: dg.DagsterInstance, asset: str) -> dict[str, object]:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_new_file_is_reported_its_day_asked_for_once_imported_and_made(
    plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a look takes here, the next need not wait.
    monkeypatch.setattr("liq_pipeline.dagster_defs.archive._SHARE", 0.0)
    put(plant.archive, RECORDING, rows("BTC", "ETH"))
    first = _tick(instance)
    (request,) = first.run_requests or []
    assert (request.partition_key, request.job_name) == (str(DAY), None)
    assert instance.get_materialized_partitions(dg.AssetKey("archive")) == {str(DAY)}
    assert _metadata(instance, "archive") == {
        "files": 1,
        "bytes": len(rows("BTC", "ETH")),
        "forceorder_csv files": 1,
    }
    second = _tick(instance, first.cursor)
    assert not second.run_requests
    assert not second.asset_events
    assert materialize_day(instance, DAY).success
    assert query(plant.database_url, "SELECT count(*) FROM liquidations") == [(2,)]
    metadata = _metadata(instance, "liquidations_raw")
    assert (metadata["archive_files"], metadata["archive_files_imported_now"]) == (1, 1)
    assert (metadata["archive_rows_new"], metadata["events"]) == (2, 2)
    assert _said(_tick(instance, second.cursor)) == "1 files: 1 imported"


def test_backfilling_a_day_imports_its_files_without_the_sensor_and_drains_as_ever(
    plant: Plant, instance: dg.DagsterInstance
) -> None:
    put(plant.archive, RECORDING, rows("BTC"))
    add(plant.redis_url, [entry(1, EVENING)])
    assert materialize_day(instance, DAY).success
    assert query(plant.database_url, "SELECT source, count(*) FROM liquidations_raw GROUP BY 1 ORDER BY 1") == [
        ("import:forceorder_csv", 1),
        ("stream", 1),
    ]
    assert materialize_day(instance, DAY).success
    assert _metadata(instance, "liquidations_raw")["archive_files_imported_now"] == 0


def test_a_forced_run_imports_what_was_imported_before(plant: Plant, instance: dg.DagsterInstance) -> None:
    put(plant.archive, RECORDING, rows("BTC"))
    assert materialize_day(instance, DAY).success
    query(plant.database_url, "DELETE FROM liquidations_raw")
    assert materialize_day(instance, DAY, force=True).success
    assert _metadata(instance, "liquidations_raw")["archive_rows_new"] == 1
    assert query(plant.database_url, "SELECT count(*) FROM liquidations") == [(1,)]


def test_a_refused_file_fails_one_run_with_its_reason_and_stays_named_without_stopping_the_day(
    plant: Plant, instance: dg.DagsterInstance
) -> None:
    put(plant.archive, BROKEN, '{"e":"forceOrder"}\n' * 3)
    put(plant.archive, RECORDING, rows("BTC"))
    add(plant.redis_url, [entry(1, EVENING)])
    run = materialize_day(instance, DAY)
    assert not run.success
    assert f"ImportRefusedError: {BROKEN}: this file looks like frames" in run.failures[0]
    assert query(plant.database_url, "SELECT count(*) FROM liquidations_raw") == [(2,)]
    assert "1 refused" in (said := _said(_tick(instance))) and f"{BROKEN}: " in said
    assert not materialize_day(instance, DAY).success
    assert _sensors_run(instance).success
    assert query(plant.database_url, "SELECT count(*) FROM liquidations") == [(2,)]
    assert f"{BROKEN}: " in str(_metadata(instance, "liquidations_raw")["archive_files_refused"])


def _sensors_run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    from liq_pipeline.definitions import defs

    return defs.resolve_job_def("daily_tables").execute_in_process(
        instance=instance, partition_key=str(DAY), tags={"dagster/sensor_name": "stale_days"}, raise_on_error=False
    )


def test_rejected_rows_do_not_fail_the_run(plant: Plant, instance: dg.DagsterInstance) -> None:
    put(plant.archive, RECORDING, rows("BTC") + "nonsense\n")
    assert materialize_day(instance, DAY).success
    assert _metadata(instance, "liquidations_raw")["archive_rows_rejected"] == 1


def test_an_archive_that_is_not_mounted_does_not_stop_what_is_collected(
    plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQ_ARCHIVE_DIR", str(plant.archive / "gone"))
    add(plant.redis_url, [entry(1, EVENING)])
    run = materialize_day(instance, DAY)
    assert run.success
    assert any("gone is no folder: make or mount it" in log.user_message for log in instance.all_logs(run.run_id))
    assert "gone is no folder" in _said(_tick(instance))


def test_without_an_archive_the_sensor_says_so(
    plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIQ_ARCHIVE_DIR")
    assert _said(_tick(instance)) == "LIQ_ARCHIVE_DIR is not set"


def test_files_that_fit_nowhere_and_days_that_settings_exclude_are_said(
    plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "90")
    put(plant.archive, RECORDING, rows("BTC"))
    put(plant.archive, "frames/okx/linear/2999-01-01.jsonl")
    for number in range(10):
        put(plant.archive, f"stray-{number}.csv")
    result = _tick(instance)
    said = _said(result)
    assert "2 files: 2 excluded" in said
    assert "stray-0.csv: it is in none of" in said
    assert "and 6 more, see `liq archive status`" in said
    # That the archive has the day is true all the same; a day that has not begun is no partition.
    assert [event.partition for event in result.asset_events] == [str(DAY)]


def test_a_days_files_are_reported_when_they_change_and_when_they_have_gone(
    plant: Plant, instance: dg.DagsterInstance
) -> None:
    file = put(plant.archive, RECORDING, rows("BTC"))
    _tick(instance)
    before = reported_versions(instance)
    assert reports(scan(plant.archive).files, before) == []
    put(plant.archive, RECORDING, rows("BTC", "ETH"))
    (event,) = _tick(instance).asset_events
    assert (event.partition, event.description) == (str(DAY), "1 files")
    assert reported_versions(instance) != before
    file.unlink()
    (event,) = _tick(instance).asset_events
    assert (event.partition, event.description) == (str(DAY), "no files any more")
    assert not _tick(instance).asset_events


def test_a_large_archive_is_looked_at_for_a_small_part_of_the_time(
    plant: Plant, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time()]

    def slow(*arguments: Any) -> Survey:
        clock[0] += 10
        return survey(*arguments)

    monkeypatch.setattr(archive, "time", SimpleNamespace(time=lambda: clock[0]))
    monkeypatch.setattr(archive, "survey", slow)
    first = _tick(instance)
    assert json.loads(first.cursor or "")["rest_until"] == pytest.approx(clock[0] + 190)
    clock[0] += 100
    assert "the next look at it is in 90 s" in _said(_tick(instance, first.cursor))
    clock[0] += 100
    assert _said(_tick(instance, first.cursor)) == "0 files: none"
