"""What becomes an incident: from real runs of a real Dagster instance to what a real channel receives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import redis
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from liq_pipeline import streams
from liq_pipeline.dagster_defs.alerts import alerts
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.event_log import RunEnded
from liq_pipeline.dagster_defs.incidents import State, incidents, look, to_repeat
from liq_pipeline.dagster_defs.interrupted import end_interrupted_runs
from liq_pipeline.dagster_defs.recorded import failing_sensors
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.alerting import standing
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.fakes.channels import webhook
from liq_pipeline_tests.warehouse.making import add, entry, query

DAY = "2026-11-05"
DAILY = dg.DailyPartitionsDefinition("2026-11-01")


class Scripted:
    """What the next run is to do."""

    passes = True
    severity = dg.AssetCheckSeverity.ERROR
    fails = ""
    error: type[Exception] = ValueError


@dg.asset(partitions_def=DAILY)
def table() -> None:
    if Scripted.fails:
        raise Scripted.error(Scripted.fails)


@dg.asset_check(asset=table, partitions_def=DAILY, blocking=True)
def complete() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=Scripted.passes,
        severity=Scripted.severity,
        description="all 7 rows" if Scripted.passes else "7 is too few",
        metadata={"rows": 7, "worst": dg.MetadataValue.md("| a |\n|---|\n| b |"), "day": DAY},
    )


@dg.asset(partitions_def=DAILY, deps=[table])
def downstream() -> None:
    return None


DEFINITIONS = dg.Definitions(
    [table, downstream],
    asset_checks=[complete],
    jobs=[dg.define_asset_job("daily_tables", selection="*")],
    executor=dg.in_process_executor,
)


class Watch:
    """The sensor's look, at a time of our choosing, on an instance, a database and a Redis of the test."""

    def __init__(self, instance: dg.DagsterInstance, database_url: str, redis_url: str) -> None:
        self.instance, self.database_url, self.redis_url = instance, database_url, redis_url
        self.settings = Settings(exchanges=("binance",))
        self.state: State | None = None
        self.interrupted: list[RunEnded] = []
        self.look()

    def look(self, later: float = 3) -> list[tuple[str, str, str]]:
        """Key, kind and severity of what is told ``later`` seconds from now."""
        (before,) = query(self.database_url, "SELECT coalesce(max(id), 0) FROM alert_messages")
        with connect(self.database_url) as connection:
            state, self.interrupted = look(
                self.instance, connection, self.settings, self.redis_url, self.state, time.time() + later
            )
        self.state = json.loads(json.dumps(state))
        rows = query(
            self.database_url, "SELECT key, kind, severity FROM alert_messages WHERE id > %s ORDER BY id", *before
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]

    def run(self, *, passes: bool = True, fails: str = "", severity: str = "ERROR", day: str = DAY) -> str:
        Scripted.passes, Scripted.fails, Scripted.severity = passes, fails, dg.AssetCheckSeverity(severity)
        job = DEFINITIONS.resolve_job_def("daily_tables")
        return job.execute_in_process(instance=self.instance, partition_key=day, raise_on_error=False).run_id

    def standing(self) -> list[str]:
        with connect(self.database_url) as connection:
            return [incident.key for incident in standing(connection)]


@pytest.fixture(scope="module")
def incidents_url(postgres_server: str) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        migrate(url, plain=True)
        yield url


@pytest.fixture
def watch(incidents_url: str, redis_url: str) -> Iterator[Watch]:
    query(incidents_url, "TRUNCATE incidents, alert_messages, alert_channels, cascade_alerts")
    with redis.Redis.from_url(redis_url) as client, dg.DagsterInstance.ephemeral() as instance:
        client.mset({streams.lease_key(name): "somebody" for name in ("binance", streams.LIVE)})
        yield Watch(instance, incidents_url, redis_url)


CHECK = f"check:table/complete/{DAY}"
RUN = f"run:daily_tables/{DAY}"


def test_a_failed_check_is_one_incident_and_the_run_it_stopped_is_none(watch: Watch) -> None:
    watch.run(passes=False)
    assert watch.look() == [(CHECK, "broke", "ERROR")]
    watch.run(passes=False)
    assert watch.look(10) == []
    watch.run()
    assert watch.look(20) == []
    assert watch.standing() == []
    assert watch.look(700) == [(CHECK, "healed", "ERROR")]


