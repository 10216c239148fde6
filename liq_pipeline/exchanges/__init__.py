"""The venues: pure data and functions, one module each. Everything else asks ``adapter`` for a feed's."""

from __future__ import annotations

from typing import Final

from liq_pipeline.errors import SettingsError
from liq_pipeline.exchanges import binance, bybit, okx, okx_history
from liq_pipeline.exchanges.base import Adapter, History

_ADAPTERS: Final[dict[str, Adapter]] = {
    "binance": binance.LINEAR,
    "bybit": bybit.LINEAR,
    "okx": okx.LINEAR,
    "binance:inverse": binance.INVERSE,
    "bybit:inverse": bybit.INVERSE,
    "okx:inverse": okx.INVERSE,
}
FEEDS: Final = tuple(_ADAPTERS)
"""Every feed there is, linear ones by the exchange's name alone."""
_HISTORIES: Final[dict[str, History]] = {"okx": okx_history.LINEAR, "okx:inverse": okx_history.INVERSE}
HISTORY_SOURCES: Final = frozenset(history.source for history in _HISTORIES.values())
"""The ``source`` of rows that came from a venue's history; their raw data are the venue's frames."""


def adapter(feed: str) -> Adapter:
    """The adapter of a feed such as ``binance`` or ``binance:inverse``; raises SettingsError for an unknown one."""
    try:
        return _ADAPTERS[feed]
    except KeyError:
        raise SettingsError(f"feed {feed!r} is not known, use one of: {', '.join(FEEDS)}") from None


def history(feed: str) -> History | None:
    """What the venue of a feed still tells of its past; None where it publishes none."""
    return _HISTORIES.get(feed)
