"""Simulated recordings, every defect included, land as their ledger says."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import find
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.simulation import Summary, simulate, write
from liq_pipeline_tests.imports.importing import import_source

SAME_IN_BOTH = ("exchange", "market", "contract", "symbol", "side", "price_kind")
EXACT = ("price", "quantity", "value_usd", "limit_price")
COLUMNS = (
    f"SELECT {', '.join(SAME_IN_BOTH + EXACT)}, floor(extract(epoch FROM time) * 1000)::bigint,"
    " floor(extract(epoch FROM received_at) * 1000)::bigint FROM liquidations_raw"
)


@pytest.fixture
def simulated(tmp_path: Path) -> Summary:
    return write(simulate(1500, seed=3, defects=True), tmp_path)


def _import_all(simulated: Summary, url: str) -> dict[str, ImportReport]:
    return {
        venue: import_source(
            find(simulated.files[venue])[0],
            venue,
            Market.LINEAR,
            format_named("frames"),
            settings=Settings(retention_days=0),
            database_url=url,
            now=1_795_300_000_000,
        )
        for venue in ("binance", "bybit", "okx")
    }


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_simulated_recording_with_every_defect_lands_what_its_ledger_says(
    warehouse_url: str, simulated: Summary
) -> None:
    ledger = [json.loads(line) for line in simulated.files["ledger"].read_text().splitlines()]
    reports = _import_all(simulated, warehouse_url)
    for venue, report in reports.items():
        outcomes = Counter(row["outcome"] for row in ledger if row["exchange"] == venue)
        assert report.new == outcomes["landed"]
        assert report.duplicate == outcomes["duplicate"]
        assert report.rejected == outcomes["rejected"]
        assert report.other == outcomes["ignored"]
        assert all(outcomes[outcome] for outcome in ("landed", "duplicate", "rejected", "ignored"))
        rejected = {row["line"] for row in ledger if row["exchange"] == venue and row["outcome"] == "rejected"}
        assert {line.number for line in report.first_rejected} <= rejected
    landed = Counter(_rows(warehouse_url, COLUMNS))
    assert landed == Counter(
        (
            *(row[name] for name in SAME_IN_BOTH),
            *(Decimal(row[name]) if name in row else None for name in EXACT),
            row["time"],
            row["received_at"],
        )
        for row in ledger
        if row["outcome"] == "landed"
    )


def test_importing_a_simulated_recording_twice_changes_nothing(warehouse_url: str, simulated: Summary) -> None:
    query = "SELECT (SELECT count(*) FROM liquidations_raw), (SELECT count(*) FROM frames_rejected), * FROM day_state"
    first = _import_all(simulated, warehouse_url)
    state = _rows(warehouse_url, query)
    second = _import_all(simulated, warehouse_url)
    assert _rows(warehouse_url, query) == state
    for venue, report in second.items():
        assert (report.new, report.duplicate) == (0, first[venue].new + first[venue].duplicate)
        assert (report.rejected, report.other) == (first[venue].rejected, first[venue].other)