def test_a_warning_is_told_as_one_unless_only_errors_are_wanted(watch: Watch) -> None:
    watch.run(passes=False, severity="WARN")
    assert watch.look() == [(CHECK, "broke", "WARN")]
    watch.settings = watch.settings.model_copy(update={"alert_severity": "error"})
    watch.run(passes=False, severity="WARN", day="2026-11-06")
    assert watch.look() == []
    assert watch.standing() == [CHECK, "check:table/complete/2026-11-06"]


def test_what_a_message_needs_is_in_the_outbox(watch: Watch) -> None:
    run_id = watch.run(passes=False)
    watch.look()
    ((subject, text, links, day),) = query(watch.database_url, "SELECT subject, text, links, day FROM alert_messages")
    assert (subject, text, str(day)) == (f"table/complete of {DAY}", "7 is too few (seen: rows 7)", DAY)
    assert links == [
        "/assets/table?view=checks&checkDetail=complete",
        f"/assets/table?view=partitions&partition={DAY}",
        f"/runs/{run_id}",
    ]


def test_a_failed_run_is_told_with_its_reason_and_heals_with_a_later_run_of_the_same_day(watch: Watch) -> None:
    watch.run(fails="disk full")
    assert watch.look() == [(RUN, "broke", "ERROR")]
    assert query(watch.database_url, "SELECT subject, text FROM incidents") == [
        (f"run of daily_tables of {DAY}", "table: ValueError: disk full")
    ]
    watch.run(day="2026-11-06")
    watch.look(10)
    assert watch.standing() == [RUN]
    watch.run()
    watch.look(20)
    assert watch.standing() == []
    assert watch.look(700) == [(RUN, "healed", "ERROR")]


def test_a_run_of_a_day_that_may_not_be_made_is_no_incident(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scripted, "error", DayRefusedError)
    watch.run(fails=f"the events of {DAY} are beyond LIQ_RETENTION_DAYS=7")
    assert watch.look() == []
    assert watch.standing() == []


def test_a_run_that_dagster_gave_up_is_told_with_what_it_noted_of_it(watch: Watch) -> None:
    job = DEFINITIONS.resolve_job_def("daily_tables")
    run = watch.instance.create_run_for_job(job, tags={"dagster/partition": DAY})
    watch.instance.report_engine_event("It took longer than 120 seconds to start.", run)
    watch.instance.report_run_failed(run)
    watch.instance.report_engine_event("Ignoring a worker that started after the end.", run)
    assert watch.look() == [(RUN, "broke", "ERROR")]
    assert query(watch.database_url, "SELECT text FROM incidents") == [("It took longer than 120 seconds to start.",)]


def test_a_click_on_materialize_that_failed_heals_with_the_days_own_run(watch: Watch) -> None:
    Scripted.fails = "disk full"
    dg.materialize([table], instance=watch.instance, partition_key=DAY, raise_on_error=False)
    ((key, kind, _),) = watch.look()
    assert kind == "broke" and key.endswith(f"/{DAY}") and key != RUN
    watch.run()
    watch.look(10)
    # Dagster calls the job of a click __ASSET_JOB; that of dg.materialize has a name of its own.
    query(watch.database_url, "UPDATE incidents SET key = %s", f"run:__ASSET_JOB/{DAY}")
    watch.run()
    watch.look(20)
    assert watch.standing() == []


def test_the_history_is_not_told(watch: Watch) -> None:
    watch.run(passes=False)
    watch.state = None
    assert watch.look() == []
    assert watch.look(10) == []


def test_an_event_that_has_just_been_written_waits_for_its_neighbours(watch: Watch) -> None:
    watch.run(passes=False)
    assert watch.look(0) == []
    assert watch.look(3) == [(CHECK, "broke", "ERROR")]


