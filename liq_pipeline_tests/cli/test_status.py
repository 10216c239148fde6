"""``liq status`` on real servers: what it counts, and what it calls wrong."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from dagster import DagsterInstance, DagsterRunStatus

from liq_pipeline import streams
from liq_pipeline.cli.dagster_home import has_storage
from liq_pipeline.cli.status_report import gather
from liq_pipeline.definitions import defs
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import coverage, outbox, storage
from liq_pipeline.warehouse.alerting import Incident, open_incident
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline.warehouse.storage import PolicyRun
from liq_pipeline_tests.warehouse.making import KEEP, NOON, add, entry


def _settings(tmp_home: str) -> Settings:
    return KEEP.model_copy(update={"home": tmp_home, "exchanges": ("binance",)})


@pytest.fixture
def dagster_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ["DAGSTER_HOME"] = str(home)
    return str(home)


def test_it_counts_what_waits_and_says_that_nobody_collects(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    migrate(database_url, plain=True)
    add(redis_url, [entry(n, NOON + n) for n in range(3)])
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    assert [(row["stream"], row["entries"], row["uncommitted"]) for row in status.streams] == [
        ("liq:events:binance", 3, 3)
    ]
    assert status.servers["tables"].startswith("plain PostgreSQL")
    assert [problem.split(":")[0] for problem in status.problems] == [
        "nobody collects binance",
        "no live view runs though events arrive",
    ]
    assert {row["day"] for row in status.tables} == {None}


def test_a_full_redis_is_named_before_what_comes_of_it(database_url: str, redis_url: str, dagster_home: str) -> None:
    migrate(database_url, plain=True)
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            problems = gather(_settings(dagster_home), Servers(database_url, redis_url)).problems
        finally:
            client.config_set("maxmemory", 0)
    assert problems[0].startswith("Redis is full and takes nothing: it uses ")
    assert problems[1].startswith("nobody collects binance")


def test_a_backlog_is_shown_and_a_long_one_is_a_problem(database_url: str, redis_url: str, dagster_home: str) -> None:
    migrate(database_url, plain=True)
    add(redis_url, [entry(number) for number in range(3)])
    servers, settings = Servers(database_url, redis_url), _settings(dagster_home)
    for limit, wrong in ((3, False), (2, True)):
        status = gather(settings.model_copy(update={"backlog_entries": limit}), servers)
        assert [(row["stream"], row["uncommitted"]) for row in status.streams] == [("liq:events:binance", 3)]
        assert any("3 entries wait in Redis" in problem and "LIQ_BACKLOG_ENTRIES=2" in problem
                   for problem in status.problems) is wrong  # fmt: skip


def test_a_feed_whose_collector_has_just_begun_is_not_called_never_collected(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    migrate(database_url, plain=True)
    settings, servers = _settings(dagster_home), Servers(database_url, redis_url)
    now = datetime.now(UTC)
    coverage.materialize(database_url, redis_url, now.date(), settings, int(now.timestamp() * 1000))
    assert gather(settings, servers).coverage[0]["coverage"] == "never collected"
    with redis.Redis.from_url(redis_url) as client:
        client.set(streams.lease_key("binance"), "somebody")
    status = gather(settings, servers)
    assert (status.feeds[0]["state"], status.coverage[0]["coverage"]) == ("starting", "not summed yet")
    assert not [problem for problem in status.problems if "binance" in problem]


@pytest.mark.parametrize(("error", "wrong"), [("", False), ("instruments: Name or service not known", True)])
def test_a_feed_that_connects_is_wrong_only_once_something_kept_it_from_it(
    database_url: str, redis_url: str, dagster_home: str, error: str, wrong: bool
) -> None:
    migrate(database_url, plain=True)
    with redis.Redis.from_url(redis_url) as client:
        client.set(streams.lease_key("binance"), "somebody")
        client.hset(streams.feed_key("binance"), mapping={"state": "connecting", "error": error})
    problems = gather(_settings(dagster_home), Servers(database_url, redis_url)).problems
    assert any(error in problem for problem in problems if "binance is connecting" in problem) == wrong


def test_it_shows_what_the_live_view_says_of_itself_and_what_keeps_it_from_its_work(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    now = time.time_ns() // 1_000_000
    said = {"state": "live", "watermark": now - 10_000, "lag_ms": 3, "memory": 7}
    with redis.Redis.from_url(redis_url) as client:
        client.set(streams.lease_key(streams.LIVE), "somebody")
        client.hset("liq:live", mapping={**said, "unrecorded": 5, "database": "is away"})  # type: ignore[arg-type]
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    (row,) = status.live
    assert (row["state"], row["lag_ms"], row["events_in_memory"], row["unrecorded"]) == ("live", 3, 7, 5)
    assert 10 <= row["behind_seconds"] < 60
    assert any("5 records of the live view wait for the database: is away" in problem for problem in status.problems)


def test_a_missing_schema_is_a_problem_and_the_rest_is_still_shown(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    assert any("run `liq up`" in problem for problem in status.problems)
    assert [row["feed"] for row in status.feeds] == ["binance"]


def test_files_of_the_archive_that_cannot_be_imported_are_a_problem(
    database_url: str, redis_url: str, dagster_home: str, tmp_path: Path
) -> None:
    settings = _settings(dagster_home).model_copy(update={"archive_dir": tmp_path})
    servers = Servers(database_url, redis_url)
    (tmp_path / "stray.csv").touch()
    problems = gather(settings, servers).problems
    assert len([problem for problem in problems if "run `liq up`" in problem]) == 1
    migrate(database_url, plain=True)
    (said,) = (problem for problem in gather(settings, servers).problems if "LIQ_ARCHIVE_DIR" in problem)
    assert said.startswith("1 files below LIQ_ARCHIVE_DIR cannot be imported, stray.csv: it is in none of")
    (tmp_path / "stray.csv").unlink()
    assert not any("LIQ_ARCHIVE_DIR" in problem for problem in gather(settings, servers).problems)


def test_asking_makes_no_database_and_says_that_nothing_was_recorded(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    del os.environ["DAGSTER_HOME"]
    migrate(database_url, plain=True)
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    assert any("Dagster has recorded nothing here" in problem for problem in status.problems)
    assert not has_storage(database_url)


def test_a_database_that_is_away_is_one_problem(redis_url: str, dagster_home: str) -> None:
    del os.environ["DAGSTER_HOME"]
    status = gather(_settings(dagster_home), Servers("postgresql://nobody@127.0.0.1:1/none", redis_url))
    assert [problem for problem in status.problems if "start PostgreSQL" in problem] == status.problems[:1]
    assert [row["feed"] for row in status.feeds] == ["binance"]


def test_a_dagster_home_that_cannot_be_opened_is_a_problem_with_the_fix(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    os.environ["DAGSTER_HOME"] = f"{dagster_home}/none"
    migrate(database_url, plain=True)
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    (problem,) = [problem for problem in status.problems if "DAGSTER_HOME" in problem]
    assert "unset DAGSTER_HOME" in problem and "\n" not in problem


def test_sizes_and_policies_are_shown_and_a_failed_policy_is_wrong(
    database_url: str, redis_url: str, dagster_home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = PolicyRun("liquidations_raw", "drop after 90 days", None, "failed", "disk full", None)
    monkeypatch.setattr(storage, "policies", lambda _: [failed])
    migrate(database_url, plain=True)
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    assert {"liquidations_raw", "liquidations_hourly"} <= {row["table"] for row in status.storage}
    assert [
        problem for problem in status.problems if "liquidations_raw (drop after 90 days) failed: disk full" in problem
    ]
    shown = json.loads(json.dumps(asdict(status)))
    assert shown["policies"][0]["outcome"] == "failed" and shown["storage"][0]["bytes"] > 0


def test_incidents_that_stand_and_channels_that_are_down_are_wrong(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    migrate(database_url, plain=True)
    now = datetime.now(UTC)
    with connect(database_url) as connection:
        for key in ("check:liquidations/complete/2025-12-10", "run:daily_tables/2025-12-10"):
            open_incident(connection, Incident(key, now, "ERROR", key, "7 is too few"))
        outbox.register(connection, ["slack-12345678"])
        pending = outbox.Pending("slack-12345678", [], 0, 0, 0)
        outbox.refused(connection, pending, now, "no connection")
    status = gather(_settings(dagster_home), Servers(database_url, redis_url))
    assert {row["what"].partition(":")[0] for row in status.incidents} == {"check", "run"}
    assert [row["channel"] for row in status.channels_down] == ["slack-12345678"]
    assert any("slack-12345678 of LIQ_ALERT_URLS accepts nothing" in problem for problem in status.problems)
    assert any("1 incidents stand beside checks, run:daily" in problem for problem in status.problems)


def test_what_a_feed_covered_of_the_last_hour_is_read_from_its_stream(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    migrate(database_url, plain=True)
    now = time.time_ns() // 1_000_000
    span = {"connection": "a", "from": now - 1_800_000, "to": now, "part": 0, "parts": 1}
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(streams.coverage_key("binance"), span)  # type: ignore[arg-type]
    (feed,) = gather(_settings(dagster_home), Servers(database_url, redis_url)).feeds
    assert 49 < feed["covered_percent"] <= 50


def test_on_plain_postgresql_the_job_that_drops_stands_for_the_policies(
    database_url: str, redis_url: str, dagster_home: str
) -> None:
    migrate(database_url, plain=True)
    servers = Servers(database_url, redis_url)
    (job,) = gather(_settings(dagster_home), servers).policies
    assert (job["does"], job["last_run"], job["outcome"]) == ("retention_job of Dagster", None, None)
    with DagsterInstance.get() as instance:
        instance.create_run_for_job(defs.resolve_job_def("retention_job"), status=DagsterRunStatus.SUCCESS)
    (job,) = gather(_settings(dagster_home), servers).policies
    assert job["last_run"].startswith(f"{datetime.now(UTC):%Y-%m}") and job["outcome"] == "success"
