"""The main job, shown: frames on a socket become every table, each row as worked out from the frames by hand."""

import json
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import find
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import load_settings
from liq_pipeline.simulate.ledger import Outcome
from liq_pipeline.simulate.simulation import simulate, write
from liq_pipeline.warehouse.days import stale_days
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.imports.importing import import_source
from liq_pipeline_tests.line import plant, recorded, tables
from liq_pipeline_tests.line.conftest import Export
from liq_pipeline_tests.line.expected import day_of, event_of

RAW_DATA = "SELECT raw_data FROM liquidations_raw"
DAYS_WITH_MANY_EVENTS = {
    *(date(2024, 8, 17), date(2024, 8, 18), date(2025, 1, 26), date(2025, 1, 27), date(2025, 6, 23)),
    date(2026, 4, 3),
}
HALF_PAST_ELEVEN_AT_NIGHT = 1_762_817_400_000  # 2025-11-10 23:30 UTC


@pytest.mark.skipif(not recorded.DATA.is_dir(), reason=recorded.MISSING)
def test_the_real_recordings_become_every_table(database_url: str, export: Export) -> None:
    migrate(database_url)
    sent = {"binance": list(recorded.binance()), "bybit": list(recorded.bybit()), "okx": list(recorded.okx())}
    events = [event for frames in sent.values() for _, means in frames for event in means]
    report = plant.collect_frames(
        {venue: [text for text, _ in frames] for venue, frames in sent.items()},
        export(database_url),
        entries=len(events),
        rejected=0,
        okx_contract_values={name: str(coins) for name, coins in recorded.OKX_CONTRACT_COINS.items()},
    )
    assert report.unwritten == 0
    # Events of long ago arrive today, and four recorded prices are far from their neighbours'.
    assert plant.materialize(sorted({day_of(event.time) for event in events})) == {
        "clock_skew": DAYS_WITH_MANY_EVENTS,
        "prices_near_median": {date(2024, 8, 17), date(2025, 6, 23)},
    }

    kept = {json.dumps(row["raw_data"], sort_keys=True) for row in tables.rows(database_url, RAW_DATA)}
    assert kept == {json.dumps(json.loads(text), sort_keys=True) for frames in sent.values() for text, _ in frames}
    assert len(events) - len(set(events)) == 1673  # the rows the two writers both wrote
    landed = tables.assert_raw_holds(database_url, set(events))
    made = tables.assert_tables_follow_from(database_url, landed)
    assert all(made.values())

    for path in recorded.files():
        assert _import(path, "binance", "forceorder_csv", database_url).new == 0
    assert stale_days(database_url, load_settings()) == []


def test_simulated_frames_with_every_defect_become_every_table(
    warehouse_url: str, export: Export, tmp_path: Path
) -> None:
    lines = list(simulate(2500, seed=1, start_ms=HALF_PAST_ELEVEN_AT_NIGHT, defects=True))
    rows = [row for line in lines for row in line.rows]
    outcomes = Counter(row.outcome for row in rows)
    frames = {venue: [line.text for line in lines if line.venue == venue] for venue in ("binance", "bybit", "okx")}
    report = plant.collect_frames(
        frames,
        export(warehouse_url),
        entries=outcomes[Outcome.LANDED] + outcomes[Outcome.DUPLICATE],
        rejected=outcomes[Outcome.REJECTED],
    )
    assert report.unwritten == 0
    events = [event_of(row) for row in rows if row.outcome is Outcome.LANDED]
    days = sorted({day_of(event.time) for event in events})
    assert len(days) == 2
    assert plant.materialize(days).keys() == {"clock_skew"}

    landed = tables.assert_raw_holds(warehouse_url, events)
    made = tables.assert_tables_follow_from(warehouse_url, landed)
    assert tables.rows(warehouse_url, "SELECT count(*) FROM frames_rejected") == [{"count": outcomes[Outcome.REJECTED]}]
    over_midnight = [row for row in made["liquidation_cascades"] if _day(row, "start") != _day(row, "end")]
    across_venues = [row for row in made["liquidation_cascades"] if row["exchange_count"] == 3]
    assert over_midnight and across_venues

    written = write(iter(lines), tmp_path / "recording")
    for venue in frames:
        assert _import(written.files[venue], venue, "frames", warehouse_url).new == 0
    assert stale_days(warehouse_url, load_settings()) == []


def _import(path: Path, exchange: str, name: str, database_url: str) -> ImportReport:
    """The same events once more, from a recording instead of the wire."""
    now = time.time_ns() // 1_000_000
    return import_source(
        find(path)[0],
        exchange,
        Market.LINEAR,
        format_named(name),
        settings=load_settings(),
        database_url=database_url,
        now=now,
    )


def _day(cascade: tables.Row, edge: str) -> object:
    return cascade[f"cascade_{edge}"].date()
