"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from liq_pipeline import saying


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.004, "<0.01"),
        (0.5, "0.5"),
        (800, "800"),
        (999.6, "1k"),
        (12_345, "12.3k"),
        (450_000, "450k"),
        (999_999, "1M"),
        (Decimal("12345678.901234"), "12.3M"),
        (1.5e9, "1.5B"),
        (4.2e12, "4,200B"),
    ],
)
def test_an_amount_has_three_digits_and_never_an_exponent(value: float | Decimal, said: str) -> None:
    assert saying.usd(value) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0.0 %"), (0.0004, "<0.1 %"), (0.123, "12.3 %"), (0.99999, ">99.9 %"), (1, "100.0 %")]
)
def test_only_the_whole_is_a_hundred_percent(share: float, said: str) -> None:
    assert saying.percent(share) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.85, "850 ms"),
        (12.34, "12.3 s"),
        (59.96, "1 min"),
        (245, "4 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86_400, "24 h"),
    ],
)
def test_a_length_of_time_has_at_most_two_units(seconds: float, said: str) -> None:
    assert saying.span(seconds) == said


def test_a_price_keeps_all_its_digits() -> None:
    assert saying.price(Decimal("91234.50")) == "91,234.50"
    assert saying.price(Decimal("1.2E-7")) == "0.00000012"
