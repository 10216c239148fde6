"""``liq doctor``: each thing that can be wrong is found, named, and comes with what mends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from liq_pipeline.doctor import clock, configuration, machine, postgres, redis
from liq_pipeline.doctor.finding import Finding
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.warehouse.making import query

TODAY = date(2025, 12, 10)


def _said(findings: Iterable[Finding], *levels: str) -> list[str]:
    """What is a note or wrong, or of other levels, each with its fix."""
    found = list(findings)
    assert all(finding.fix or ": " in finding.said for finding in found if finding.level != "fine")
    return [f"{item.thing}: {item.said}" for item in found if item.level in (levels or ("note", "wrong"))]


def test_a_variable_that_nobody_reads_is_named_with_what_was_meant() -> None:
    names = ["LIQ_RETENTON_DAYS", "LIQ_HOME", "LIQ_WS_URL_OKX", "LIQ_ALERT_URLS_FILE", "LIQ_SUPERVISED_BY", "PATH"]
    (found,) = configuration.variables(names)
    assert (found.level, found.thing) == ("note", "LIQ_RETENTON_DAYS")
    assert "LIQ_RETENTION_DAYS" in found.fix


def test_channels_are_judged_without_showing_them() -> None:
    settings = load_settings({"LIQ_ALERT_URLS": "json://user:s3cret@example.com/x, s3cret://y"}, None)
    found = list(configuration.alerts(settings))
    assert [finding.level for finding in found] == ["fine", "wrong"]
    assert "number 2" in found[1].said and "s3cret" not in str(found).replace("s3cret-", "")
    assert _said(configuration.alerts(Settings())) == [
        "LIQ_ALERT_URLS: not set: nobody is told when something breaks",
    ]


@pytest.mark.parametrize(
    ("demo", "url", "expected"),
    [
        (False, "wss://proxy.example.com/x?token=s3cret", []),
        (False, "ws://proxy.example.com", ["is not encrypted"]),
        (False, "ws://127.0.0.1:9", ["is on this machine"]),
        (True, "ws://127.0.0.1:9", []),
        (True, "wss://fstream.binance.com", ["real data would mix"]),
    ],
)
def test_a_venue_is_of_the_world_its_home_is_of(demo: bool, url: str, expected: list[str]) -> None:
    settings = Settings(exchanges=("binance",), ws_urls={"binance": url}, rest_urls={"binance": url})
    said = [text for text in _said(configuration.venues(settings, demo)) if "WS_URL" in text]
    assert [part for part in expected if part in said[0]] == expected if said else not expected
    assert "s3cret" not in str(said)


def test_a_venue_with_one_url_of_two_is_worth_a_look() -> None:
    settings = Settings(exchanges=("okx",), ws_urls={"okx": "wss://proxy.example.com"})
    assert _said(configuration.venues(settings, False)) == [
        "okx: has a URL of yours for WS and the venue's own for REST"
    ]


def test_days_that_contradict_each_other_are_found(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "start_date": date(2026, 1, 1),
        "rollup_retention_days": 30,
        "archive_dir": tmp_path / "x",
    }
    assert [text.split(":")[0] for text in _said(configuration.days(Settings(**fields), TODAY))] == [
        "LIQ_START_DATE",
        "LIQ_ROLLUP_RETENTION_DAYS",
        "LIQ_ARCHIVE_DIR",
    ]
    assert _said(configuration.days(Settings(archive_dir=tmp_path), TODAY)) == []


def test_a_folder_of_reports_need_not_be_there_but_it_must_be_possible_to_make_it(tmp_path: Path) -> None:
    assert _said(configuration.days(Settings(report_dir=tmp_path / "new" / "reports"), TODAY)) == []
    (tmp_path / "taken").touch()
    (said,) = _said(configuration.days(Settings(report_dir=tmp_path / "taken" / "reports"), TODAY))
    assert said.startswith("LIQ_REPORT_DIR: nothing can be written to ")


@pytest.mark.parametrize(("free", "level"), [(1 << 29, "wrong"), (2 << 30, "note"), (50 << 30, "fine")])
def test_a_disk_that_runs_full_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = {finding.thing: finding.level for finding in machine.examine(Settings(home=tmp_path / "home"))}
    assert (found["disk"], found["LIQ_HOME"]) == (level, "fine")
    assert not (tmp_path / "home").exists()


def test_a_clock_that_is_off_is_found() -> None:
    now = 1000.0
    assert [finding.level for finding in clock.compared("Redis", now + 0.5, now, now + 1)] == ["fine"]
    assert _said(clock.compared("Redis", now - 90, now, now + 1)) == ["clock: Redis's is 90.0 s behind ours"]
    assert _said(clock.compared("Redis", now + 91, now, now + 1)) == ["clock: Redis's is 90.0 s ahead of ours"]


def test_a_database_that_may_lose_what_it_committed_is_wrong(database_url: str) -> None:
    said = _said(postgres.examine(database_url))
    # The tests' own server is fast, not durable.
    assert "PostgreSQL: fsync or full_page_writes is off: a crash can corrupt everything" in said
    assert "schema: there is none yet" in said
    migrate(database_url, plain=True)
    assert "schema: there is none yet" not in _said(postgres.examine(database_url))
    query(database_url, "UPDATE schema_version SET version = version + 1000")
    assert any("the database is newer" in text for text in _said(postgres.examine(database_url), "wrong"))


def test_a_redis_that_forgets_is_wrong(redis_url: str) -> None:
    assert "Redis: the append-only file is off: a restart loses what the database does not have yet" in _said(
        redis.examine(redis_url)
    )
    full = {"maxmemory": 100, "used_memory": 90, "maxmemory_policy": "allkeys-lru"}
    assert [text.split(" ")[1] for text in _said(redis._memory(full))] == ["maxmemory-policy", "90%"]
    (over,) = redis._memory({"maxmemory": 100, "used_memory": 130, "maxmemory_policy": "noeviction"})
    assert (over.level, over.said.split(":")[0]) == ("wrong", "130% of maxmemory is used")


def test_servers_that_are_away_are_one_line_each() -> None:
    assert len(_said(postgres.examine("postgresql://nobody:s3cret@127.0.0.1:1/none"), "wrong")) == 1
    (said,) = _said(redis.examine("redis://:s3cret@127.0.0.1:1/1"), "wrong")
    assert "start Redis" in said and "s3cret" not in said


def test_the_command_says_all_it_found_and_fails_where_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    liq = in_process(monkeypatch, tmp_path, "doctor")
    assert liq() == 0
    said = capsys.readouterr().out
    assert "note   servers: LIQ_DATABASE_URL is not set" in said and "fine   LIQ_HOME" in said
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("LIQ_CASCADE_MIN_EVENTS", "five")
    assert liq() == 1
    assert "wrong  settings: LIQ_CASCADE_MIN_EVENTS='five'" in capsys.readouterr().out
    monkeypatch.setenv("LIQ_CASCADE_MIN_EVENTS", "5")
    monkeypatch.setattr(
        "liq_pipeline.cli.doctor.locate",
        lambda _: Servers("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/1"),
    )
    assert liq() == 1
    assert capsys.readouterr().out.count("\nwrong") == 2
