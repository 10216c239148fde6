"""``liq query``: the same answers as the read API's, as people and machines read them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import redis

from liq_pipeline import queries
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.queries.market import BOTH, STRANGE, market, materialize
from liq_pipeline_tests.warehouse.making import DAY, KEEP
from liq_pipeline_tests.warehouse.test_days import land

Run = Callable[..., int]
DAYS = ("--from", "2025-12-10", "--to", "2025-12-11")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, redis_url: str) -> Run:
    return in_process(monkeypatch, tmp_path, "query", LIQ_DATABASE_URL=database_url, LIQ_REDIS_URL=redis_url)


@pytest.fixture(scope="module")
def made_url(postgres_server: str) -> Iterator[str]:
    """A database with two days, only to be asked."""
    with fresh_database(postgres_server) as url:
        migrate(url, plain=True)
        land(url, market())
        materialize(url)
        yield url


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made_url: str) -> Run:
    return in_process(monkeypatch, tmp_path, "query", LIQ_DATABASE_URL=made_url)


def test_every_format_holds_the_same_rows(
    made: Run, made_url: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with queries.connect(KEEP, database_url=made_url) as store:
        expected = queries.cascades(store, BOTH)

    assert made("cascades", *DAYS, "--format", "json") == 0
    of_json = json.loads(capfdbinary.readouterr().out, parse_float=Decimal)
    assert [row["total_value_usd"] for row in of_json] == expected["total_value_usd"].to_list()
    assert [row["symbol"] for row in of_json] == expected["symbol"].to_list()
    assert all(row["cascade_start"].endswith("Z") for row in of_json)

    assert made("cascades", *DAYS, "--format", "csv") == 0
    of_csv = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert [Decimal(row["total_value_usd"]) for row in of_csv] == expected["total_value_usd"].to_list()
    assert [row["symbol"] for row in of_csv] == expected["symbol"].to_list()
    assert [row["exchanges_involved"].split(",") for row in of_csv] == expected["exchanges_involved"].to_list()

    assert made("cascades", *DAYS, "--format", "parquet") == 0
    assert pl.read_parquet(capfdbinary.readouterr().out).equals(expected)
    for name in ("all.parquet", "all.csv", "all.json"):
        assert made("cascades", *DAYS, "--out", tmp_path / name) == 0
    assert pl.read_parquet(tmp_path / "all.parquet").equals(expected)
    assert len((tmp_path / "all.csv").read_text().splitlines()) == len(expected) + 1
    assert {path.name for path in tmp_path.iterdir()} == {"all.parquet", "all.csv", "all.json"}

    assert made("cascades", *DAYS) == 0
    table = capfdbinary.readouterr().out.decode()
    assert all(symbol in table for symbol in expected["symbol"])
    assert all(f"{usd:,.0f}" in table for usd in expected["total_value_usd"])
    assert "UTC" in table


def test_options_choose_what_is_asked(made: Run, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--day", DAY, "--symbol", STRANGE, "--side", "long", "--min-usd", "1,000", "--limit", 2)
    assert made("significant", *options, "--format", "json") == 0
    output = capsys.readouterr()
    rows = json.loads(output.out)
    assert [(row["symbol"], row["side"]) for row in rows] == [(STRANGE, "LONG")] * 2
    assert "there may be more than 2 rows" in output.err


def test_an_empty_answer_is_no_error_and_says_why(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cascades", "--day", DAY) == 0
    assert "The database holds no tables yet" in capsys.readouterr().err
    assert run("gaps", "--day", DAY, "--format", "json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out) == []
    assert "No gap is known there" in output.err
    assert run("active-cascades") == 0
    assert "No live view runs" in capsys.readouterr().err


def test_what_happens_now_is_asked_of_redis(run: Run, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with redis.Redis.from_url(redis_url) as client:
        values = {"count": 3, "total_value": "1.5", "total_quantity": "1", "first_seen": 0, "last_seen": 0}
        client.hset(f"liq:levels:{STRANGE}:100:LONG", mapping=values)
    assert run("price_levels", "--symbol", STRANGE, "--format", "csv") == 0
    assert f"{STRANGE},100.0,LONG,3,1.500000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cascade",), "perhaps you mean cascades"),
        (("hourly", "--limit", "3"), "hourly takes no --limit: it takes --hours"),
        (("feeds", "--day", "2025-12-10"), "feeds takes no --day: it takes no options but"),
        (("price_levels_history",), "needs --symbol"),
        (("cascades", "--hours", "3", "--day", "2025-12-10"), "--hours and --day exclude each other"),
        (("cascades", "--to", "2025-12-10"), "--to needs --from"),
        (("cascades", "--from", "2025-12-10", "--to", "2025-12-09"), "before it starts"),
        (("cascades", "--hours", "nan"), "nan hours before"),
        (("cascades", "--day", "0001-01-01"), "0001-01-01 is too far away"),
        (("cascades", "--day", "9999-12-31"), "9999-12-31 is too far away"),
        (("significant", "--limit", str(10**20)), "is not in the range"),
        (("significant", "--min-usd", "much"), "write 250000"),
        (("gaps", "--out", "no/folder/at.csv"), "name a file in a folder that can be written"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_fix(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_parquet_is_not_written_on_a_terminal(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run("gaps", "--format", "parquet") == 2
    assert "add --out FILE" in capsys.readouterr().err


def test_a_table_of_a_narrow_terminal_says_what_it_leaves_out(
    made: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert made("cascades", *DAYS) == 0
    output = capsys.readouterr()
    assert max(map(len, output.out.splitlines())) <= 80
    assert "too wide to show cascade_id" in output.err


def test_alone_it_lists_the_queries_and_columns_describes_one(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in queries.QUERIES)
    for name, columns in queries.COLUMNS.items():
        assert run(name, "--columns") == 0
        described = capsys.readouterr().out
        assert all(column.name in described for column in columns)
