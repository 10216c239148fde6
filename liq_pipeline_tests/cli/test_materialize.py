"""``liq materialize``: its refusals, and a range of days recorded in Dagster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import psycopg
import pytest
from psycopg import sql

from liq_pipeline.cli.dagster_home import storage_name
from liq_pipeline.cli.materialize import _days
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import liq, short_lived_home
from liq_pipeline_tests.warehouse.making import add, entry, query

TODAY = datetime.now(UTC).date()


def test_a_range_holds_both_ends() -> None:
    assert _days(date(2026, 1, 30), date(2026, 2, 1), Settings()) == [
        date(2026, 1, 30),
        date(2026, 1, 31),
        date(2026, 2, 1),
    ]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (TODAY, TODAY - timedelta(days=1), "is after --to"),
        (date(2020, 1, 1), TODAY, "LIQ_START_DATE=2020-01-01"),
        (TODAY, TODAY + timedelta(days=2), "has not begun"),
    ],
)
def test_a_range_that_cannot_be_is_refused_with_the_fix(first: date, last: date, text: str) -> None:
    with pytest.raises(click.UsageError, match=text):
        _days(first, last, Settings())


@pytest.fixture
def home(database_url: str) -> Iterator[Path]:
    """A home, and a schema whose Dagster storage is dropped in the end."""
    migrate(database_url, plain=True)
    with short_lived_home() as folder:
        yield folder
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(storage_name(database_url))
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def test_a_day_that_is_refused_does_not_stop_the_others_and_all_are_recorded(
    home: Path, database_url: str, redis_url: str
) -> None:
    yesterday = int(datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC).timestamp() * 1000) - 3_600_000
    add(redis_url, [entry(n, yesterday + n * 100, value_usd="50000") for n in range(8)])
    settings = {
        "LIQ_HOME": str(home),
        "LIQ_DATABASE_URL": database_url,
        "LIQ_REDIS_URL": redis_url,
        "LIQ_RETENTION_DAYS": "1",
    }
    first, last = str(TODAY - timedelta(days=2)), str(TODAY - timedelta(days=1))
    answer = liq("materialize", "--from", first, "--to", last, **settings)
    assert (answer.returncode, answer.stdout) == (1, "1 days materialized, 1 failed\n")
    assert f"{first}: detection" in answer.stderr and "LIQ_RETENTION_DAYS=1" in answer.stderr.replace("\n", " ")
    assert query(database_url, "SELECT count(*), sum(event_count)::int FROM liquidation_cascades") == [(1, 8)]
    status = liq("status", "--json", **settings)
    assert status.returncode == 1
    recorded = {row["table"]: row["day"] for row in json.loads(status.stdout)["tables"]}
    assert recorded["liquidation_exchange_comparison"] == recorded["liquidation_cascades"] == last


def test_an_import_materializes_the_days_it_makes_stale(
    home: Path, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    midnight = int(datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC).timestamp() * 1000) - 86_400_000
    path = tmp_path / "rows.csv"
    rows = [f"BTC,SELL,LIMIT,IOC,1,90000,90000.5,FILLED,1,1,{midnight + 1000 * n}" for n in range(-5, 5)]
    path.write_text("\n".join(rows))
    settings = {"LIQ_HOME": str(home), "LIQ_DATABASE_URL": database_url, "LIQ_REDIS_URL": redis_url}
    arguments = ("import", str(path), "--exchange", "binance", "--format", "forceorder_csv", "--materialize")
    answer = liq(*arguments, **settings)
    assert answer.returncode == 0, answer.stderr
    assert "10 rows read, 10 new" in answer.stdout
    assert "2 days materialized, 0 failed" in answer.stdout
    assert query(database_url, "SELECT count(*), sum(event_count)::int FROM liquidation_cascades") == [(1, 10)]
    again = liq(*arguments, **settings)
    assert (again.returncode, "materialized" in again.stdout) == (0, False)


def test_an_import_that_is_repeated_materializes_what_the_first_did_not_get_to(
    home: Path, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    midnight = int(datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC).timestamp() * 1000) - 86_400_000
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"BTC,SELL,LIMIT,IOC,1,9,9,FILLED,1,1,{midnight + n}\n" for n in range(-5, 5)))
    settings = {"LIQ_HOME": str(home), "LIQ_DATABASE_URL": database_url, "LIQ_REDIS_URL": redis_url}
    arguments = ("import", str(path), "--exchange", "binance", "--format", "forceorder_csv")
    assert liq(*arguments, **settings).returncode == 0
    again = liq(*arguments, "--materialize", **settings)
    assert "10 rows read, 0 new, 10 duplicate" in again.stdout and "2 days materialized, 0 failed" in again.stdout
