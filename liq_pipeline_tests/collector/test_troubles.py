"""What a line says of the time in which it covers nothing."""

from __future__ import annotations

from liq_pipeline.collector.troubles import OVERLOADED, SILENT, Troubles
from liq_pipeline.streams import Trouble


def test_a_line_without_troubles_says_nothing() -> None:
    troubles = Troubles(10_000)
    for now in (10_500, 11_000):
        troubles.prove(now)
    assert troubles.take(11_200) == []


def test_a_trouble_lasts_from_the_last_proof_to_the_next_and_is_said_meanwhile() -> None:
    troubles = Troubles(10_000)
    troubles.prove(10_500)
    troubles.begin(SILENT, troubles.proven_at)
    assert troubles.take(12_000) == [Trouble(SILENT, 10_500, 12_000)]
    troubles.begin(SILENT, 12_500)
    troubles.prove(13_000)
    assert troubles.take(14_000) == [Trouble(SILENT, 12_000, 13_000)]


def test_a_trouble_of_another_kind_ends_the_first() -> None:
    troubles = Troubles(10_000)
    troubles.begin(OVERLOADED, 10_000)
    troubles.begin(SILENT, 11_000)
    assert troubles.take(12_000) == [Trouble(OVERLOADED, 10_000, 11_000), Trouble(SILENT, 11_000, 12_000)]


def test_time_after_a_trouble_that_ended_otherwise_is_not_part_of_the_next() -> None:
    troubles = Troubles(10_000)
    troubles.begin(SILENT, 10_000)
    troubles.end(11_000)
    troubles.begin(SILENT, 90_000)
    assert troubles.take(91_000) == [Trouble(SILENT, 10_000, 11_000), Trouble(SILENT, 90_000, 91_000)]


def test_a_clock_set_back_makes_no_trouble_that_runs_backwards() -> None:
    troubles = Troubles(10_000)
    troubles.begin(SILENT, 10_000)
    assert troubles.take(9_000) == []
    troubles.prove(9_500)
    assert troubles.take(9_600) == []
