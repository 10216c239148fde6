from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.liquidation import EXACT, canonical, event_id, inverse_quantity, number, usd


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.190", "0.19"), ("1.90E2", "190"), ("100", "100"), ("0.0000010", "0.000001"), ("007.5", "7.5")],
)
def test_numbers_written_differently_have_one_canonical_form(text: str, expected: str) -> None:
    assert canonical(number("price", text)) == expected


@given(st.decimals(min_value="1e-18", max_value="1e18", places=18))
def test_a_canonical_number_is_the_same_number_without_exponent_or_trailing_zeros(value: Decimal) -> None:
    text = canonical(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "Infinity", "-Infinity", "-1", "0", "0.000", "1e-19", "1e19", "1e999999"]
)
def test_a_number_that_cannot_be_a_price_names_the_field_and_the_value(text: str) -> None:
    with pytest.raises(InvalidLiquidationError, match="price") as caught:
        number("price", text)
    assert repr(text) in str(caught.value)


@given(st.decimals(min_value="1e-18", max_value="1e12") | st.integers(1, 10**12).map(Decimal))
def test_usd_is_the_canonical_form_of_the_rounded_amount(value: Decimal) -> None:
    assert usd(value) == canonical(EXACT.quantize(value, Decimal("0.000001")))


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("1.0000005", "1"), ("1.0000015", "1.000002"), ("0.0000005", "0"), ("82651.90", "82651.9")],
)
def test_usd_is_rounded_half_even_to_six_places(exact: str, rounded: str) -> None:
    assert usd(Decimal(exact)) == rounded


def test_usd_beyond_a_trillion_is_refused() -> None:
    with pytest.raises(InvalidLiquidationError, match="1E"):
        usd(Decimal("1000000000000.01"))


def test_inverse_quantities_have_twelve_places_half_even() -> None:
    assert inverse_quantity(Decimal("0.0000000000005")) == "0"
    assert inverse_quantity(Decimal("0.0000000000015")) == "0.000000000002"


def test_event_ids_never_change() -> None:
    identity = ("BTCUSDT", "1791565602120", "SELL", "82338.3", "0.19")
    assert event_id("binance", *identity) == "c8c2b261-65f2-5cc8-040a-4407d03e8d1f"
    assert event_id("binance", *identity, ordinal=1) != event_id("binance", *identity)


def test_fields_of_an_event_id_cannot_run_into_each_other() -> None:
    assert event_id("x", "ab", "c") != event_id("x", "a", "bc")
