from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liq_pipeline.warehouse.price_level import price_level

WIDE = Context(prec=100)


def levels(symbol: str, prices: list[str]) -> list[str]:
    return price_level(pl.Series([symbol] * len(prices)), pl.Series(prices)).to_list()


def by_definition(symbol: str, price: Decimal) -> Decimal:
    """Floor to the width, found by trying widths from far too small on."""
    if symbol in ("BTCUSDT", "ETHUSDC", "BTCUSD", "ETHUSDT-251226"):
        width = Decimal(100)
    else:
        widths = (Decimal(step).scaleb(k) for k in range(-40, 40) for step in (1, 2, 5))
        width = max(width for width in widths if width * 1000 <= price)
    return (WIDE.divide(price, width)).to_integral_value(ROUND_FLOOR) * width


@pytest.mark.parametrize(
    ("symbol", "price", "level"),
    [
        ("BTCUSDT", "82651.9", "82600"),
        ("ETHUSDC", "99.5", "0"),
        ("BTCUSD", "100", "100"),
        ("ETHUSDT-251226", "3099.99", "3000"),
        ("BTCDOMUSDT", "4651.9", "4650"),
        ("ETHFIUSDT", "1", "1"),
        # 0.57 / 0.0005 is 1139.9999… in doubles, one level too low.
        ("DOGEUSDT", "0.57", "0.57"),
        ("SOLUSDT", "201.37", "201.2"),
        ("PEPEUSDT", "0.0000123456", "0.00001234"),
        ("XUSDT", "500", "500"),
        ("XUSDT", "499.99", "499.8"),
        ("XUSDT", "0.000000000000000001", "0.000000000000000001"),
        ("XUSDT", "1000000000000000000", "1000000000000000000"),
    ],
)
def test_a_price_is_rounded_down_to_the_width_of_its_coin(symbol: str, price: str, level: str) -> None:
    assert Decimal(levels(symbol, [price])[0]) == Decimal(level) == by_definition(symbol, Decimal(price))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["BTCUSDT", "SOLUSDT"]),
    st.lists(st.decimals("1e-18", "1e18", allow_nan=False, places=18).filter(lambda price: price > 0), min_size=1),
)
def test_any_price_gets_the_level_of_the_definition(symbol: str, prices: list[Decimal]) -> None:
    texts = [f"{price:f}".rstrip("0").rstrip(".") for price in prices]
    assert [Decimal(level) for level in levels(symbol, texts)] == [by_definition(symbol, price) for price in prices]
