"""The price level of an event: its price rounded down to a width that depends on the coin and the price.

Width 100 for BTC and ETH, otherwise the largest of 1, 2, 5 x 10^k that is at most 0.1 % of the price. Worked out on
the decimal digits, because the floor of a float is one level too low as soon as the price is a level itself.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_WIDTH_100: Final = r"^(BTC|ETH)(USDT|USDC|USD)(-.*)?$"


def price_level(symbol: pl.Series, price: pl.Series) -> pl.Series:
    """The levels as text that PostgreSQL's numeric reads (``825e2``); prices are plain decimals as text."""
    # Column by column: as one nested expression the shared parts would be worked out again wherever they are used.
    frame = pl.DataFrame({"symbol": symbol, "price": price})
    parts = pl.col("price").str.splitn(".", 2).struct
    frame = frame.with_columns(
        whole=parts.field("field_0").str.strip_chars_start("0"), fraction=parts.field("field_1").fill_null("")
    )
    # The first four digits, at 10^exponent: a thousandth of the price is 1 to 9.99 at that place, so that the first
    # digit alone decides between 1, 2 and 5, and digits after the fourth are below any width.
    small = _length("fraction") - pl.col("fraction").str.strip_chars_start("0").str.len_bytes()
    frame = frame.with_columns(
        exponent=pl.when(pl.col("whole") != "").then(_length("whole") - 1).otherwise(-1 - small) - 3,
        leading=(pl.col("whole") + pl.col("fraction"))
        .str.strip_chars_start("0")
        .str.slice(0, 4)
        .str.pad_end(4, "0")
        .cast(pl.Int64),
    )
    first = pl.col("leading") // 1000
    step = pl.when(first >= 5).then(5).when(first >= 2).then(2).otherwise(1)
    hundreds = pl.col("symbol").str.contains(_WIDTH_100)
    frame = frame.with_columns(
        level=pl.when(hundreds)
        .then(pl.col("whole").str.pad_start(1, "0").cast(pl.Int64) // 100)
        .otherwise(pl.col("leading") // step * step)
        .cast(pl.String),
        exponent=pl.when(hundreds).then(2).otherwise("exponent"),
    )
    # Without trailing zeros after a decimal point.
    frame = frame.with_columns(
        digits=pl.when(pl.col("level") == "0").then(pl.lit("0")).otherwise(pl.col("level").str.strip_chars_end("0"))
    )
    exponent = pl.col("exponent") + _length("level") - _length("digits")
    return frame.select(pl.concat_str("digits", pl.lit("e"), exponent.cast(pl.String))).to_series()


def _length(column: str) -> pl.Expr:
    return pl.col(column).str.len_bytes().cast(pl.Int64)
