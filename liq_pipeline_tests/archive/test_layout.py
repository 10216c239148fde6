"""What a path below LIQ_ARCHIVE_DIR means."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase

import pytest

from liq_pipeline.archive.layout import BOTH, Misplaced, Place, globs_of, is_companion, place
from liq_pipeline.liquidation import Market

LINEAR, INVERSE = (Market.LINEAR,), (Market.INVERSE,)
SNAPSHOTS = "binance_vision/data/futures"
PLACES = {
    f"{SNAPSHOTS}/cm/daily/liquidationSnapshot/BTCUSD_PERP/BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip": Place(
        date(2023, 6, 25), "binance_vision", "binance", INVERSE
    ),
    f"{SNAPSHOTS}/um/daily/liquidationSnapshot/BTCUSDT/BTCUSDT-liquidationSnapshot-2023-06-25.csv": Place(
        date(2023, 6, 25), "binance_vision", "binance", LINEAR
    ),
    "tardis/v1/binance-futures/liquidations/2024/02/29/PERPETUALS.csv.gz": Place(
        date(2024, 2, 29), "tardis", "binance", LINEAR
    ),
    "tardis/v1/binance-delivery/liquidations/2024/03/01/BTCUSD_PERP.csv.gz": Place(
        date(2024, 3, 1), "tardis", "binance", INVERSE
    ),
    "tardis/v1/bybit/liquidations/2024/03/01/BTCUSDT.csv": Place(date(2024, 3, 1), "tardis", "bybit", BOTH),
    "tardis/v1/okex-swap/liquidations/2024/03/01/BTC-USD-SWAP.csv.gz": Place(date(2024, 3, 1), "tardis", "okx", BOTH),
    "frames/okx/inverse/2026-11-20.jsonl": Place(date(2026, 11, 20), "frames", "okx", INVERSE),
    "frames/bybit/linear/tokyo/2026/bybit_2026-11-20T23-00_to_2026-11-20T23-59.jsonl.gz": Place(
        date(2026, 11, 20), "frames", "bybit", LINEAR
    ),
    "forceorder_csv/binance/linear/binance_usdm_2024-08-17.csv": Place(
        date(2024, 8, 17), "forceorder_csv", "binance", LINEAR
    ),
    "forceorder_csv/binance/linear/a/b/2024-08-17 mine.csv.zip": Place(
        date(2024, 8, 17), "forceorder_csv", "binance", LINEAR
    ),
}
"""Paths that fit, and what they hold."""


@pytest.mark.parametrize("path", PLACES)
def test_a_path_of_the_layout_says_day_format_exchange_and_markets(path: str) -> None:
    assert place(path) == PLACES[path]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("notes.txt", "in none of binance_vision/, tardis/, frames/, forceorder_csv/"),
        ("Frames/okx/linear/2026-11-20.jsonl", "in none of"),
        (f"{SNAPSHOTS}/cm/daily/liquidationSnapshot/BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip", "name it so"),
        (f"{SNAPSHOTS}/cm/daily/liquidationSnapshot/A/B-liquidationSnapshot-2023-06-25.zip", "name it so"),
        (f"{SNAPSHOTS}/cm/daily/aggTrades/A/A-aggTrades-2023-06-25.zip", "liquidationSnapshot/<SYM>"),
        (f"{SNAPSHOTS}/cm/daily/liquidationSnapshot/A/A-liquidationSnapshot-2023-02-30.zip", "no day of the calendar"),
        ("tardis/v1/ftx/liquidations/2022/01/01/BTC-PERP.csv.gz", "ftx is no exchange that is known here"),
        ("tardis/v1/bybit/trades/2022/01/01/BTCUSDT.csv.gz", "/liquidations/YYYY/MM/DD/"),
        ("tardis/v1/bybit/liquidations/2022/13/01/BTCUSDT.csv.gz", "no day of the calendar"),
        ("frames/kraken/linear/2026-11-20.jsonl", "kraken/linear is no exchange and market"),
        ("frames/okx/spot/2026-11-20.jsonl", "okx/inverse"),
        ("frames/okx/linear/20261120.jsonl", "holds no day"),
        ("frames/okx/linear/2026-11-20/all.jsonl", "holds no day"),
        ("frames/okx/linear/2026-11-20_2026-11-21.jsonl", "holds 2 days (2026-11-20, 2026-11-21)"),
        ("frames/okx/linear/2026-11-20.csv", "…YYYY-MM-DD….jsonl"),
        ("forceorder_csv/bybit/linear/2026-11-20.csv", "forceorder_csv/binance/linear/"),
        ("forceorder_csv/binance/inverse/2026-11-20.csv", "forceorder_csv/binance/linear/"),
    ],
)
def test_a_path_that_fits_nowhere_is_told_why_and_how_to_name_it(path: str, reason: str) -> None:
    found = place(path)
    assert isinstance(found, Misplaced)
    assert reason in found.reason


def test_checksums_and_files_being_written_are_not_the_archives_own() -> None:
    assert is_companion("BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip.CHECKSUM")
    assert is_companion(".2026-11-20.jsonl.Xy12ab")
    assert not is_companion("2026-11-20.jsonl")


@pytest.mark.parametrize("path", PLACES)
def test_the_files_of_a_day_are_found_without_looking_at_all(path: str) -> None:
    # fnmatch's stars cross folders, so that ** may stand for none of them as it does for glob.
    patterns = [pattern.replace("/**/*", "/*") for pattern in globs_of(PLACES[path].day)]
    assert any(fnmatchcase(path, pattern) for pattern in patterns)
