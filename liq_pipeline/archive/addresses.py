"""The public addresses of archive files, for a downloader: nothing here opens a connection.

Addresses keep the sites' own paths, so that ``wget -N -x -nH`` below the right folder of the archive makes the layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from liq_pipeline.archive.layout import TARDIS_EXCHANGES
from liq_pipeline.errors import SettingsError

GROUPED: Final = ("PERPETUALS", "FUTURES")
"""Tardis' names for all perpetual and all dated contracts of an exchange in one file."""

_VISION: Final = "https://data.binance.vision/data/futures/cm/daily/liquidationSnapshot"
_TARDIS: Final = "https://datasets.tardis.dev/v1"
COIN_M_FIRST: Final = date(2023, 6, 25)
COIN_M_LAST: Final = date(2024, 10, 14)
_COIN_M: Final = re.compile(r"[A-Z0-9]+USD_(?:PERP|\d{6})")
_NOT_PUBLISHED: Final = {
    "BTCUSD_PERP": frozenset(
        {
            date(2023, 9, 9),
            date(2023, 9, 23),
            date(2023, 9, 25),
            date(2024, 6, 1),
            date(2024, 6, 11),
            date(2024, 6, 12),
        }
    )
}
"""Days the archive lacks between its first and last, where somebody has counted."""


class Addresses(NamedTuple):
    """What to download, the command that does it, and what is not among it and why."""

    urls: list[str]
    command: str
    notes: list[str]


def binance_vision(days: Sequence[date], symbols: Sequence[str]) -> Addresses:
    """COIN-M snapshots with their checksums; raises SettingsError for contracts the archive does not hold."""
    if not symbols:
        raise SettingsError("binance_vision has a folder per contract: name some, as --symbols BTCUSD_PERP,ETHUSD_PERP")
    for symbol in symbols:
        if not _COIN_M.fullmatch(symbol):
            raise SettingsError(
                f"--symbols {symbol} is no COIN-M contract such as BTCUSD_PERP or ETHUSD_231229, and Binance has "
                "emptied its archive of all others: use --format tardis for them"
            )
    notes, urls = [], []
    for symbol in symbols:
        missing = _NOT_PUBLISHED.get(symbol, frozenset())
        urls += [_vision_url(symbol, day) for day in days if COIN_M_FIRST <= day <= COIN_M_LAST and day not in missing]
        if lacking := sorted(missing & set(days)):
            notes.append(f"the archive has no {symbol} of {_listed(lacking)}")
    if outside := [day for day in days if not COIN_M_FIRST <= day <= COIN_M_LAST]:
        notes.append(
            f"the archive holds {COIN_M_FIRST} to {COIN_M_LAST}: {len(outside)} days of the range are outside that"
        )
    notes.append("a contract that was not listed yet, or had no liquidation, on a day has no file: wget says 404 then")
    with_checksums = [address for url in urls for address in (url, f"{url}.CHECKSUM")]
    return Addresses(with_checksums, 'wget -N -x -nH -P "$LIQ_ARCHIVE_DIR/binance_vision" -i -', notes)


def tardis(
    days: Sequence[date], symbols: Sequence[str], exchanges: Iterable[str], *, today: date, all_days: bool
) -> Addresses:
    """Daily liquidation files of ``exchanges`` (Tardis' names); raises SettingsError for an unknown one.

    Without ``all_days`` only those that are free, the first of each month.
    """
    names = list(exchanges) or list(TARDIS_EXCHANGES)
    for name in names:
        if name not in TARDIS_EXCHANGES:
            raise SettingsError(f"--exchange {name} is not known; use one or more of {', '.join(TARDIS_EXCHANGES)}")
    notes = []
    wanted = [day for day in days if all_days or day.day == 1]
    if free := len(days) - len(wanted):
        notes.append(f"{free} days are not free: only the first of a month is; with a key, add --all-days")
    published = [day for day in wanted if day < today]
    if len(published) < len(wanted):
        notes.append("a day is published in the morning, UTC, of the next: what is not yet there was left out")
    urls = [
        f"{_TARDIS}/{name}/liquidations/{day:%Y/%m/%d}/{_in_url(symbol)}.csv.gz"
        for name in names
        for symbol in symbols or _groups(name)
        for day in published
    ]
    key = ' --header="Authorization: Bearer $TARDIS_API_KEY"' if all_days else ""
    return Addresses(urls, f'wget{key} -N -x -nH -P "$LIQ_ARCHIVE_DIR/tardis" -i -', notes)


def days_between(first: date, last: date) -> list[date]:
    """The days of a range, both ends included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _vision_url(symbol: str, day: date) -> str:
    return f"{_VISION}/{symbol}/{symbol}-liquidationSnapshot-{day}.zip"


def _groups(exchange: str) -> Sequence[str]:
    """The grouped files an exchange has: OKX's swaps and futures are two exchanges of Tardis."""
    return {"okex-swap": GROUPED[:1], "okex-futures": GROUPED[1:]}.get(exchange, GROUPED)


def _in_url(symbol: str) -> str:
    return re.sub(r"[/:]", "-", symbol.upper())


def _listed(days: Iterable[date]) -> str:
    return ", ".join(map(str, days))
