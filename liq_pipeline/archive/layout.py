"""What a path below LIQ_ARCHIVE_DIR means: the layout, one rule per format.

The two public archives keep the paths of their sites, so that a mirror made with ``wget -x`` fits as it is::

    binance_vision/data/futures/{cm,um}/daily/liquidationSnapshot/<SYM>/<SYM>-liquidationSnapshot-YYYY-MM-DD.zip
    tardis/v1/<tardis exchange>/liquidations/YYYY/MM/DD/<SYMBOL>.csv.gz
    frames/<exchange>/<market>/…YYYY-MM-DD….jsonl
    forceorder_csv/binance/linear/…YYYY-MM-DD….csv

What a ``…`` stands for is free and may hold folders; .gz and .zip are read, too. Names that begin with a dot are
files being written by rsync and others, and are left alone; ``.CHECKSUM`` files belong to the file beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

from liq_pipeline.exchanges import FEEDS
from liq_pipeline.liquidation import Market

BOTH: Final = (Market.LINEAR, Market.INVERSE)
TARDIS_EXCHANGES: Final = {
    "binance-futures": ("binance", (Market.LINEAR,)),
    "binance-delivery": ("binance", (Market.INVERSE,)),
    "bybit": ("bybit", BOTH),
    "okex-swap": ("okx", BOTH),
    "okex-futures": ("okx", BOTH),
}
"""Tardis' names: whose contracts they are, and of which markets. A grouped file holds both markets' contracts."""

_DAY: Final = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
_COMPANION: Final = ".CHECKSUM"


class Place(NamedTuple):
    """What a file of the archive holds: a UTC day of an exchange's markets in a format."""

    day: date
    format: str
    exchange: str
    markets: tuple[Market, ...]


class Misplaced(NamedTuple):
    """Why a file belongs to no day, with the fix."""

    reason: str


class _Rule(NamedTuple):
    shown: str
    """The paths of this format, for people."""
    of_a_day: str
    """A glob, after strftime, that finds every file of a day, and perhaps some that are not."""
    pattern: re.Pattern[str]
    place: Callable[[re.Match[str]], Place | Misplaced]


def _vision(found: re.Match[str]) -> Place | Misplaced:
    market = Market.INVERSE if found["margin"] == "cm" else Market.LINEAR
    return _on(found["day"], "binance_vision", "binance", (market,))


def _tardis(found: re.Match[str]) -> Place | Misplaced:
    name = found["exchange"]
    if name not in TARDIS_EXCHANGES:
        return Misplaced(f"{name} is no exchange that is known here; known are {', '.join(TARDIS_EXCHANGES)}")
    return _on(found["day"].replace("/", "-"), "tardis", *TARDIS_EXCHANGES[name])


def _recorded(found: re.Match[str]) -> Place | Misplaced:
    exchange, market = found["exchange"], found["market"]
    feed = exchange if market == Market.LINEAR else f"{exchange}:{market}"
    if feed not in FEEDS:
        return Misplaced(f"{exchange}/{market} is no exchange and market that are known here; known are {_feeds()}")
    days = set(_DAY.findall(found["name"]))
    if len(days) != 1:
        many = f"{len(days)} days ({', '.join(sorted(days))})" if days else "no day"
        return Misplaced(f"its name holds {many}: name it by the one UTC day it holds, as in 2026-11-20.jsonl")
    return _on(days.pop(), found["format"], exchange, (Market(market),))


def _on(day: str, format_name: str, exchange: str, markets: tuple[Market, ...]) -> Place | Misplaced:
    try:
        return Place(date.fromisoformat(day), format_name, exchange, markets)
    except ValueError:
        return Misplaced(f"{day} is no day of the calendar")


def _feeds() -> str:
    feeds = (feed.partition(":") for feed in FEEDS)
    return ", ".join(f"{exchange}/{market or Market.LINEAR}" for exchange, _, market in feeds)


_PACKED: Final = r"(?:\.gz|\.zip)?"
_RULES: Final = {
    "binance_vision": _Rule(
        "binance_vision/data/futures/{cm,um}/daily/liquidationSnapshot/<SYM>/<SYM>-liquidationSnapshot-YYYY-MM-DD.zip",
        "binance_vision/data/futures/*/daily/liquidationSnapshot/*/*-liquidationSnapshot-%Y-%m-%d.*",
        re.compile(
            r"binance_vision/data/futures/(?P<margin>cm|um)/daily/liquidationSnapshot/"
            r"(?P<symbol>[^/]+)/(?P=symbol)-liquidationSnapshot-(?P<day>\d{4}-\d{2}-\d{2})\.(?:zip|csv|csv\.gz)"
        ),
        _vision,
    ),
    "tardis": _Rule(
        "tardis/v1/<tardis exchange>/liquidations/YYYY/MM/DD/<SYMBOL>.csv.gz",
        "tardis/v1/*/liquidations/%Y/%m/%d/*",
        re.compile(rf"tardis/v1/(?P<exchange>[^/]+)/liquidations/(?P<day>\d{{4}}/\d{{2}}/\d{{2}})/[^/]+\.csv{_PACKED}"),
        _tardis,
    ),
    "frames": _Rule(
        "frames/<exchange>/<market>/…YYYY-MM-DD….jsonl",
        "frames/*/*/**/*%Y-%m-%d*",
        re.compile(
            rf"(?P<format>frames)/(?P<exchange>[^/]+)/(?P<market>[^/]+)/(?:.+/)?(?P<name>[^/]+)\.jsonl{_PACKED}"
        ),
        _recorded,
    ),
    "forceorder_csv": _Rule(
        "forceorder_csv/binance/linear/…YYYY-MM-DD….csv",
        "forceorder_csv/*/*/**/*%Y-%m-%d*",
        re.compile(
            r"(?P<format>forceorder_csv)/(?P<exchange>binance)/(?P<market>linear)/"
            rf"(?:.+/)?(?P<name>[^/]+)\.csv{_PACKED}"
        ),
        _recorded,
    ),
}


def place(path: str) -> Place | Misplaced:
    """What the file at a path, relative to the archive and with ``/`` between its parts, holds."""
    folder = path.partition("/")[0]
    rule = _RULES.get(folder)
    if rule is None:
        return Misplaced(f"it is in none of {', '.join(f'{name}/' for name in _RULES)}: move it there")
    found = rule.pattern.fullmatch(path)
    return rule.place(found) if found else Misplaced(f"the files of {folder}/ are {rule.shown}: name it so")


def is_companion(name: str) -> bool:
    """Whether a file name is not one of the archive's own files: a checksum, or hidden while it is written."""
    return name.startswith(".") or name.endswith(_COMPANION)


def globs_of(day: date) -> list[str]:
    """Patterns that together match every file of a day; ``place`` tells which of the matches are."""
    return [day.strftime(rule.of_a_day) for rule in _RULES.values()]
