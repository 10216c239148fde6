"""What the venues publish, in words, and where they say so themselves."""

from __future__ import annotations

from typing import Final

DOCS: Final = {
    "binance": (
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/"
        "Liquidation-Order-Streams"
    ),
    "bybit": "https://bybit-exchange.github.io/docs/v5/websocket/public/all-liquidation",
    "okx": "https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel",
}
"""The documentation of each exchange's liquidation feed."""

_WORDS: Final = {
    "complete": "every liquidation",
    "throttled-1s": "at most one per symbol and second",
    "throttled-1s-latest": "at most one per symbol and second, the latest",
    "throttled-1s-largest": "at most one per symbol and second, the largest",
}


def in_words(semantics: str) -> str:
    """What a ``feed_semantics`` means, or several of them between commas or pluses."""
    parts = [part.strip() for part in semantics.replace("+", ",").split(",")]
    return "; ".join(dict.fromkeys(_WORDS.get(part.removesuffix("-lower-bound"), part) for part in parts))
