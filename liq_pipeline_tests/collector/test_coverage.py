"""What spans say, and what their union is."""

from __future__ import annotations

from liq_pipeline.collector.coverage import Coverage
from liq_pipeline.streams import Span, covered


def pairs(spans: list[Span]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def test_a_span_ends_at_the_last_proof_and_the_next_begins_there() -> None:
    coverage = Coverage("a", 1_000)
    coverage.prove(10_000)
    assert coverage.take() == []
    coverage.prove(10_500)
    coverage.prove(11_200)
    assert pairs(coverage.take()) == [(10_000, 11_200)]
    assert coverage.take() == []
    coverage.prove(12_000)
    assert pairs(coverage.take()) == [(11_200, 12_000)]


def test_proofs_further_apart_than_the_venue_is_silent_do_not_join() -> None:
    coverage = Coverage("a", 1_000)
    for now in (10_000, 10_500, 7_210_500, 7_211_000):
        coverage.prove(now)
    assert pairs(coverage.take()) == [(10_000, 10_500), (7_210_500, 7_211_000)]


def test_a_clock_set_back_makes_no_span_that_runs_backwards() -> None:
    coverage = Coverage("a", 1_000)
    for now in (10_000, 10_500, 9_000, 9_400):
        coverage.prove(now)
    assert pairs(coverage.take()) == [(10_000, 10_500), (9_000, 9_400)]


def test_an_interruption_ends_the_span_at_the_last_proof() -> None:
    coverage = Coverage("a", 1_000)
    coverage.prove(10_000)
    coverage.prove(10_400)
    coverage.interrupt()
    coverage.prove(10_600)
    coverage.prove(10_700)
    assert pairs(coverage.take()) == [(10_000, 10_400), (10_600, 10_700)]


def test_coverage_is_the_union_of_overlapping_connections() -> None:
    spans = [Span("a", 0, 10), Span("b", 8, 20), Span("a", 10, 12), Span("c", 30, 40), Span("d", 20, 21)]
    assert covered(spans) == [(0, 21), (30, 40)]


def test_time_counts_only_when_all_parts_have_it() -> None:
    spans = [Span("a", 0, 10, 0, 2), Span("b", 5, 30, 1, 2), Span("c", 20, 40, 0, 2)]
    assert covered(spans) == [(5, 10), (20, 30)]


def test_a_whole_connection_and_a_divided_one_cover_for_each_other() -> None:
    spans = [Span("a", 0, 10, 0, 2), Span("b", 0, 10, 1, 2), Span("c", 10, 20), Span("d", 30, 40, 0, 3)]
    assert covered(spans) == [(0, 20)]


def test_nothing_covers_nothing() -> None:
    assert covered([]) == []


def test_a_span_ends_where_the_last_proof_says_that_everything_has_come() -> None:
    coverage = Coverage("a", 1_000)
    for now, until in ((10_000, 10_000), (10_500, 9_000), (11_000, 10_200), (11_500, 0), (12_000, 13_000)):
        coverage.prove(now, until)
        assert coverage.end == {10_500: 10_000, 11_500: 10_200}.get(now, min(now, until))
    assert pairs(coverage.take()) == [(10_000, 12_000)]
    coverage.prove(12_100, 11_000)
    coverage.interrupt()
    assert coverage.take() == []
