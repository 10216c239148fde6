"""``liq heal`` against a real database and an exchange on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from liq_pipeline.embedded.demo import venues_file
from liq_pipeline.embedded.home import Home
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.healing.okx import frame, serving
from liq_pipeline_tests.warehouse.making import query, utc

HOUR = 3_600_000


@pytest.fixture
def heal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, redis_url: str
) -> Callable[..., Callable[..., int]]:
    migrate(database_url, plain=True)

    def with_url(url: str, **variables: str) -> Callable[..., int]:
        return in_process(
            monkeypatch, tmp_path, "heal", LIQ_DATABASE_URL=database_url, LIQ_REDIS_URL=redis_url,
            LIQ_REST_URL_OKX=url, LIQ_SYMBOLS="BTCUSDT", **variables,
        )  # fmt: skip

    return with_url


def test_a_gap_is_filled_and_the_command_says_so(
    heal: Callable[..., Callable[..., int]], database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.time_ns() // 1_000_000 - 5 * HOUR
    with serving() as venue:
        run = heal(venue.rest_url)
        assert run() == 0
        assert "okx: no gap that its history could fill" in capsys.readouterr().out
        insert = "INSERT INTO feed_gaps (exchange, started_at, ended_at, reason) VALUES ('okx', %s, %s, 'down')"
        query(database_url, insert, utc(start), utc(start + HOUR))
        venue.published([frame(start - 1), frame(start)])
        assert run() == 0
        said = capsys.readouterr().out
        assert "landed 1 of gaps and 0 besides" in said
        assert "  healed: " in said and ", 3,600.0 s" in said
        today = f"{utc(start + 5 * HOUR):%Y-%m-%d}"
        assert run("--from", today, "--to", today) == 0


def test_beside_a_demo_its_own_exchanges_are_asked(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrate(database_url, plain=True)
    home = Home.prepare(tmp_path / "home")
    home.mark_demo()
    run = in_process(monkeypatch, tmp_path, "heal", LIQ_DATABASE_URL=database_url, LIQ_REDIS_URL=redis_url)
    with serving() as venue:
        assert run() == 2
        assert "would come from the real exchange" in capsys.readouterr().err
        listening = {"LIQ_WS_URL_OKX": "ws://127.0.0.1:9", "LIQ_REST_URL_OKX": venue.rest_url}
        venues_file(home).write_text(json.dumps(listening))
        assert run() == 0
        assert "okx: no gap that its history could fill" in capsys.readouterr().out
        today = f"{utc(time.time_ns() // 1_000_000):%Y-%m-%d}"
        assert run("--from", today, "--to", today) == 0


def test_what_cannot_be_asked_is_named_and_is_a_failure(
    heal: Callable[..., Callable[..., int]], capsys: pytest.CaptureFixture[str]
) -> None:
    run = heal("http://127.0.0.1:9")
    assert run("--from", "2026-01-01", "--to", "2026-01-02") == 1
    assert run("--exchange", "bybit") == 1
    assert run("--from", "2026-01-02") == 2
    assert run("--exchange", "nasdaq") == 2
    assert heal("http://127.0.0.1:9", LIQ_EXCHANGES="bybit")() == 2
    said = capsys.readouterr().err
    assert "the venue keeps its history for 7 days" in said
    assert "bybit publishes no history" in said
    assert "names no exchange that publishes its history; okx, okx:inverse do" in said
