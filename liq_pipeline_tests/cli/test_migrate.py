"""``liq migrate`` as people use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from liq_pipeline.warehouse.migrate import migrate, required_version
from liq_pipeline_tests.cli.running import in_process
from liq_pipeline_tests.warehouse.making import entry, query
from liq_pipeline_tests.warehouse.test_days import land

Liq = Callable[..., int]


@pytest.fixture
def liq(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Liq:
    """Runs `liq migrate` with a database and no Redis."""
    return in_process(monkeypatch, tmp_path, "migrate", LIQ_DATABASE_URL=database_url)


def test_it_makes_the_schema_and_says_what_it_is(liq: Liq, capsys: pytest.CaptureFixture[str]) -> None:
    assert liq() == 0
    out = capsys.readouterr().out
    assert out.startswith(f"schema version {required_version()}: ") and "liq_reader reads" in out


def test_it_moves_a_plain_database_once_and_counts_its_rows(
    liq: Liq, database_url: str, timescaledb_version: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    migrate(database_url, plain=True)
    land(database_url, [entry(number) for number in range(3)])
    assert liq() == 0
    assert "plain PostgreSQL" in capsys.readouterr().out
    assert liq("--to-timescaledb") == 0
    moved = capsys.readouterr()
    assert "liquidations_raw: 3 rows" in moved.out and f"TimescaleDB {timescaledb_version}" in moved.out
    assert "every row is there" in moved.err
    # The policies of the settings come with it.
    compressed = "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'"
    assert query(database_url, f"{compressed} AND hypertable_name = 'liquidations_raw'") == [(1,)]
    assert liq("--to-timescaledb") == 0
    assert "is on TimescaleDB already" in capsys.readouterr().err


def test_a_server_without_timescaledb_is_one_line_with_the_fix(
    liq: Liq, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database_url, plain=True)
    monkeypatch.setattr("liq_pipeline.warehouse.migrate.offer_timescaledb", lambda *_: False)
    assert liq("--to-timescaledb") == 2
    err = capsys.readouterr().err
    assert "shared_preload_libraries" in err and "nothing was moved" in err
