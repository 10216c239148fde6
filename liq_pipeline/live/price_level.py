"""The price level of one event, as ``warehouse.price_level`` works it out for columns; a test holds them together."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from liq_pipeline.live.decimals import plain

_HUNDREDS: Final = re.compile(r"(BTC|ETH)(USDT|USDC|USD)(-.*)?")


@lru_cache(4096)
def has_hundreds(symbol: str) -> bool:
    """Whether the levels of a symbol are 100 wide at any price."""
    return _HUNDREDS.fullmatch(symbol) is not None


def price_level(symbol: str, price: str) -> str:
    """floor(price / width) x width as a plain decimal; ``price`` is a plain decimal, too.

    Width 100 for BTC and ETH, otherwise the largest of 1, 2, 5 x 10^k that is at most 0.1 % of the price.
    """
    whole, _, fraction = price.partition(".")
    if has_hundreds(symbol):
        return str(int(whole) // 100 * 100)
    # A thousandth of the price is 1 to 9.99 at the place of its fourth digit: the first digit alone decides between
    # 1, 2 and 5, and what is behind the fourth is below any width.
    digits = (whole + fraction).lstrip("0")
    leading = int(digits[:4].ljust(4, "0"))
    step = 5 if leading >= 5000 else 2 if leading >= 2000 else 1
    places = len(fraction) - (len(digits) - 4)
    level = leading // step * step
    return plain(level, places) if places > 0 else str(level) + "0" * -places
