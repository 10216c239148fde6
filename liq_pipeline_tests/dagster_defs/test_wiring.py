"""The assets, checks and sensors against a real PostgreSQL and Redis."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.dagster_defs.recorded import last_materializations, standing_failures
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.sensors import collector_sensor, stale_days
from liq_pipeline.dagster_defs.tables import MEASURES
from liq_pipeline.definitions import defs
from liq_pipeline.warehouse import coverage, loader
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, add, entry, query


@pytest.fixture
def line(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Database and Redis of a line that LIQ_* names; plain tables, as what is tested is the wiring."""
    from liq_pipeline.warehouse.migrate import migrate

    migrate(database_url, plain=True)
    monkeypatch.setenv("LIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("LIQ_REDIS_URL", redis_url)
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "0")
    yield database_url, redis_url


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def _burst() -> list[streams.Entry]:
    return [entry(n, NOON + n * 100, value_usd="50000") for n in range(8)]


def test_one_run_moves_a_day_from_redis_to_every_table_and_records_all_of_it(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    database_url, redis_url = line
    add(redis_url, [*_burst(), entry(90, NOON - 86_400_000)])
    run = materialize_day(instance, DAY)
    assert run == (DAY, run.run_id, True, ())
    for table in MEASURES:
        assert query(database_url, f"SELECT count(*) > 0 FROM {table}") == [(True,)], table
        assert instance.get_materialized_partitions(dg.AssetKey(table)) == {str(DAY)}
        event = instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["events"].value == 8
        assert metadata["total_usd_exact"].value in ("400000", "400000.000000")
        assert metadata["window_start"].value == "2025-12-10T00:00:00+00:00"
        assert "dagster/partition_row_count" in metadata
        assert "dagster/column_schema" in metadata
    assert query(database_url, "SELECT count(*) FROM liquidations_raw") == [(9,)]
    recorded = instance.get_run_by_id(run.run_id)
    assert recorded is not None
    assert (recorded.job_name, recorded.status) == ("daily_tables", dg.DagsterRunStatus.SUCCESS)
    assert recorded.tags["dagster/partition"] == str(DAY)
    assert {item.day for item in last_materializations(instance)} == {str(DAY)}
    assert standing_failures(instance) == []


def test_a_run_of_a_day_says_what_was_seen_of_it_and_runs_again_when_more_is_known(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    database_url, redis_url = line
    spans = {feed: streams.Span("c", NOON - 3_600_000, NOON) for feed in ("binance", "okx")}
    with redis.Redis.from_url(redis_url) as client:
        for feed, span in spans.items():
            fields = {"connection": "c", "from": span.start, "to": span.end, "part": 0, "parts": 1}
            client.xadd(streams.coverage_key(feed), fields)  # type: ignore[arg-type]
    add(redis_url, _burst())
    assert materialize_day(instance, DAY).success
    metadata = {}
    for table in ("feed_gaps", "feed_coverage"):
        event = instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event is not None and event.asset_materialization is not None
        assert event.asset_materialization.partition == str(DAY)
        metadata[table] = event.asset_materialization.metadata
    assert metadata["feed_coverage"]["dagster/partition_row_count"].value == 3
    assert metadata["feed_coverage"]["coverage okx"].value == pytest.approx(1 / 24)
    assert "| bybit | never collected |" in str(metadata["feed_coverage"]["feeds"].value)
    assert "| okx | 00:00:00 | 11:00:00 | 39,600 | down |  |" in str(metadata["feed_gaps"]["gaps"].value)

    first = _tick(stale_days, instance)
    assert _days(first)[0] == date(2025, 12, 11) and DAY not in _days(first)
    with connect(database_url) as connection:
        coverage.record_heal(connection, "okx", NOON, NOON + 1_000, NOON)
    assert DAY in _days(_tick(stale_days, instance, first.cursor))


def test_the_daily_job_drops_what_settings_no_longer_keep(
    line: tuple[str, str], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url, redis_url = line
    add(redis_url, _burst())
    assert materialize_day(instance, DAY).success
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "1")
    monkeypatch.setenv("LIQ_ROLLUP_RETENTION_DAYS", "0")
    assert defs.resolve_job_def("retention_job").execute_in_process(instance=instance).success
    assert query(database_url, "SELECT count(*) FROM liquidations_raw") == [(0,)]
    assert query(database_url, "SELECT sum(event_count) FROM liquidations_hourly") == [(8,)]
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "0")
    refused = materialize_day(instance, DAY, force=True)
    assert not refused.success and "were dropped by retention" in refused.failures[0]


def test_entries_that_somebody_else_deleted_are_an_error_in_the_log(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    _, redis_url = line
    stream_ids = add(redis_url, _burst())
    with redis.Redis.from_url(redis_url) as client:
        client.xdel(streams.events_key("binance"), *stream_ids[:3])
    run = materialize_day(instance, DAY)
    errors = [log.user_message for log in instance.all_logs(run.run_id) if log.level == logging.ERROR]
    assert [error[:46] for error in errors] == ["entries were deleted from liq:events:binance b"]


def test_no_password_reaches_what_dagster_records(
    line: tuple[str, str], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_url, _ = line
    monkeypatch.setenv("LIQ_DATABASE_URL", f"{database_url}?passfile=/s3cret")
    run = materialize_day(instance, DAY)
    assert run.success
    recorded = instance.get_run_by_id(run.run_id)
    everything = [str(recorded), *(entry.to_json() for entry in instance.all_logs(run.run_id))]
    assert not any("s3cret" in text for text in everything)


def test_a_failed_check_stops_what_is_downstream_stands_for_its_day_and_clears_when_mended(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    database_url, redis_url = line
    add(redis_url, [*_burst(), entry(0, NOON, value_usd="50000", event_id="00000000-0000-0000-0000-000000000001")])
    run = materialize_day(instance, DAY)
    assert not run.success
    assert run.failures == (
        "check liquidations_raw/no_duplicates: 1 of 9 rows of liquidations_raw are repeats",
        "check liquidations_raw/ids_stable: 1 of 9 rows read again are another event to today's parsers",
    )
    assert query(database_url, "SELECT count(*) FROM liquidations") == [(0,)]
    assert standing_failures(instance) == [
        ("liquidations_raw", "ids_stable", str(DAY)),
        ("liquidations_raw", "no_duplicates", str(DAY)),
    ]
    with connect(database_url) as connection:
        connection.execute("DELETE FROM liquidations_raw WHERE event_id = '00000000-0000-0000-0000-000000000001'")
    assert materialize_day(instance, DAY).success
    assert standing_failures(instance) == []


def test_a_day_that_is_up_to_date_is_rewritten_only_by_force(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    database_url, redis_url = line
    add(redis_url, _burst())
    written = []
    for force in (False, False, True):
        assert materialize_day(instance, DAY, force=force).success
        ((times,),) = query(database_url, "SELECT materialization FROM day_state WHERE day = %s", DAY)
        written.append(times)
    assert written == [1, 1, 2]


def test_a_refused_day_is_reported_with_its_reason(
    line: tuple[str, str], instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "10")
    run = materialize_day(instance, DAY)
    assert not run.success
    assert "LIQ_RETENTION_DAYS=10" in run.failures[0]


def _tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"line": Line()})
    result = sensor(context)
    return result if isinstance(result, dg.SensorResult) else dg.SensorResult(run_requests=list(result))


def test_the_collector_is_asked_for_until_one_holds_the_lease(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    _, redis_url = line
    (request, *_) = _tick(collector_sensor, instance).run_requests or []
    assert "rescue" in str(request.run_key)
    with redis.Redis.from_url(redis_url) as client:
        for feed in ("binance", "bybit", "okx"):
            client.set(streams.lease_key(feed), "somebody")
    assert not [r for r in _tick(collector_sensor, instance).run_requests or [] if "rescue" in str(r.run_key)]


def test_a_collector_that_is_starting_is_not_asked_for_again(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    from liq_pipeline.definitions import defs

    instance.create_run_for_job(
        defs.resolve_job_def("collector_job"),
        run_config={"ops": {"collect_shift": {"config": {"until_ms": 0}}}},
        status=dg.DagsterRunStatus.STARTING,
    )
    assert not [r for r in _tick(collector_sensor, instance).run_requests or [] if "rescue" in str(r.run_key)]


def test_a_late_event_makes_its_day_run_again_once(line: tuple[str, str], instance: dg.DagsterInstance) -> None:
    database_url, redis_url = line
    add(redis_url, _burst())
    assert materialize_day(instance, DAY).success
    assert _days(_tick(stale_days, instance)) == []
    add(redis_url, [entry(50, NOON + 5)])
    loader.drain(database_url, redis_url, KEEP)
    first = _tick(stale_days, instance)
    assert _days(first) == [DAY]
    assert _days(_tick(stale_days, instance, first.cursor)) == []


def test_a_day_whose_run_is_under_way_is_asked_for_only_if_that_leaves_it_stale(
    line: tuple[str, str], instance: dg.DagsterInstance
) -> None:
    from liq_pipeline.definitions import defs

    database_url, redis_url = line
    add(redis_url, _burst())
    loader.drain(database_url, redis_url, KEEP)
    job = defs.resolve_job_def("daily_tables")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": str(DAY)})
    before = _tick(stale_days, instance)
    assert _days(before) == []
    instance.report_run_canceled(run)
    assert _days(_tick(stale_days, instance, before.cursor)) == [DAY]


def _days(result: dg.SensorResult) -> list[date]:
    """What was asked for but today: entries that have just landed make today run, too."""
    days = [date.fromisoformat(str(request.partition_key)) for request in result.run_requests or []]
    assert isinstance(json.loads(result.cursor or "{}"), dict)
    return [day for day in days if day != datetime.now(UTC).date()]
