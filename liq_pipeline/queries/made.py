"""What there is to ask about: the days, and why an answer is empty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from liq_pipeline.queries.columns import count, day, flag, frame_of, text, time, usd
from liq_pipeline.queries.span import Span
from liq_pipeline.queries.store import Store
from liq_pipeline.queries.volumes import hourly
from liq_pipeline.warehouse.day_state import DayState, derived_kept_from, read_states, stale

_DAY: Final = timedelta(days=1)
DAYS: Final = (
    day("day", "The day."),
    flag("landed", "Liquidations of the day have landed."),
    flag("materialized", "Its tables were made."),
    time("materialized_at", "When, the last time; null if never."),
    text("stale", "Why its tables are not what landed makes of them now; null while they are."),
    time("events_dropped_at", "When retention was found to have dropped its events; null while they are here."),
    count("event_count", "Liquidations in its tables."),
    usd("total_value_usd", "All of them together."),
)
_SUMS: Final = """
SELECT (hour AT TIME ZONE 'UTC')::date, sum(event_count)::bigint, sum(total_value_usd) FROM liquidation_totals
WHERE hour >= %(start)s AND hour < %(end)s GROUP BY 1"""
_NEWEST: Final = "SELECT (max(hour) AT TIME ZONE 'UTC')::date FROM liquidation_totals"


def days(store: Store, span: Span) -> pl.DataFrame:
    """Which days have data, and which are stale.

    UTC days that the span touches, as far as anything is known of them.
    """
    whole = Span.days(span.first_day, span.last_day)
    sums = {on: sums for on, *sums in store.rows(_SUMS, {"start": whole.start, "end": whole.end})}
    nothing: list[DayState] = []
    states = store.ask(lambda asked: read_states(asked, whole.first_day - _DAY, whole.last_day + _DAY), nothing)
    reasons = {item.day: item.reason for item in stale(states, store.settings)}
    rows = [
        _row(state, reasons.get(state.day), sums.get(state.day, (0, 0)))
        for state in states
        if whole.first_day <= state.day <= whole.last_day
    ]
    return frame_of(DAYS, rows)


def newest_day(store: Store) -> date | None:
    """The newest UTC day whose tables hold any liquidation; None where there is none."""
    rows = store.rows(_NEWEST)
    return rows[0][0] if rows else None


def why_empty(store: Store, span: Span, *, symbol: str | None = None, exchange: str | None = None) -> str:
    """Why an answer about the span may be empty, and what would change that: a sentence or two."""
    if not store.has_schema():
        return "The database holds no tables yet: start `liq up`, which makes them."
    known = days(store, span)
    if known_events := int(known.filter("materialized")["event_count"].sum()):
        return _filtered(store, Span.days(span.first_day, span.last_day), known_events, symbol, exchange)
    newest = newest_day(store)
    elsewhere = "" if newest is None else f" The newest day with liquidations in the tables is {newest}."
    return f"{_reason(store, span, known)}{elsewhere}"


def _filtered(store: Store, whole: Span, known: int, symbol: str | None, exchange: str | None) -> str:
    """What there is of days that hold ``known`` liquidations, though not what was asked for."""
    if symbol is None and exchange is None:
        return f"Nothing of this kind was liquidated then: {known:,} liquidations are known of {whole} in all."
    about = " ".join(f"of {name}" for name in (symbol, exchange) if name is not None)
    some = hourly(store, whole, symbol=symbol, exchange=exchange)["event_count"].sum()
    if some:
        return f"Nothing of this kind was liquidated then: {some:,} liquidations {about} are known of {whole} in all."
    upper = "" if symbol is None or symbol == symbol.upper() else f" Is {symbol.upper()} meant?"
    return f"Nothing {about} was liquidated: {known:,} liquidations of others are known of {whole} in all.{upper}"


def _reason(store: Store, span: Span, known: pl.DataFrame) -> str:
    kept = derived_kept_from(store.settings)
    waiting = known.filter(pl.col("landed") & ~pl.col("materialized"))
    if span.start > datetime.now(UTC):
        return f"{span} has not come yet."
    if kept and span.last_day < kept:
        return (
            f"{span} is beyond retention, which keeps rollups, cascades and significant liquidations from {kept} on "
            "(LIQ_RETENTION_DAYS, LIQ_ROLLUP_RETENTION_DAYS)."
        )
    if len(waiting):
        first, *_, last = [*waiting["day"], *waiting["day"]]
        return (
            f"Liquidations of {span} have landed, and the tables were not made of them yet: `liq up` does that every "
            f"few minutes, `liq materialize --from {first} --to {last}` now."
        )
    if known["landed"].any():
        return f"The tables of {span} were made, and hold nothing of these hours."
    return f"Nothing has landed of {span}: collect with `liq up`, or bring it in with `liq import`."


def _row(state: DayState, reason: str | None, sums: Sequence[Any]) -> dict[str, Any]:
    return {
        "day": state.day,
        "landed": state.raw_version > 0,
        "materialized": state.materialization > 0,
        "materialized_at": state.materialized_at,
        "stale": reason,
        "events_dropped_at": state.events_dropped_at,
        "event_count": sums[0],
        "total_value_usd": sums[1],
    }
