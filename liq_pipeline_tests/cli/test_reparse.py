from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from liq_pipeline_tests.cli.running import in_process

ROW = "BTC,{side},LIMIT,IOC,1,100,101.5,FILLED,1,1,1700000000000,1\n"
DAY = ("--from", "2023-11-14", "--to", "2023-11-14")

Liq = Callable[..., int]


@pytest.fixture
def liq(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Liq:
    """Runs `liq` with a database, which holds one row, and no Redis."""
    run = in_process(monkeypatch, tmp_path, LIQ_DATABASE_URL=warehouse_url)
    (tmp_path / "row.csv").write_text(ROW.format(side="SELL"))
    assert run("import", "row.csv", "--exchange", "binance", "--format", "forceorder_csv") == 0
    return run


def _sides(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [side for (side,) in connection.execute("SELECT side FROM liquidations_raw").fetchall()]


def test_what_changed_is_counted_by_day_and_the_next_step_named(
    liq: Liq, warehouse_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("UPDATE liquidations_raw SET side = 'SHORT'")
    capsys.readouterr()
    assert liq("reparse", *DAY, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "1 days would be stale: 2023-11-14" in out and "nothing was changed" in out
    assert _sides(warehouse_url) == ["SHORT"]
    assert liq("reparse", *DAY) == 0
    out = capsys.readouterr().out
    assert ["2023-11-14", "1", "1", "0", "0"] in [line.split() for line in out.splitlines()]
    assert "liq materialize --from 2023-11-14 --to 2023-11-14" in out
    assert _sides(warehouse_url) == ["LONG"]
    assert liq("reparse", "--from", "2023-11-12", "--to", "2023-11-15", "--exchange", "binance") == 0
    out = capsys.readouterr().out
    assert "no day changed" in out
    assert "3 of 4 days hold no rows" in out and "2023-11-13" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2023-11-15", "--to", "2023-11-14"), "exchange them"),
        (("--from", "2019-11-14", "--to", "2023-11-14"), "LIQ_START_DATE=2023-06-01"),
        ((*DAY, "--exchange", "mtgox"), "'mtgox' is not one of 'binance', 'bybit', 'okx'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    liq: Liq, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert liq("reparse", *arguments) == 2
    assert said in capsys.readouterr().err
