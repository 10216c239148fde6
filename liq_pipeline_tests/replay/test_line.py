"""A replay is a source like any other: through Redis and the loader, the rows of an import and no others."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liq_pipeline.collector.landing import Landing
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.record import Origin
from liq_pipeline.liquidation import Market
from liq_pipeline.replay.player import Player
from liq_pipeline.replay.present import move_to_present
from liq_pipeline.replay.tape import Tape
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.simulation import Summary, simulate, write
from liq_pipeline.warehouse.loader import drain
from liq_pipeline_tests.replay.making import NOW, recordings, tape_of, window

DATA = Path(__file__).parents[2].parent / "shared/data/recordings"
IDS = "SELECT event_id::text FROM liquidations_raw"


def play(tape: Tape, redis_url: str) -> None:
    async def playing() -> None:
        landing = Landing(redis_url)
        await landing.start()
        await Player(tape, landing, 0, 0, len(tape)).play()
        assert await landing.close(5) == 0

    asyncio.run(playing())


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query.encode()).fetchall()


def ids(path: Path, name: str, exchange: str) -> set[str]:
    """The ids an import of a file gives."""
    reader = FORMATS[name].reader(Origin(exchange, Market.LINEAR, snapshot(exchange)))
    entries = itertools.chain.from_iterable(reader(line).entries for line in path.read_bytes().splitlines())
    return {entry.liquidation.event_id for entry in entries}


@pytest.fixture
def simulated(tmp_path: Path) -> Summary:
    return write(simulate(1500, seed=3, defects=True), tmp_path)


def test_a_replay_lands_the_rows_of_an_import_once_however_often_and_in_parts(
    warehouse_url: str, redis_url: str, simulated: Summary, tmp_path: Path
) -> None:
    paths = [simulated.files[venue] for venue in ("binance", "bybit", "okx")]
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    for files in (paths[:1], [packed, *paths[1:]]):
        with tape_of(*files) as tape:
            play(tape, redis_url)
        drain(warehouse_url, redis_url, Settings())
    expected = {key for path in paths for key in ids(path, "frames", path.stem)}
    assert sorted(rows(warehouse_url, IDS)) == sorted((key,) for key in expected)
    assert rows(warehouse_url, "SELECT DISTINCT source, parser_version > 0 FROM liquidations_raw") == [("replay", True)]
    rejected = rows(warehouse_url, "SELECT DISTINCT exchange, source FROM frames_rejected ORDER BY 1")
    assert rejected == [(exchange, "replay") for exchange in ("binance", "bybit", "okx")]


def test_rows_that_are_there_from_elsewhere_count_once(
    warehouse_url: str, redis_url: str, simulated: Summary, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.jsonl"
    frames = simulated.files["bybit"].read_text().splitlines()
    bare.write_text("\n".join(line.split('"frame":', 1)[1].rstrip()[:-1] for line in frames))
    for path in (simulated.files["bybit"], bare):
        with tape_of(path) as tape:
            play(tape, redis_url)
    report = drain(warehouse_url, redis_url, Settings())
    assert report.new == len(ids(simulated.files["bybit"], "frames", "bybit"))
    assert report.duplicate >= report.new


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real recordings are not in {DATA}")
def test_real_recordings_out_of_order_and_with_repeats_land_what_an_import_lands(
    warehouse_url: str, redis_url: str
) -> None:
    paths = sorted(DATA.glob("binance_usdm_*.csv"))
    with tape_of(*paths) as tape:
        assert tape.times.tolist() == sorted(tape.times.tolist())
        play(tape, redis_url)
    settings = Settings(retention_days=0)
    assert drain(warehouse_url, redis_url, settings).refused == 0
    expected = {key for path in paths for key in ids(path, "forceorder_csv", "binance")}
    assert {key for (key,) in rows(warehouse_url, IDS)} == expected


@pytest.mark.parametrize("speed", [0, 1])
def test_rows_moved_to_the_present_agree_with_their_own_raw_data(
    warehouse_url: str, redis_url: str, simulated: Summary, tmp_path: Path, speed: float
) -> None:
    row = "BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565602120"
    table = tmp_path / "rows.csv"
    table.write_text(row)
    paths = [simulated.files[venue] for venue in ("binance", "bybit", "okx")]
    with Tape(recordings(*paths, table), None) as tape:
        tape.read()
        move_to_present(tape, 0, len(tape), speed, window())
        assert tape.times[-1 if speed == 0 else 0] + tape.delta == NOW
        play(tape, redis_url)
    drain(warehouse_url, redis_url, Settings())
    stored = rows(
        warehouse_url,
        "SELECT exchange, event_id::text, (extract(epoch FROM time) * 1000)::bigint, ordinal, raw_data::text"
        " FROM liquidations_raw",
    )
    assert len(stored) == 1 + sum(len(ids(path, "frames", path.stem)) for path in paths)
    for exchange, event_id, time, ordinal, raw in stored:
        name = "forceorder_csv" if '"format"' in raw else "frames"
        rereader = FORMATS[name].rereader(Origin(exchange, Market.LINEAR, snapshot(exchange)))
        (entry,) = rereader(raw.encode()).entries
        assert entry.liquidation.time == time
        assert ordinal or entry.liquidation.event_id == event_id
