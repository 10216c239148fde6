"""The addresses of public archives, and that what they are downloaded as fits the layout."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlsplit

import pytest

from liq_pipeline.archive.addresses import COIN_M_FIRST, COIN_M_LAST, binance_vision, days_between, tardis
from liq_pipeline.archive.layout import TARDIS_EXCHANGES, Place, is_companion, place
from liq_pipeline.errors import SettingsError

TODAY = date(2026, 11, 22)
COIN_M = days_between(COIN_M_FIRST, COIN_M_LAST)


def _downloaded(folder: str, url: str) -> str:
    """Where ``wget -N -x -nH -P folder`` puts a file."""
    return folder + urlsplit(url).path


def test_a_snapshot_has_its_address_and_that_of_its_checksum() -> None:
    found = binance_vision([date(2023, 6, 25)], ["BTCUSD_PERP"])
    base = "https://data.binance.vision/data/futures/cm/daily/liquidationSnapshot/BTCUSD_PERP"
    snapshot = f"{base}/BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip"
    assert found.urls == [snapshot, f"{snapshot}.CHECKSUM"]
    assert found.command == 'wget -N -x -nH -P "$LIQ_ARCHIVE_DIR/binance_vision" -i -'


def test_days_that_binance_does_not_have_are_left_out_and_named() -> None:
    days = days_between(date(2023, 6, 1), date(2024, 11, 1))
    found = binance_vision(days, ["BTCUSD_PERP"])
    assert len(found.urls) == 2 * 472
    assert any("2023-09-09, 2023-09-23, 2023-09-25, 2024-06-01, 2024-06-11, 2024-06-12" in note for note in found.notes)
    assert any("2023-06-25 to 2024-10-14: 42 days of the range are outside" in note for note in found.notes)
    assert len(binance_vision(days, ["ETHUSD_PERP"]).urls) == 2 * len(COIN_M) == 2 * 478


@pytest.mark.parametrize(
    ("symbols", "text"),
    [([], "name some, as --symbols BTCUSD_PERP"), (["BTCUSD_PERP", "BTCUSDT"], "BTCUSDT is no COIN-M contract")],
)
def test_contracts_the_archive_does_not_hold_are_refused(symbols: list[str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        binance_vision(COIN_M, symbols)


def test_of_tardis_only_the_free_days_unless_all_are_wanted() -> None:
    days = days_between(date(2026, 1, 30), date(2026, 3, 2))
    free = tardis(days, [], ["bybit"], today=TODAY, all_days=False)
    assert free.urls == [
        f"https://datasets.tardis.dev/v1/bybit/liquidations/2026/{month}/01/{group}.csv.gz"
        for group in ("PERPETUALS", "FUTURES")
        for month in ("02", "03")
    ]
    assert free.notes == ["30 days are not free: only the first of a month is; with a key, add --all-days"]
    paid = tardis(days, ["BTCUSDT"], ["bybit"], today=TODAY, all_days=True)
    assert len(paid.urls) == len(days)
    assert "Bearer $TARDIS_API_KEY" in paid.command
    assert "TARDIS_API_KEY" not in free.command


def test_of_tardis_days_that_are_not_published_yet_are_left_out() -> None:
    found = tardis(days_between(date(2026, 11, 20), TODAY), ["X"], ["bybit"], today=TODAY, all_days=True)
    assert [url.split("/liquidations/")[1] for url in found.urls] == ["2026/11/20/X.csv.gz", "2026/11/21/X.csv.gz"]
    assert any("was left out" in note for note in found.notes)


def test_an_unknown_exchange_of_tardis_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="--exchange binance is not known; use one or more of binance-futures"):
        tardis([TODAY], [], ["binance"], today=TODAY, all_days=True)


def test_what_is_downloaded_fits_the_layout_as_it_is() -> None:
    vision = binance_vision(COIN_M[:3], ["BTCUSD_PERP", "ETHUSD_231229"]).urls
    places = [place(_downloaded("binance_vision", url)) for url in vision if not is_companion(url)]
    assert [found.day for found in places if isinstance(found, Place)] == COIN_M[:3] * 2
    csv = tardis([date(2026, 11, 1)], [], [], today=TODAY, all_days=False).urls
    places = [place(_downloaded("tardis", url)) for url in csv]
    assert {found.exchange for found in places if isinstance(found, Place)} == {"binance", "bybit", "okx"}
    assert len(places) == 2 * len(TARDIS_EXCHANGES) - 2
    assert all(isinstance(found, Place) for found in places)
