"""What an analyst finds after a replay: days in the tables with their coverage, and the last hour in Redis."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Final

import redis

from liq_pipeline.collector.landing import Landing
from liq_pipeline.exchanges import FEEDS
from liq_pipeline.replay.player import Player
from liq_pipeline.simulate.simulation import simulate, write
from liq_pipeline.streams import coverage_key
from liq_pipeline.warehouse import coverage, days, rollups
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.loader import drain
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.replay.making import tape_of
from liq_pipeline_tests.warehouse.making import KEEP, entry
from liq_pipeline_tests.warehouse.test_days import land

BUSY: Final = date(2025, 12, 10)
"""The simulated day."""
ONE_EVENT: Final = date(2025, 12, 20)
"""The newest day: one event, of a symbol that nobody would choose."""
STRANGE: Final = "<b>$x$|*_[Ж]:?_0123456789_0123456789USDT"
_STARTS: Final = {3: 460, 4: 1_010, 5: 1_415}
"""Minutes of the busy day at which a simulation begins, by its seed; the last reaches over midnight."""
_EVENTS: Final = 500
RECORDED: Final = date(2025, 6, 23)
_RECORDINGS: Final = Path(__file__).parents[2].parent / "shared/data/recordings"
recordings: Final = sorted(_RECORDINGS.glob("binance_usdm_2025-06-23_*.csv"))
"""Of the recorded day, where they are."""


def prepare(database_url: str, redis_url: str, folder: Path) -> None:
    """Replay everything and make its days; the last hour is in the streams for a live view."""
    migrate(database_url)
    simulated = [path for seed, minute in _STARTS.items() for path in _simulated(folder / str(seed), seed, minute)]
    for path in (*recordings, *simulated):
        asyncio.run(_play(path, redis_url))
    _claim(redis_url, BUSY)
    drain(database_url, redis_url, KEEP)
    # Not through the streams, where the last hour would be its own.
    noon = day_span(ONE_EVENT).start + 43_200_000
    land(database_url, [entry(1, noon, contract=STRANGE, symbol=STRANGE, value_usd="250000", exchange="okx")])
    for day in (*([RECORDED] if recordings else []), BUSY, ONE_EVENT):
        days.materialize_events(database_url, day, KEEP)
        for table in rollups.TABLES:
            rollups.materialize(database_url, table, day, KEEP)
        coverage.materialize(database_url, redis_url, day, KEEP, day_span(day).end)


def _simulated(folder: Path, seed: int, minute: int) -> list[Path]:
    start = day_span(BUSY).start + minute * 60_000
    written = write(simulate(_EVENTS, seed=seed, start_ms=start), folder)
    return [written.files[venue] for venue in ("binance", "bybit", "okx")]


async def _play(path: Path, redis_url: str) -> None:
    landing = Landing(redis_url)
    await landing.start()
    with tape_of(path) as tape:
        await Player(tape, landing, 0, 0, len(tape)).play()
    assert await landing.close(60) == 0


def _claim(redis_url: str, day: date) -> None:
    """Say of every linear feed that it was seen but for an hour in the morning."""
    start, end = day_span(day)
    hour = 3_600_000
    with redis.Redis.from_url(redis_url) as client:
        for feed in FEEDS:
            for part in ((start, start + 2 * hour), (start + 3 * hour, end)):
                fields = {"connection": "c", "from": part[0], "to": part[1], "part": 0, "parts": 1}
                client.xadd(coverage_key(feed), fields)