def test_a_burst_is_read_in_parts_and_none_of_it_is_lost(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liq_pipeline.dagster_defs.incidents._RECORDS_A_TICK", 2)
    days = [f"2026-11-{day:02}" for day in range(1, 5)]
    for day in days:
        watch.run(passes=False, day=day)
    told = [item for n in range(6) for item in watch.look(3 + n)]
    assert told == [(f"check:table/complete/{day}", "broke", "ERROR") for day in days]


def _interrupt(watch: Watch, day: str = DAY) -> str:
    """A run whose process is gone, as the next start finds it."""
    job = DEFINITIONS.resolve_job_def("daily_tables")
    tags = {"dagster/partition": day} if day else {}
    run = watch.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert end_interrupted_runs(watch.instance) == 1
    return run.run_id


def test_an_interrupted_run_is_repeated_and_no_news_if_that_succeeds(watch: Watch) -> None:
    run_id = _interrupt(watch)
    assert watch.look() == []
    (request,) = to_repeat(watch.instance, watch.interrupted)
    assert (request.run_key, request.partition_key) == (f"interrupted:{run_id}", DAY)
    watch.run()
    assert to_repeat(watch.instance, watch.interrupted) == []
    watch.look(10)
    assert watch.look(5000) == []
    assert watch.standing() == []


def test_an_interrupted_run_is_told_if_its_repetition_does_not_succeed_in_time(watch: Watch) -> None:
    _interrupt(watch)
    watch.look()
    assert watch.look(800) == []
    assert watch.look(910) == [(RUN, "broke", "ERROR")]


def test_an_interrupted_run_of_no_day_is_left_to_its_schedule(watch: Watch) -> None:
    _interrupt(watch, day="")
    assert watch.look() == []
    assert to_repeat(watch.instance, watch.interrupted) == []
    assert watch.look(5000) == []


def test_a_run_ended_by_a_signal_counts_as_interrupted(watch: Watch) -> None:
    from dagster._core.errors import DagsterExecutionInterruptedError

    @dg.op
    def stopped() -> None:
        raise DagsterExecutionInterruptedError

    @dg.job
    def some_job() -> None:
        stopped()

    with pytest.raises(DagsterExecutionInterruptedError):
        some_job.execute_in_process(instance=watch.instance, tags={"dagster/partition": DAY})
    assert watch.look() == []
    assert [run.partition for run in watch.interrupted] == [DAY]


def test_a_collector_that_cannot_stay_up_is_one_incident(watch: Watch) -> None:
    @dg.op
    def collect_shift() -> None:
        raise ValueError("no route to host")

    @dg.job(name="collector_job")
    def collector() -> None:
        collect_shift()

    for _ in range(2):
        collector.execute_in_process(instance=watch.instance, raise_on_error=False)
    assert watch.look() == []
    collector.execute_in_process(instance=watch.instance, raise_on_error=False)
    assert watch.look(10) == [("collector", "broke", "ERROR")]
    ((text,),) = query(watch.database_url, "SELECT text FROM incidents")
    assert text.startswith("cannot stay up: 3 runs failed within 10 minutes; the last failed run: collect_shift:")
    assert "no route to host" in text
    watch.look(700)
    assert watch.standing() == []
    assert watch.look(1400) == [("collector", "healed", "ERROR")]


def test_a_lease_that_nobody_holds_is_the_same_incident(watch: Watch) -> None:
    with redis.Redis.from_url(watch.redis_url) as client:
        client.delete(streams.lease_key("binance"), streams.lease_key(streams.LIVE))
    told = [item for seconds in range(10, 170, 50) for item in watch.look(seconds)]
    assert told == [("collector", "broke", "ERROR"), ("live", "broke", "ERROR")]
    said = query(watch.database_url, "SELECT subject, text FROM incidents ORDER BY key")
    assert [subject for subject, _ in said] == ["the collector", "the live view"]
    assert "nobody holds the lease of binance" in said[0][1]


def test_the_check_of_the_same_leases_is_no_incident_of_its_own(watch: Watch) -> None:
    for asset, check in (("liq_events", "collected"), ("exchanges/binance", "alive")):
        key = dg.AssetKey(asset.split("/"))
        evaluation = dg.AssetCheckEvaluation(asset_key=key, check_name=check, passed=False, metadata={})
        watch.instance.report_runless_asset_event(evaluation)
    assert watch.look() == [("check:exchanges/binance/alive/", "broke", "ERROR")]
    ((subject, links),) = query(watch.database_url, "SELECT subject, links FROM incidents")
    assert (subject, links) == (
        "exchanges/binance/alive",
        ["/assets/exchanges/binance?view=checks&checkDetail=alive"],
    )


def test_a_backlog_is_told_once_when_it_grows_and_once_when_it_has_drained(watch: Watch) -> None:
    add(watch.redis_url, [entry(number) for number in range(3)])
    told = []
    for seconds, limit in ((10, 2), (70, 2), (130, 2), (190, 9), (800, 9), (1500, 9)):
        found = freshness.evaluate(Settings(backlog_entries=limit), watch.database_url, watch.redis_url)
        (finding,) = [item for item in found if item.check == "backlog"]
        watch.instance.report_runless_asset_event(freshness.evaluation(finding))
        told += watch.look(seconds)
    assert told == [("check:liq_events/backlog/", "broke", "WARN"), ("check:liq_events/backlog/", "healed", "WARN")]


def test_a_redis_that_is_away_is_why_nobody_is_known_to_collect(watch: Watch) -> None:
    watch.redis_url = "redis://127.0.0.1:1/1"
    for seconds in range(10, 200, 50):
        watch.look(seconds)
    ((text,), _) = query(watch.database_url, "SELECT text FROM incidents ORDER BY key")
    assert "Redis cannot say whether a collector runs" in text


def test_a_cascade_that_reached_a_level_is_a_notice(watch: Watch) -> None:
    now = datetime.now(UTC)
    statement = (
        "INSERT INTO cascade_alerts (at, symbol, kind, level, cascade_id, cascade_start, cascade_end, event_count,"
        " total_value_usd, risk, exchanges) VALUES (%s, 'BTCUSDT', %s, %s,"
        " '00000000-0000-0000-0000-000000000001', '2026-11-05 12:00:00Z', '2026-11-05 12:01:05Z', 314, 12345678.9,"
        " 0.87, '{binance,bybit}')"
    )
    for at, kind, level in ((now, "usd", 10_000_000), (now, "risk", 0.85), (now - timedelta(days=2), "usd", 1)):
        query(watch.database_url, statement, at, kind, level)
    assert [kind for _, kind, _ in watch.look()] == ["notice", "notice"]
    assert watch.look(10) == []
    said = query(watch.database_url, "SELECT subject, text, links FROM alert_messages ORDER BY id")
    assert [subject for subject, *_ in said] == [
        "BTCUSDT cascade above 10,000,000 USD",
        "BTCUSDT cascade above risk 0.85",
    ]
    assert said[0][1] == (
        "12,345,679 USD in 314 liquidations from 12:00:00 to 12:01:05 UTC on binance, bybit, risk 0.87"
    )
    assert said[0][2] == ["/assets/liquidation_cascades?view=partitions&partition=2026-11-05"]


def test_the_two_sensors_bring_a_failed_check_to_a_channel_once(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQ_DATABASE_URL", watch.database_url)
    monkeypatch.setenv("LIQ_REDIS_URL", watch.redis_url)
    monkeypatch.setenv("LIQ_EXCHANGES", "binance")
    monkeypatch.setattr("liq_pipeline.dagster_defs.event_log._SETTLED_SECONDS", 0)
    with webhook() as hook:
        monkeypatch.setenv("LIQ_ALERT_URLS", hook.url)
        cursor = None

        def tick() -> None:
            nonlocal cursor
            context = dg.build_sensor_context(instance=watch.instance, cursor=cursor, resources={"line": Line()})
            cursor = incidents(context).cursor
            alerts(dg.build_sensor_context(instance=watch.instance, resources={"line": Line()}))

        tick()
        watch.run(passes=False)
        tick()
        tick()
    (message,) = hook.received
    assert message["title"] == f"liq: ERROR: table/complete of {DAY}"
    assert "7 is too few (seen: rows 7)" in message["message"]
    assert f"http://127.0.0.1:3000/assets/table?view=partitions&partition={DAY}" in message["message"]


def test_a_sensor_that_fails_is_found_until_its_next_tick_succeeds() -> None:
    with dg.instance_for_test() as instance:
        _tick_and_find(instance)


def _tick_and_find(instance: dg.DagsterInstance) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("liq_pipeline"), "__repository__")

    def tick(name: str, status: TickStatus, error: Exception | None = None) -> None:
        origin = RemoteInstigatorOrigin(repository, name)
        kind = InstigatorType.SENSOR
        state = InstigatorState(origin, kind, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData())
        if instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
            instance.add_instigator_state(state)
        info = SerializableErrorInfo(f"ValueError: {error}\n", [], "ValueError") if error else None
        ids = (state.instigator_origin_id, name, kind, status, time.time(), [])
        instance.create_tick(TickData(*ids, error=info, selector_id=state.selector_id))

    tick("stale_days", TickStatus.SKIPPED)
    tick("a sensor of yesterday", TickStatus.FAILURE, ValueError("gone"))
    tick("incidents", TickStatus.FAILURE, ValueError("no such thing"))
    tick("incidents", TickStatus.STARTED)
    assert failing_sensors(instance) == [("incidents", "ValueError: no such thing")]
    tick("incidents", TickStatus.SUCCESS)
    assert failing_sensors(instance) == []
