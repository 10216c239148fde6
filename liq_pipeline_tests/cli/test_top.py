"""`liq top --once` and `--json`: one picture, one document, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.warehouse.making import KEEP


def test_without_a_terminal_it_prints_one_picture_that_says_what_is_away(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("liq:hour:binance:LONG", mapping={"count": 12, "total_value": "1250000.5"})
        client.set(streams.lease_key("binance"), "somebody")
        client.hset(streams.feed_key("binance"), mapping={"state": "silent", "error": "no frame for 30 s"})
    run = in_process(
        monkeypatch, tmp_path, "top", LIQ_REDIS_URL=redis_url, LIQ_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"
    )
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:4] == ["binance", "12", "1.25M", "█" * 12] for line in lines)
    text = "\n".join(lines)
    for said in (
        "binance: no frame for 30 s",
        "no live view runs ever",
        "database: PostgreSQL at 127.0.0.1",
        "real exch",
    ):
        assert said in text
    assert run("--once", "--width", "200") == 0
    assert "start PostgreSQL" in capsys.readouterr().out


def test_json_has_what_the_database_says_too(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = in_process(monkeypatch, tmp_path, "top", LIQ_REDIS_URL=redis_url, LIQ_DATABASE_URL=database_url)
    migrate(database_url, plain=True)
    began = time.time() * 1000
    assert run("--json", "--symbol", "XUSDT") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["tables"] == {"error": "", "incidents": [], "materialized_at": None, "stale_days": 0}
    assert document["moment"]["time"] > began - 60_000
    assert [feed["feed"] for feed in document["moment"]["feeds"]] == list(KEEP.exchanges)
    assert (document["demo"], document["moment"]["symbol"]) == (False, "XUSDT")


def test_no_redis_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(monkeypatch, tmp_path, "top")("--once") == 2
    assert "start them with `liq up`" in capsys.readouterr().err
    run = in_process(monkeypatch, tmp_path, "top", LIQ_REDIS_URL="redis://127.0.0.1:1/1")
    assert run("--json") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("liq: Redis at 127.0.0.1 port 1") and said.err.count("\n") == 1


def test_it_starts_without_what_it_does_not_need() -> None:
    heavy = "{'dagster', 'polars', 'matplotlib'} & set(sys.modules)"
    program = f"import sys, liq_pipeline.cli.top; print({heavy})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
