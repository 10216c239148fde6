"""Sets of time: disjoint ascending half-open spans (start, end) in milliseconds. Operations are linear in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Spans = list[tuple[int, int]]


def union(spans: Iterable[tuple[int, int]]) -> Spans:
    """The time in any of ``spans``, whatever their order; spans that touch are joined, empty ones dropped."""
    merged: Spans = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def intersection(left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> Spans:
    """The time in both."""
    common: Spans = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            common.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return common


def difference(left: Sequence[tuple[int, int]], right: Sequence[tuple[int, int]]) -> Spans:
    """The time in ``left`` and not in ``right``."""
    if not left:
        return []
    first, last = left[0][0], left[-1][1]
    edges = [first, *(edge for start, end in right for edge in (start, end)), last]
    outside = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    return intersection(left, outside)


def length(spans: Iterable[tuple[int, int]]) -> int:
    """How long they are together, milliseconds."""
    return sum(end - start for start, end in spans)
