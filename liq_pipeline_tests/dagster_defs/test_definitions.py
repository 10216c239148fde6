"""What Dagster loads: names that users rely on, and that it loads at all."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml

import liq_pipeline
from liq_pipeline.dagster_defs import columns
from liq_pipeline.dagster_defs.schedules import close_yesterday, refresh_today
from liq_pipeline.definitions import defs

ROOT = Path(liq_pipeline.__file__).parent.parent
TABLES = {
    "liquidations_raw": "landing",
    "liquidations": "detection",
    "liquidations_significant": "detection",
    "liquidation_cascades": "detection",
    "liquidations_hourly": "rollups",
    "liquidation_price_levels": "rollups",
    "liquidation_exchange_comparison": "rollups",
    "feed_gaps": "observability",
    "feed_coverage": "observability",
}
ABOUT_NOW = {"fresh", "alive", "collected", "backlog"}


def test_the_names_of_assets_jobs_schedules_and_sensors_stay_as_they_are() -> None:
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        *TABLES,
        "liquidation_report",
        "liq_events",
        "archive",
        "liq_live",
        "liq_coverage",
        "exchanges/binance",
        "exchanges/bybit",
        "exchanges/okx",
        "exchanges/binance_inverse",
        "exchanges/bybit_inverse",
        "exchanges/okx_inverse",
    }
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        "collector_job",
        "live_job",
        "daily_tables",
        "heal_job",
        "prune_job",
        "retention_job",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "refresh_today",
        "close_yesterday",
        "heal_daily",
        "prune_daily",
        "retention_daily",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "collector_sensor",
        "live_sensor",
        "stale_days",
        "unhealed_gaps",
        "archive_files",
        "observed",
        "incidents",
        "alerts",
    }
    assert {f"{key.asset_key.to_user_string()}/{key.name}" for key in graph.asset_check_keys} == {
        "liquidations_raw/no_duplicates",
        "liquidations_raw/value_is_price_times_quantity",
        "liquidations_raw/limit_beyond_fill",
        "liquidations_raw/ids_stable",
        "liquidations_raw/prices_near_median",
        "liquidations_raw/venue_shares",
        "liquidations_raw/clock_skew",
        "liquidations/no_duplicates",
        "liquidations/matches_raw",
        "liquidations/inside_day",
        "liquidations_significant/complete",
        "liquidations_significant/inside_day",
        "liquidation_cascades/members_add_up",
        "liquidation_cascades/disjoint",
        "liquidation_cascades/inside_day",
        "liquidation_cascades/ids_stable",
        "liquidation_cascades/live_equals_batch",
        "liquidations_hourly/adds_up",
        "liquidations_hourly/inside_day",
        "liquidations_hourly/totals",
        "liquidation_price_levels/adds_up",
        "liquidation_price_levels/inside_day",
        "liquidation_exchange_comparison/adds_up",
        "liquidation_exchange_comparison/inside_day",
        "feed_gaps/adds_up",
        "feed_coverage/coverage_above_threshold",
        "liquidation_report/matches_tables",
        *(f"{table}/fresh" for table in TABLES),
        *(f"exchanges/{name}{market}/alive" for name in ("binance", "bybit", "okx") for market in ("", "_inverse")),
        "liq_events/collected",
        "liq_events/backlog",
    }


def test_everything_that_starts_runs_is_on_by_itself() -> None:
    repository = defs.get_repository_def()
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in repository.sensor_defs)
    assert all(schedule.default_status is dg.DefaultScheduleStatus.RUNNING for schedule in repository.schedule_defs)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_says_what_it_is_whose_it_is_and_what_its_columns_mean(table: str) -> None:
    node = defs.get_repository_def().asset_graph.get(dg.AssetKey(table))
    assert node.group_name == TABLES[table]
    assert node.description
    assert node.owners == ["team:data-platform"]
    assert node.kinds >= {"postgres"}
    assert node.partitions_def is not None
    assert node.code_version
    assert node.metadata["dagster/table_name"] == f"public.{table}"
    schema = node.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns if not column.description] == []


def test_every_check_keeps_its_day_and_says_what_to_do() -> None:
    graph = defs.get_repository_def().asset_graph
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert (spec.partitions_def is not None) is (key.name not in ABOUT_NOW)
        assert "If it fails:" in (spec.description or "")


def test_tables_share_a_step_of_checks_only_where_the_same_is_made_of_them() -> None:
    graph = defs.get_repository_def().asset_graph
    for step in defs.asset_checks or ():
        assert isinstance(step, dg.AssetChecksDefinition)
        assets = {key.asset_key for key in step.check_keys}
        if step.node_def.name != "freshness_checks":
            assert len({frozenset(graph.get(key).child_keys) for key in assets}) == 1


def test_no_run_of_a_day_evaluates_the_checks_about_now() -> None:
    keys = defs.resolve_job_def("daily_tables").asset_layer.asset_graph.asset_check_keys
    assert {key.asset_key.to_user_string() for key in keys} == {*TABLES, "liquidation_report"}
    assert not {key.name for key in keys} & ABOUT_NOW


def test_a_check_blocks_exactly_where_what_is_downstream_or_published_would_be_wrong() -> None:
    graph = defs.get_repository_def().asset_graph
    assert {
        f"{key.asset_key.to_user_string()}/{key.name}"
        for key in graph.asset_check_keys
        if not graph.get_check_spec(key).blocking and key.name not in ABOUT_NOW
    } == {
        "liquidations_raw/ids_stable",
        "liquidations_raw/prices_near_median",
        "liquidations_raw/venue_shares",
        "liquidations_raw/clock_skew",
        "liquidation_cascades/ids_stable",
        "liquidation_cascades/live_equals_batch",
        "feed_coverage/coverage_above_threshold",
    }


def test_the_described_columns_are_those_of_the_database(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        for table in TABLES:
            found = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
                (table,),
            ).fetchall()
            assert [column.name for column in columns.tables()[table].schema.columns] == [row[0] for row in found]


def test_lineage_names_assets_and_columns_that_exist_upstream() -> None:
    graph = defs.get_repository_def().asset_graph
    for table in columns.UPSTREAM:
        deps = columns.lineage(table).deps_by_column
        assert deps, table
        for source in (source for sources in deps.values() for source in sources):
            assert graph.has(source.asset_key)
            upstream = columns.tables().get(source.asset_key.to_user_string())
            # What is in Redis has fields, described in streams.py.
            if upstream is not None:
                assert source.column_name in {column.name for column in upstream.schema.columns}


def test_a_columns_description_says_what_it_is_made_of() -> None:
    described = {column.name: column.description or "" for column in columns.tables()["feed_coverage"].schema.columns}
    assert described["coverage"].endswith("From liq_coverage.from, liq_coverage.to.")
    assert described["saturation"].endswith("From liquidations_raw.time, liquidations_raw.contract.")


def test_today_is_the_newest_partition() -> None:
    partitions = defs.get_repository_def().asset_graph.get(dg.AssetKey("liquidations")).partitions_def
    assert partitions is not None
    before = datetime.now(UTC).date()
    newest = partitions.get_last_partition_key()
    assert newest in {str(before), str(datetime.now(UTC).date())}


def test_schedules_mean_the_day_they_were_for_however_late_they_run() -> None:
    at = datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=at)
    today, yesterday = refresh_today(context), close_yesterday(context)
    assert isinstance(today, dg.RunRequest)
    assert isinstance(yesterday, dg.RunRequest)
    assert today.partition_key == "2026-11-22"
    assert yesterday.partition_key == "2026-11-21"


def test_the_collector_never_waits_for_backfills() -> None:
    config = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]["runs"]
    limits = config["tag_concurrency_limits"]
    shifts = sum(limit["limit"] for limit in limits if limit.get("value") in ("collector", "live"))
    days = sum(limit["limit"] for limit in limits if "value" not in limit)
    assert config["max_concurrent_runs"] > shifts + days
    job = defs.resolve_job_def("collector_job")
    others = [defs.resolve_job_def(name) for name in ("live_job", "daily_tables", "prune_job", "retention_job")]
    assert all(int(job.tags["dagster/priority"]) > int(other.tags.get("dagster/priority", 0)) for other in others)
    assert len(job.nodes) == 1


def test_the_location_has_one_name_wherever_it_is_loaded_from() -> None:
    (module,) = (item["python_module"] for item in yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"])
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^code_location_name = "(.*)"$', pyproject, re.MULTILINE)[1] == module["location_name"]  # type: ignore[index]
    assert re.search(r'^module_name = "(.*)"$', pyproject, re.MULTILINE)[1] == module["module_name"]  # type: ignore[index]


def test_dagster_validates_the_definitions_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    validated = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr
