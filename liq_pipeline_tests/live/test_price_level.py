"""The level of one price is the one that columns of prices get."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liq_pipeline.liquidation import canonical
from liq_pipeline.live.decimals import plain, scaled
from liq_pipeline.live.price_level import price_level
from liq_pipeline.warehouse.price_level import price_level as of_columns

SYMBOLS = ["BTCUSDT", "ETHUSD", "BTCUSDC-251226", "ETHWUSDT", "DOGEUSDT", "1INCHUSDT", "狗狗USDT"]
PRICES = st.builds(
    lambda digits, exponent: canonical(Decimal(digits).scaleb(exponent)),
    st.integers(1, 10**18) | st.sampled_from([1, 2, 5, 1999, 2000, 4999, 5000, 9999]),
    st.integers(-18, 3),
)


@settings(max_examples=50, deadline=None)
@example(["100000", "99.99", "0.00001", "0.000019999", "5", "82599.999"])
@given(st.lists(PRICES, min_size=1, max_size=20))
def test_a_price_has_the_level_that_it_gets_among_others(prices: list[str]) -> None:
    for symbol in SYMBOLS:
        columns = of_columns(pl.Series([symbol] * len(prices)), pl.Series(prices)).to_list()
        assert [price_level(symbol, price) for price in prices] == [canonical(Decimal(text)) for text in columns]


@settings(deadline=None)
@given(PRICES)
def test_a_decimal_taken_apart_is_put_together_again(text: str) -> None:
    assert plain(*scaled(text)) == text
