"""The price level of an event: its price rounded down to a width that depends on the coin and the price.

Width 100 for BTC and ETH, otherwise the largest of 1, 2, 5 x 10^k that is at most 0.1 % of the price. Worked out on
the decimal digits, because the floor of a float is one level too low as soon as the price is a level itself.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_WIDTH_100: Final = r"^(BTC|ETH)(USDT|USDC|USD)(-.*)?$"


def price_level(symbol: pl.Expr, price: pl.Expr) -> pl.Expr:
    """The level as text that PostgreSQL's numeric reads (``825e2``); ``price`` is a plain decimal as text."""
    whole = price.str.extract(r"^(\d+)").str.strip_chars_start("0")
    fraction = price.str.extract(r"\.(\d+)$").fill_null("")
    # The first four digits, at 10^exponent: a thousandth of the price is 1 to 9.99 at that place, so that the first
    # digit alone decides between 1, 2 and 5, and digits after the fourth are below any width.
    digits = (whole + fraction).str.strip_chars_start("0")
    small = fraction.str.len_bytes().cast(pl.Int64) - fraction.str.strip_chars_start("0").str.len_bytes()
    exponent = pl.when(whole != "").then(whole.str.len_bytes().cast(pl.Int64) - 1).otherwise(-1 - small) - 3
    leading = digits.str.slice(0, 4).str.pad_end(4, "0").cast(pl.Int64)
    first = leading // 1000
    step = pl.when(first >= 5).then(5).when(first >= 2).then(2).otherwise(1)
    hundreds = whole.str.pad_start(1, "0").cast(pl.Int64) // 100
    return (
        pl.when(symbol.str.contains(_WIDTH_100))
        .then(_scientific(hundreds, pl.lit(2)))
        .otherwise(_scientific(leading // step * step, exponent))
    )


def _scientific(digits: pl.Expr, exponent: pl.Expr) -> pl.Expr:
    """``digits`` x 10^``exponent`` without trailing zeros after a decimal point."""
    text = digits.cast(pl.String)
    significant = pl.when(digits == 0).then(pl.lit("0")).otherwise(text.str.strip_chars_end("0"))
    zeros = text.str.len_bytes().cast(pl.Int64) - significant.str.len_bytes()
    return pl.concat_str(significant, pl.lit("e"), (exponent + zeros).cast(pl.String))
