"""What is forgotten of Dagster's own records, and what stays: on its real storage in PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.instance.config import get_tick_retention_settings
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from psycopg.conninfo import conninfo_to_dict

import liq_pipeline
from liq_pipeline.dagster_defs import event_log
from liq_pipeline.dagster_defs.pruning import prune
from liq_pipeline.definitions import defs

CONFIGURED = Path(liq_pipeline.__file__).parent.parent / "dagster.yaml"
DAYS = dg.DailyPartitionsDefinition("2026-11-01")
TABLE, FEED = dg.AssetKey("table"), dg.AssetKey("feed")
NEVER, NOW = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
RIGHT = dg.AssetCheckKey(TABLE, "right")


class Day(dg.Config):
    rows: int
    fails: bool = False


@dg.asset(
    name="table",
    partitions_def=DAYS,
    check_specs=[dg.AssetCheckSpec("right", asset=TABLE, partitions_def=DAYS)],
)
def table(context: dg.AssetExecutionContext, config: Day) -> Iterator[dg.MaterializeResult[None]]:
    print(f"{config.rows} rows")  # noqa: T201 - for the run to leave a log on disk
    if config.fails:
        raise ValueError("the day cannot be made")
    yield dg.MaterializeResult(
        metadata={"rows": config.rows}, check_results=[dg.AssetCheckResult(check_name="right", passed=config.rows > 0)]
    )


@dg.op
def nothing() -> None:
    return None


@dg.job
def shift() -> None:
    nothing()


TABLES = dg.define_asset_job("tables", [table])
LOCATION = dg.Definitions(assets=[table], jobs=[TABLES, shift])


@pytest.fixture
def instance(database_url: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster as dagster.yaml configures it."""
    (tmp_path / "dagster.yaml").write_bytes(CONFIGURED.read_bytes())
    parts = conninfo_to_dict(database_url)
    names = {"USERNAME": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port", "DB": "dbname"}
    with pytest.MonkeyPatch.context() as environment:
        for name, part in names.items():
            environment.setenv(f"DAGSTER_PG_{name}", str(parts.get(part) or ""))
        with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
            opened.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
            yield opened


def _make(instance: dg.DagsterInstance, day: str, rows: int = 1, *, fails: bool = False) -> str:
    job = LOCATION.resolve_job_def("tables")
    config = {
        "ops": {"table": {"config": {"rows": rows, "fails": fails}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    run = job.execute_in_process(instance=instance, partition_key=day, run_config=config, raise_on_error=False)
    return run.run_id


def _shift(instance: dg.DagsterInstance) -> str:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return LOCATION.resolve_job_def("shift").execute_in_process(instance=instance, run_config=quiet).run_id


def _runs(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def _shown(instance: dg.DagsterInstance) -> dict[str, object]:
    """What the pages of the table show: each day's status, numbers and verdict."""
    status = get_and_update_asset_status_cache_value(instance, TABLE, DAYS)
    assert status is not None
    keys = DAYS.get_partition_keys(datetime(2026, 11, 10, tzinfo=UTC))
    made = {
        record.partition_key: record.asset_materialization.metadata["rows"].value
        for record in reversed(instance.fetch_materializations(TABLE, limit=100).records)
        if record.asset_materialization
    }
    return {
        "materialized": sorted(status.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()),
        "failed": sorted(status.deserialize_failed_partition_subsets(DAYS).get_partition_keys()),
        "rows": {day: made[day] for day in keys if day in made},
        "verdicts": {
            info.partition_key: info.latest_execution_status.value
            for info in instance.event_log_storage.get_asset_check_partition_info([RIGHT])
        },
    }


def _count(database_url: str, table: str, where: str = "true") -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def test_superseded_runs_go_and_every_day_keeps_its_status_its_numbers_and_its_verdict(
    instance: dg.DagsterInstance, database_url: str, tmp_path: Path
) -> None:
    running = instance.create_run_for_job(shift, status=dg.DagsterRunStatus.STARTED).run_id
    superseded = {_make(instance, "2026-11-01", 7), _make(instance, "2026-11-02", 0), _shift(instance)}
    newest = {
        _make(instance, "2026-11-01", 8),
        _make(instance, "2026-11-02", 0),
        # Of a day that was made once and failed since, both are shown.
        _make(instance, "2026-11-03", 9),
        _make(instance, "2026-11-03", fails=True),
        _make(instance, "2026-11-04", fails=True),
        _shift(instance),
    }
    before, logs = _shown(instance), tmp_path / "storage"
    assert all((logs / run_id).is_dir() for run_id in superseded | newest)
    place = event_log.newest_record(instance)

    assert prune(instance, NEVER) == (0, 0, 0)
    assert _runs(instance) == superseded | newest | {running}
    assert prune(instance, NOW, seconds=0) == (0, 3, 0)
    assert prune(instance, NOW) == (3, 0, 0)

    assert _runs(instance) == newest | {running}
    assert {folder.name for folder in logs.iterdir()} == newest
    gone = "run_id IN ({})".format(", ".join(f"'{run_id}'" for run_id in superseded))
    assert [_count(database_url, of, gone) for of in ("event_logs", "asset_check_executions", "run_tags")] == [0, 0, 0]
    assert _shown(instance) == before
    instance.wipe_asset_cached_status([TABLE])
    assert _shown(instance) == before
    assert before == {
        "materialized": ["2026-11-01", "2026-11-02", "2026-11-03"],
        "failed": ["2026-11-03", "2026-11-04"],
        "rows": {"2026-11-01": 8, "2026-11-02": 0, "2026-11-03": 9},
        "verdicts": {
            "2026-11-01": "SUCCEEDED",
            "2026-11-02": "FAILED",
            "2026-11-03": "PLANNED",
            "2026-11-04": "PLANNED",
        },
    }
    # Whoever reads the log from a place in it goes on from there.
    assert event_log.newest_record(instance) == place
    again = _make(instance, "2026-11-02", 5)
    found, _ = event_log.happenings(instance, place, 100, datetime.now(UTC).timestamp() + 60)
    assert [item.run_id for item in found] == [again, again]
    assert prune(instance, NOW).runs == 1
    assert again in _runs(instance)


def test_of_what_no_run_made_the_newest_stays(instance: dg.DagsterInstance, database_url: str) -> None:
    for number in range(5):
        instance.report_runless_asset_event(
            dg.AssetObservation(FEED, metadata={"state": f"state {number}"}, tags={"dagster/data_version": f"{number}"})
        )
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=TABLE, check_name="right", passed=number % 2 == 0, metadata={})
        )
    assert prune(instance, NEVER).events == 0
    assert prune(instance, NOW) == (0, 0, 8)
    assert prune(instance, NOW) == (0, 0, 0)

    (observed,) = instance.fetch_observations(FEED, limit=10).records
    assert observed.asset_observation is not None
    assert observed.asset_observation.metadata["state"].value == "state 4"
    (verdict,) = instance.event_log_storage.get_asset_check_partition_info([RIGHT])
    assert verdict.latest_execution_status.value == "SUCCEEDED"
    left = [_count(database_url, of) for of in ("event_logs", "asset_check_executions", "asset_event_tags")]
    assert left == [2, 1, 1]


def test_the_job_keeps_what_is_younger_than_the_setting(
    instance: dg.DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    superseded, newest = _shift(instance), _shift(instance)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE runs SET create_timestamp = create_timestamp - interval '8 days'")
    prune_job = defs.resolve_job_def("prune_job")
    kept = []
    for days in ("9", "0", "7"):
        monkeypatch.setenv("LIQ_DAGSTER_RETENTION_DAYS", days)
        assert prune_job.execute_in_process(instance=instance).success
        kept.append({superseded, newest} & _runs(instance))
    assert kept == [{superseded, newest}, {superseded, newest}, {newest}]


def test_every_kind_of_tick_is_purged() -> None:
    """Nothing else does it, and one kind without a limit would outgrow all tables."""
    retention = yaml.safe_load(CONFIGURED.read_text())["retention"]
    assert set(retention) == {"schedule", "sensor", "auto_materialize"}
    for kind, settings in retention.items():
        days = get_tick_retention_settings(settings, dict.fromkeys(TickStatus, -1))
        assert all(0 < limit <= 90 for limit in days.values()), (kind, days)
