"""Sets of time, compared with sets of milliseconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline import spans

_SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def milliseconds(of: list[tuple[int, int]]) -> set[int]:
    return {ms for start, end in of for ms in range(start, end)}


def is_plain(of: list[tuple[int, int]]) -> bool:
    """Ascending and apart, and none of them empty."""
    edges = [edge for span in of for edge in span]
    return edges == sorted(set(edges))


@given(_SPANS, _SPANS)
def test_operations_are_those_of_sets(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    left, right = spans.union(some), spans.union(others)
    assert milliseconds(left) == milliseconds(some)
    assert milliseconds(spans.intersection(left, right)) == milliseconds(some) & milliseconds(others)
    assert milliseconds(spans.difference(left, right)) == milliseconds(some) - milliseconds(others)
    assert all(map(is_plain, (left, spans.intersection(left, right), spans.difference(left, right))))
    assert spans.length(left) == len(milliseconds(some))
