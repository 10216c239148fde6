"""Live against batch: what counts as a difference, and which reason each is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from liq_pipeline.dagster_defs.checks import rules
from liq_pipeline.dagster_defs.checks.parity import (
    UNEXPLAINED,
    Difference,
    Evidence,
    Known,
    differences,
    judge,
    live_equals_batch,
    reason,
)
from liq_pipeline.live.records import Blind, LateEvent
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.live_record import LiveRecord, definition
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.warehouse.making import DAY, KEEP, NOON, entry, query

START = datetime(2025, 12, 10, tzinfo=UTC)
END = START + timedelta(days=1)
OURS = definition(KEEP)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def row(start: float, end: float, number: int = 1, symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    columns = {
        "cascade_id": f"id-{number}",
        "symbol": symbol,
        "cascade_start": at(start),
        "cascade_end": at(end),
        "duration_seconds": Decimal(str(end - start)),
        "event_count": 5,
        "total_value_usd": Decimal("123456.789"),
        "avg_risk_score": Decimal("0.5"),
        "max_risk_score": Decimal("0.6"),
        "exchanges_involved": ["binance"],
        "exchange_count": 1,
        "long_count": 5,
        "short_count": 0,
        "hot_event_count": 1,
        "max_event_usd": Decimal(50_000),
        "price_start": Decimal(100),
        "price_end": Decimal(99),
        "definition": OURS,
        "recorded_at": at(end + 120),
    }
    return columns | changes


def found(batch: list[dict[str, Any]], live: list[dict[str, Any]]) -> list[Difference]:
    return differences(batch, live, OURS, START, END)


def known(**changes: Any) -> Known:
    far = at(50_000)
    return Known(far, far, far, timedelta(seconds=60), END)._replace(**changes)


def test_equal_cascades_are_no_difference_whatever_the_notation_of_their_numbers() -> None:
    batch, live = row(10, 20), row(10, 20, total_value_usd=Decimal("123456.789000"), duration_seconds=Decimal("10.000"))
    assert found([batch], [live]) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[(name, 77) for name in ("event_count", "exchange_count", "long_count", "short_count", "hot_event_count")],
        *[(name, Decimal("0.000001")) for name in ("total_value_usd", "avg_risk_score", "max_risk_score")],
        *[(name, Decimal("0.000001")) for name in ("duration_seconds", "max_event_usd", "price_start", "price_end")],
        ("exchanges_involved", ["okx"]),
        ("cascade_id", "id-9"),
        ("cascade_start", at(10.001)),
        ("cascade_end", at(20.001)),
    ],
)
def test_every_column_counts(column: str, value: Any) -> None:
    (difference,) = found([row(10, 20)], [row(10, 20, **{column: value})])
    assert difference.columns == (column,)


def test_cascades_are_paired_by_id_and_else_by_overlap_and_what_is_left_stands_alone() -> None:
    batch = [row(10, 100, 1), row(1000, 1010, 2), row(5000, 5010, 3, "ETHUSDT")]
    live = [row(15, 100, 4), row(2000, 2010, 5), row(5000, 5010, 3, "ETHUSDT")]
    first, second, third = found(batch, live)
    assert (first.batch, first.live, first.columns[:2]) == (batch[0], live[0], ("cascade_id", "cascade_start"))
    assert (second.batch, second.live) == (batch[1], None)
    assert (third.batch, third.live) == (None, live[1])


def test_a_cascade_belongs_to_the_day_it_began_on_and_is_paired_with_what_began_on_another() -> None:
    yesterdays = row(-50, 20, 1)
    assert found([yesterdays], [row(10, 20, 2)]) == []
    (difference,) = found([yesterdays, row(86_390, 86_500, 3)], [yesterdays, row(86_401, 86_500, 4)])
    assert difference.columns == ("cascade_id", "cascade_start", "duration_seconds")


@dataclass(frozen=True)
class Case:
    expected: str | None
    batch: dict[str, Any] | None
    live: dict[str, Any] | None
    evidence: Evidence | None = None
    changes: tuple[tuple[str, Any], ...] = ()
    other_settings: bool = False


BEFORE = Evidence(at(30))
SHORTER = row(10, 20, event_count=4)
AN_HOUR_LATER = tuple((name, END + timedelta(hours=1)) for name in ("watermark", "drained_until"))
CASES = {
    "nothing explains a missing one": Case(UNEXPLAINED, row(10, 20), None, BEFORE),
    "nothing explains other numbers": Case(UNEXPLAINED, row(10, 20), SHORTER, BEFORE),
    "nothing explains one that is only live": Case(UNEXPLAINED, None, row(10, 20)),
    "a member came from a file": Case("imported", row(10, 20), SHORTER, BEFORE._replace(imported=True)),
    "a member was older than the memory": Case("late event", row(10, 20), SHORTER, BEFORE._replace(late=True)),
    "a member landed while no view ran": Case("gap", row(10, 20), None, BEFORE._replace(blind=True)),
    "Redis lost what the view had seen": Case("gap", None, row(10, 20), None, (("blind", [(at(25), at(90))]),)),
    "a view ran again long before": Case(UNEXPLAINED, None, row(10, 20), None, (("blind", [(at(-90), at(9))]),)),
    "found with other settings": Case("settings changed", row(10, 20), None, BEFORE, (), True),
    "rows were read again since": Case("reparsed", row(10, 20), SHORTER, BEFORE, (("reparsed_at", at(141)),)),
    "rows were read again before": Case(UNEXPLAINED, row(10, 20), SHORTER, BEFORE, (("reparsed_at", at(139)),)),
    "not final by the watermark": Case(None, row(10, 20), None, BEFORE, (("watermark", at(79)),)),
    "final by the watermark": Case(UNEXPLAINED, row(10, 20), None, BEFORE, (("watermark", at(80)),)),
    "the day is stale": Case(None, row(10, 20), SHORTER, BEFORE, (("fresh", False),)),
    "a member that the view has not read": Case(None, row(10, 20), SHORTER, Evidence(at(49_990))),
    "recorded after the streams were drained": Case(None, None, row(10, 20), None, (("drained_until", at(150)),)),
    "it may go on in what was not drained": Case(None, row(10, 20), None, BEFORE, (("drained_until", at(379)),)),
    "nothing of it is still to come": Case(UNEXPLAINED, row(10, 20), None, BEFORE, (("drained_until", at(380)),)),
    "never drained": Case(None, None, row(10, 20), None, (("drained_until", None),)),
    "over midnight into a stale day": Case(
        None, row(86_300, 86_350), None, BEFORE, (("next_fresh", False), *AN_HOUR_LATER)
    ),
    "just before midnight, the next day stale": Case(
        UNEXPLAINED, row(86_300, 86_340), None, BEFORE, (("next_fresh", False), *AN_HOUR_LATER)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_difference_has_the_reason_its_evidence_gives(case: Case) -> None:
    difference = Difference(case.batch, case.live, other_settings=case.other_settings)
    assert reason(difference, case.evidence, known(**dict(case.changes))) == case.expected


def test_only_what_nothing_explains_fails_and_it_is_shown_first() -> None:
    missing = [Difference(row(n, n + 1, n), None) for n in range(20)]
    evidence = {f"id-{n}": BEFORE._replace(late=n != 15) for n in range(20)}
    verdict = judge(missing, evidence, known(), 30)
    assert not verdict.passed
    assert (verdict.seen["differences"], verdict.seen["late_event"], verdict.seen["unexplained"]) == (20, 19, 1)
    assert len(verdict.worst) == 10
    assert verdict.worst[0]["cascade_id"] == "id-15"
    assert judge(missing, {name: BEFORE._replace(late=True) for name in evidence}, known(), 30).passed
    unread = judge(missing, evidence, known(watermark=at(0)), 30)
    assert unread.passed
    assert unread.seen["not_finished"] == 20


# From here on with tables: the batch's, and records that say the same but for what a test changes.


@pytest.fixture
def day_url(database_url: str) -> str:
    """A database with a day that has two cascades, both recorded by a live view that is far ahead."""
    migrate(database_url, plain=True)
    bursts = [
        entry(n, NOON + start + n * 100, value_usd="50000", symbol=symbol, contract=symbol)
        for start, symbol in ((0, "ETHUSDT"), (600_000, "BTCUSDT"))
        for n in range(8)
    ]
    with connect(database_url) as connection:
        insert_rows(connection, bursts)
    materialize_events(database_url, DAY, KEEP)
    _recorded(database_url)
    return database_url


def _recorded(database_url: str) -> None:
    """The live view shows what the batch found."""
    columns = (
        "cascade_id, event_count, symbol, cascade_start, cascade_end, duration_seconds, total_value_usd,"
        " avg_risk_score, max_risk_score, exchanges_involved, exchange_count, long_count, short_count,"
        " hot_event_count, max_event_usd, price_start, price_end"
    )
    query(
        database_url,
        f"INSERT INTO live_cascades ({columns}, definition, supersedes, finalized_at, recorded_at)"
        f" SELECT {columns}, %s, '{{}}', cascade_end, cascade_end FROM liquidation_cascades",
        OURS,
    )
    later = NOON + 80_000_000
    LiveRecord(database_url, KEEP).record([Blind(0, NOON - 80_000_000, "first start")], watermark=later, landed=later)
    query(database_url, "INSERT INTO loader_state VALUES (true, to_timestamp(%s / 1000.0))", later)


def _verdict(database_url: str) -> rules.Verdict:
    with rules.looking(database_url, [DAY], KEEP) as (look,):
        return live_equals_batch(look)


def test_a_day_that_was_shown_as_it_is_passes(day_url: str) -> None:
    verdict = _verdict(day_url)
    assert verdict.passed
    assert verdict.seen == {"cascades": 2, "differences": 0, "not_finished": 0}


def test_a_record_that_says_something_else_fails(day_url: str) -> None:
    for statement in (
        "UPDATE live_cascades SET total_value_usd = total_value_usd + 0.000001 WHERE symbol = 'ETHUSDT'",
        "UPDATE live_cascades SET symbol = 'SOLUSDT' WHERE symbol = 'ETHUSDT'",
        "DELETE FROM live_cascades WHERE symbol = 'ETHUSDT'",
    ):
        query(day_url, statement)
        verdict = _verdict(day_url)
        assert not verdict.passed
        assert verdict.severe
        assert int(verdict.seen["unexplained"]) >= 1


def test_events_brought_in_from_a_file_are_named_as_the_reason(day_url: str) -> None:
    late = entry(30, NOON + 350, value_usd="1", symbol="ETHUSDT", contract="ETHUSDT")
    with connect(day_url) as connection:
        insert_rows(connection, [late._replace(source="import:tardis")])
    assert _verdict(day_url).passed  # The day is stale: it says nothing yet.
    materialize_events(day_url, DAY, KEEP)
    verdict = _verdict(day_url)
    assert verdict.passed
    assert (verdict.seen["differences"], verdict.seen["imported"]) == (1, 1)
    assert str(verdict.worst[0]["tables"]).startswith("event_count 9, total_value_usd 400001")


def test_late_events_and_spans_without_a_view_are_named_as_the_reason(day_url: str) -> None:
    event = entry(31, NOON + 360, value_usd="1", symbol="ETHUSDT", contract="ETHUSDT")
    with connect(day_url) as connection:
        insert_rows(connection, [event])
    materialize_events(day_url, DAY, KEEP)
    assert not _verdict(day_url).passed
    seen = event.received_at
    late = LateEvent(event.liquidation.event_id, "binance", "ETHUSDT", event.liquidation.time, seen)
    for told, why in ((late, "late_event"), (Blind(seen - 5, seen + 5, "none ran"), "gap")):
        LiveRecord(day_url, KEEP).record([told], watermark=None, landed=0)
        verdict = _verdict(day_url)
        assert verdict.passed
        assert verdict.seen[why] == 1


def test_a_day_without_a_live_view_says_so_and_passes(day_url: str) -> None:
    query(day_url, "DELETE FROM live_cascades")
    query(day_url, "UPDATE live_blind_spans SET ended_at = ended_at + interval '5 days'")
    assert "no live view ran on 2025-12-10" in _verdict(day_url).description
    query(day_url, "DELETE FROM live_state")
    assert "no live view has recorded anything yet" in _verdict(day_url).description
    assert _verdict(day_url).passed
