"""Random draws that are the same on every platform and Python version.

Only ``Random.random()`` is promised to repeat for a seed; the library's own distributions may change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A seeded source of the few distributions a market needs."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * self._random.random()

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def exponential(self, mean: float) -> float:
        return -mean * math.log(1.0 - self._random.random())

    def normal(self) -> float:
        radius = math.sqrt(-2.0 * math.log(1.0 - self._random.random()))
        return radius * math.cos(2.0 * math.pi * self._random.random())

    def poisson(self, mean: float) -> int:
        """Knuth's method; ``mean`` is small here."""
        limit, product, count = math.exp(-mean), self._random.random(), 0
        while product > limit:
            product *= self._random.random()
            count += 1
        return count

    def pick(self, items: Sequence[T], weights: Sequence[float]) -> T:
        point = self._random.random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        return items[-1]
