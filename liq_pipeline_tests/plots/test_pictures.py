from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import date

import pytest
from PIL import Image

from liq_pipeline.plots import canvas, cascades, coverage, events, shares

DAY = date(2025, 12, 10)
MIDNIGHT = 1_765_324_800_000
LARGEST_FILE = 15_000


def _events(seed: int) -> bytes:
    chance = random.Random(seed)
    minutes = range(1440)
    return events.draw(
        DAY, [events.Minute(at, side, int(chance.expovariate(1 / 9))) for at in minutes for side in ("LONG", "SHORT")]
    )


def _cascades(seed: int) -> bytes:
    chance = random.Random(seed)
    symbols = [f"{name}USDT" for name in ("BTC", "ETH", "币安人生", "A$$", "PEPE", *"BCDEFGHIJK")]
    return cascades.draw(
        DAY,
        [
            cascades.Cascade(
                chance.choice(symbols),
                start := MIDNIGHT + chance.randrange(86_400_000),
                start + chance.randrange(3_600_000),
                chance.lognormvariate(13, 2),
                chance.random(),
            )
            for _ in range(300)
        ],
    )


def _shares(seed: int) -> bytes:
    chance = random.Random(seed)
    found = [
        shares.Share(period, exchange, chance.lognormvariate(15, 2))
        for period in range(5)
        for exchange in ("binance", "bybit", "okx", "another")
    ]
    return shares.draw(DAY, found, {"binance": "throttled-1s-largest", "bybit": "complete"})


def _coverage(seed: int) -> bytes:
    chance = random.Random(seed)
    feeds = [coverage.Feed(f"feed-{n}", chance.random(), 86_400, n != 5) for n in range(6)]
    gaps = [
        coverage.Gap(
            f"feed-{chance.randrange(7)}",
            start := MIDNIGHT + chance.randrange(86_400_000),
            start + int(chance.expovariate(1 / 60_000)),
            chance.choice(["down", "silent", "overloaded", "throttled", "of another kind"]),
            chance.random() < 0.3,
        )
        for _ in range(200)
    ]
    return coverage.draw(DAY, feeds, gaps)


PICTURES = pytest.mark.parametrize("draw", [_events, _cascades, _shares, _coverage])


@PICTURES
def test_a_picture_is_a_small_png_of_its_rows_alone(draw: Callable[[int], bytes]) -> None:
    picture = draw(1)
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert image.width == 760
    assert len(picture) < LARGEST_FILE
    assert draw(1) == picture
    assert draw(2) != picture


def test_a_day_with_a_single_event_and_cascade_has_its_pictures() -> None:
    alone = events.draw(DAY, [events.Minute(1439, "SHORT", 1)])
    assert alone != events.draw(DAY, [events.Minute(1438, "SHORT", 1)])
    assert cascades.draw(DAY, [cascades.Cascade("BTCUSDT", MIDNIGHT, MIDNIGHT, 0.0, 0.0)])
    assert shares.draw(DAY, [shares.Share(0, "okx", 0.0)], {})


def test_a_gap_of_a_second_can_be_seen() -> None:
    feed = coverage.Feed("okx", 0.99999, 86_400, True)
    gap = coverage.Gap("okx", MIDNIGHT + 3_600_000, MIDNIGHT + 3_601_000, "down", False)
    assert coverage.draw(DAY, [feed], [gap]) != coverage.draw(DAY, [feed], [gap._replace(reason="silent")])


def test_hours_are_counted_from_the_days_midnight() -> None:
    assert [canvas.hours(MIDNIGHT + ms, DAY) for ms in (0, 5_400_000, 86_400_000)] == [0, 1.5, 24]
    assert canvas.hours(MIDNIGHT - 1_800_000, DAY) == -0.5
