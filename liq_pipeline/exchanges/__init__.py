"""The venues: pure data and functions, one module each. Everything else asks ``adapter`` for a feed's."""

from __future__ import annotations

from typing import Final

from liq_pipeline.errors import SettingsError
from liq_pipeline.exchanges import binance, bybit, okx
from liq_pipeline.exchanges.base import Adapter

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


def adapter(feed: str) -> Adapter:
    """The adapter of a feed such as ``binance`` or ``binance:inverse``; raises SettingsError for an unknown one."""
    try:
        return _ADAPTERS[feed]
    except KeyError:
        raise SettingsError(f"feed {feed!r} is not known, use one of: {', '.join(FEEDS)}") from None
