"""``liq archive``: what it prints, and to whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from liq_pipeline.archive.landing import import_day
from liq_pipeline.settings import load_settings
from liq_pipeline_tests.archive.test_landing import DAY, RECORDING, rows
from liq_pipeline_tests.archive.test_scan import put
from liq_pipeline_tests.cli.running import in_process

Liq = Callable[..., int]


@pytest.fixture
def liq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Liq:
    """Runs `liq archive` with nothing configured but an archive."""
    (tmp_path / "archive").mkdir()
    return in_process(monkeypatch, tmp_path, "archive", LIQ_ARCHIVE_DIR=str(tmp_path / "archive"))


def _urls(name: str, first: str, last: str, *options: str) -> tuple[str, ...]:
    return ("urls", "--format", name, "--from", first, "--to", last, *options)


def test_addresses_go_to_the_pipe_and_the_command_to_the_person(liq: Liq, capsys: pytest.CaptureFixture[str]) -> None:
    assert liq(*_urls("tardis", "2026-01-01", "2026-01-31", "--exchange", "bybit", "--symbols", "BTCUSDT")) == 0
    captured = capsys.readouterr()
    assert captured.out == "https://datasets.tardis.dev/v1/bybit/liquidations/2026/01/01/BTCUSDT.csv.gz\n"
    assert "| wget" not in captured.err
    assert 'wget -N -x -nH -P "$LIQ_ARCHIVE_DIR/tardis" -i -' in captured.err
    assert "30 days are not free" in captured.err


def test_days_that_would_not_be_imported_are_said_before_they_are_downloaded(
    liq: Liq, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "90")
    assert liq(*_urls("binance_vision", "2023-07-01", "2023-07-02", "--symbols", "BTCUSD_PERP")) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4
    assert "2 days would not be imported: the events of 2023-07-01 are beyond LIQ_RETENTION_DAYS=90" in captured.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (_urls("binance_vision", "2023-07-01", "2023-07-02"), "name some, as --symbols"),
        (_urls("binance_vision", "2023-07-02", "2023-07-01"), "exchange them"),
        (_urls("binance_vision", "2025-07-02", "2025-07-03", "--symbols", "BTCUSD_PERP"), "nothing to download"),
        (_urls("binance_vision", "2023-07-01", "2023-07-01", "--all-days"), "are for --format tardis"),
        (_urls("tardis", "2026-01-02", "2026-01-03"), "nothing to download"),
        (_urls("tardis", "2026-01-01", "2026-01-01", "--exchange", "ftx"), "--exchange ftx is not known"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_fix_and_no_address(
    liq: Liq, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    assert liq(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err


def test_the_status_lists_days_and_what_has_to_be_mended(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, warehouse_url: str
) -> None:
    monkeypatch.setenv("LIQ_DATABASE_URL", warehouse_url)
    archive = tmp_path / "archive"
    put(archive, RECORDING, rows("BTC"))
    import_day(archive, DAY, load_settings(), warehouse_url, retry=False)
    put(archive, "forceorder_csv/binance/linear/2023-11-15.csv", "x")
    assert liq("status") == 0
    out = capsys.readouterr().out
    assert f"{archive}: 2 files of 2 days" in out
    put(archive, "stray.csv")
    assert liq("status", "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert [(day["day"], day["files"], day["imported"], day["waiting"]) for day in shown["days"]] == [
        ("2023-11-14", 1, 1, 0),
        ("2023-11-15", 1, 0, 1),
    ]
    assert [path for path, _ in shown["problems"]] == ["stray.csv"]
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "90")
    assert liq("status") == 1
    out = capsys.readouterr().out
    assert "wrong: stray.csv: it is in none of binance_vision/" in out
    assert "1 files are excluded, the first because the events of 2023-11-15 are beyond LIQ_RETENTION_DAYS=90" in out


def test_without_an_archive_the_variable_is_named(
    liq: Liq, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIQ_ARCHIVE_DIR")
    assert liq("status") == 2
    assert "LIQ_ARCHIVE_DIR is not set: set it to the folder" in capsys.readouterr().err


def test_the_help_teaches_the_layout_and_the_way_to_fill_it(liq: Liq, capsys: pytest.CaptureFixture[str]) -> None:
    assert liq("--help") == 0
    out = capsys.readouterr().out
    for taught in ("tardis/v1/<tardis exchange>/liquidations/YYYY/MM/DD/", "forceorder_csv/binance/linear/", "status"):
        assert taught in out
    assert liq("urls", "--help") == 0
    assert "wget -N -x -nH" in capsys.readouterr().out
