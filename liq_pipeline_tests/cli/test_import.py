from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liq_pipeline.imports import blocks
from liq_pipeline.imports.file_import import FileImport
from liq_pipeline_tests.cli.running import in_process

ROW = "BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,{time},1"

Liq = Callable[..., int]


@pytest.fixture
def liq(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Liq:
    """Runs `liq import` with a database and no Redis, which it does without."""
    return in_process(monkeypatch, tmp_path, "import", LIQ_DATABASE_URL=warehouse_url)


def _csv(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "rows.csv"
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)


CSV = ("--exchange", "binance", "--format", "forceorder_csv")


def test_rows_are_accounted_for_and_stale_days_named(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _csv(tmp_path, ROW.format(time=1_700_000_000_000), ROW.format(time=1_700_000_000_000))
    assert liq(path, *CSV) == 0
    out = capsys.readouterr().out
    assert f"{path}: 2 rows read, 1 new, 1 duplicate, 0 rejected" in out
    assert "liq materialize --from 2023-11-14 --to 2023-11-14" in out
    assert "2023-11-14: 1 new rows" in out
    assert liq(path, *CSV) == 0
    out = capsys.readouterr().out
    assert "0 new, 2 duplicate" in out
    assert "stale" not in out


def test_rejected_rows_are_listed_with_their_lines_and_exit_with_1(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert liq(_csv(tmp_path, ROW.format(time=1_700_000_000_000), *["nonsense"] * 25), *CSV) == 1
    out = capsys.readouterr().out
    assert "1 new, 0 duplicate, 25 rejected" in out
    assert "  line 2: 1 columns where forceorder_csv has at least 11" in out
    assert "… and 5 more; all of them are in frames_rejected" in out


def test_excluded_days_are_refused_naming_the_setting_and_exit_with_2(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, warehouse_url: str
) -> None:
    monkeypatch.setenv("LIQ_RETENTION_DAYS", "90")
    path = _csv(tmp_path, ROW.format(time=1_600_000_000_000), ROW.format(time=1_700_000_000_000))
    assert liq(path, *CSV) == 2
    captured = capsys.readouterr()
    assert "2 rows read, 0 new, 0 duplicate, 0 rejected, 2 refused" in captured.out
    assert "LIQ_START_DATE=2023-06-01" in captured.err
    assert "LIQ_RETENTION_DAYS=90 would remove" in captured.err
    assert len(captured.err.splitlines()) == 1
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM liquidations_raw").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--exchange", "binance", "--format", "csv"),
            "'csv' is not a known format; use one of: frames, binance_vision",
        ),
        (("--exchange", "ftx", "--format", "frames"), "--exchange 'ftx' is not known; use binance or bybit or okx"),
        ((*CSV, "--market", "spot"), "--market 'spot' is not known; use linear or inverse"),
        ((*CSV, "--market", "inverse"), "forceorder_csv holds linear contracts of binance"),
        (("--exchange", "binance", "--format", "frames"), "this file looks like forceorder_csv, not frames"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_line(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert liq(_csv(tmp_path, ROW.format(time=1_700_000_000_000)), *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_missing_file_and_an_empty_folder_are_refused(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert liq(str(tmp_path / "none.csv"), *CSV) == 2
    assert "none.csv does not exist" in capsys.readouterr().err
    assert liq(str(tmp_path), *CSV) == 2
    assert "holds no file of the kind" in capsys.readouterr().err


def test_rows_of_the_other_market_are_named_not_landed(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = (
        '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[{"bkLoss":"0","bkPx":"82655.7",'
        '"ccy":"","posSide":"long","side":"sell","sz":"8","ts":"1700000000771"}],"instFamily":"BTC-USD",'
        '"instId":"BTC-USD-SWAP","instType":"SWAP","uly":"BTC-USD"}]}'
    )
    path = _csv(tmp_path, frame)
    assert liq(path, "--exchange", "okx", "--format", "frames") == 0
    out = capsys.readouterr().out
    assert "0 rows read" in out
    assert "1 rows are of the other market: import the file with its --market too" in out
    assert liq(path, "--exchange", "okx", "--format", "frames", "--market", "inverse") == 0
    assert "1 rows read, 1 new" in capsys.readouterr().out


def test_the_help_teaches_formats_and_exit_codes(liq: Liq, capsys: pytest.CaptureFixture[str]) -> None:
    assert liq("--help") == 0
    out = capsys.readouterr().out
    for taught in ("forceorder_csv", '{"received_at"', "1  finished, but some rows were rejected", "2  refused"):
        assert taught in out


def test_several_paths_are_accounted_for_each_and_together(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "folder" / "b.csv"
    second.parent.mkdir()
    first.write_text("\n".join(ROW.format(time=1_700_000_000_000 + index) for index in range(3)))
    second.write_text(ROW.format(time=1_700_000_000_002) + "\n" + ROW.format(time=1_700_100_000_000))
    assert liq(str(first), str(second.parent), str(first), *CSV) == 0
    out = capsys.readouterr().out
    assert f"{first}: 3 rows read, 3 new, 0 duplicate, 0 rejected" in out
    assert f"{second}: 2 rows read, 1 new, 1 duplicate, 0 rejected" in out
    assert "2 files: 5 rows read, 4 new, 1 duplicate, 0 rejected" in out
    assert " rows/s" in out
    assert "2 days are stale until materialized: liq materialize --from 2023-11-14 --to 2023-11-16" in out


def test_a_dry_run_says_so_and_what_would_be(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str], warehouse_url: str
) -> None:
    path = _csv(tmp_path, ROW.format(time=1_700_000_000_000), *["nonsense"] * 25)
    assert liq(path, *CSV, "--dry-run") == 1
    out = capsys.readouterr().out
    assert "26 rows read, 1 new, 0 duplicate, 25 rejected" in out
    assert "a dry run: nothing was landed" in out
    assert "1 days would be stale" in out
    assert "frames_rejected" not in out
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM liquidations_raw").fetchone() == (0,)
    assert liq(path, *CSV, "--dry-run", "--materialize") == 2
    assert "--dry-run makes no day stale" in capsys.readouterr().err


def test_an_import_that_was_interrupted_says_where_it_goes_on(
    liq: Liq, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    path = _csv(tmp_path, *(ROW.format(time=1_700_000_000_000 + index) for index in range(10)))
    land, landed = FileImport.land, []

    def interrupted(*arguments: Any) -> None:
        land(*arguments)
        landed.append(arguments)
        if len(landed) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(FileImport, "land", interrupted)
    assert liq(path, *CSV) == 130
    capsys.readouterr()
    assert liq(path, *CSV) == 0
    out = capsys.readouterr().out
    assert f"{path}: goes on after line 5, where an earlier import was interrupted" in out
    assert f"{path}: 5 rows read, 5 new, 0 duplicate, 0 rejected" in out
