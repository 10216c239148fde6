from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np

from liq_pipeline.detection.risk import Windows, round_difference, scores
from liq_pipeline.detection.ticks import Spread

CALM = (100, 0, 0)


def windows(rows: list[tuple[int, int, int, int, tuple[int, int, int]]]) -> Windows:
    """Windows of (events, micro-USD, span in ms, lean, prices), without large events, on one exchange."""
    events, value, span, lean = (np.array(column, dtype=np.int64) for column in list(zip(*rows, strict=True))[:4])
    prices = Spread(*np.array([row[4] for row in rows], dtype=np.int64).T)
    none = np.zeros(len(rows), dtype=np.int64)
    return Windows(events, value, span, lean, none, none, prices)


def test_ties_that_doubles_miss_are_rounded_to_even() -> None:
    # Spans and counts without other primes than the terms' factors have, so that a value exists that makes a tie.
    spans = [2**a * 5**b * 3**c for a, b, c in product(range(2, 18), range(9), range(2))]
    rows, expected = [], []
    for count, span, lean, millionths in product((1, 2, 4, 5, 8, 10, 16, 25), spans, (0, 1), (7, 1_000, 123_456)):
        rest = Fraction(1_200_000_000 * count, span) + Fraction(150_000 * lean, count)
        value = (millionths + Fraction(1, 2) + -rest % 1) * 4_000_000
        if 6_000 * count <= span <= 86_400_000 and value.denominator == 1 and value < 10**12:
            # All prices the same, or so wild that the price term is nothing.
            wild = count > 1 and millionths == 7
            rows.append((count, int(value), span, lean, (1, count, count**2) if wild else CALM))
            score = rest + value / 4_000_000 + (0 if wild else 200_000)
            assert score.denominator == 2
            expected.append(round(score))

    assert len(rows) > 1_000
    assert scores(windows(rows)).tolist() == expected


def test_the_cost_of_a_tie_does_not_grow_with_its_window() -> None:
    billion = 10**9
    row = (2 * billion, 2_000_000, 1_000, 0, CALM)

    # By hand: 0.25 * 2 / 1e6 + 0.20 + 0.20 = 0.4000005.
    assert scores(windows([row])).tolist() == [400_000]


def test_a_difference_with_a_root_is_rounded_exactly() -> None:
    with localcontext() as context:
        context.prec = 60
        for minuend, square, divisor in product(range(40), range(60), range(1, 8)):
            exact = (Decimal(minuend) - Decimal(square).sqrt()) / divisor
            # Where the root is whole the quotient is a fraction, which 60 digits may not hold but Fraction does.
            root = Decimal(square).sqrt()
            whole = root == root.to_integral_value()
            wanted = round(Fraction(minuend - int(root), divisor)) if whole else round(exact)
            assert round_difference(minuend, square, divisor) == wanted, (minuend, square, divisor)
