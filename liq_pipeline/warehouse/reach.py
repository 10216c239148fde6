"""Whether all that a day's cascades may reach is still there: where it is not, the stored rows are the better ones."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from liq_pipeline.detection.columns import Detection
from liq_pipeline.detection.padding import NO_CROSSING, Span
from liq_pipeline.errors import DayRefusedError
from liq_pipeline.imports.window import day_of
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import retention
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.day_rows import day_span
from liq_pipeline.warehouse.day_state import DayState, refuse_reaching
from liq_pipeline.warehouse.windows import utc

_DAY: Final = timedelta(days=1)
_BESIDE: Final = """
WITH landed AS (
    SELECT time, event_id, symbol, value_usd FROM liquidations_raw WHERE time >= %(start)s AND time < %(end)s
), stored AS (
    SELECT time, event_id, symbol, value_usd FROM liquidations WHERE time >= %(start)s AND time < %(end)s
)
SELECT EXISTS (SELECT FROM landed),
       NOT EXISTS (TABLE landed EXCEPT TABLE stored) AND NOT EXISTS (TABLE stored EXCEPT TABLE landed)"""


def refuse_unreachable(
    connection: Connection, loaded: Span, found: Detection, state: DayState, settings: Settings
) -> None:
    """Raise DayRefusedError if what ``found`` says of the day of ``state`` may lack events that are gone.

    ``loaded`` is the span that was read before: TimescaleDB drops without asking for the day's lock, and what it took
    while the rows were read is known only afterwards. Certain it is where nothing is near the border to the day that
    is gone, or where nothing crossed that border when it could be seen and what is near it has not changed since.
    """
    day = state.day
    span, window = day_span(day), found.params.window_ms
    touching = (found.cascades.start < span.end) & (found.cascades.end >= span.start)
    start = int(found.cascades.start[touching].min(initial=span.end))
    end = int(found.cascades.end[touching].max(initial=span.start))
    refuse_reaching(day_of(start), day, settings)
    lost = retention.gone(connection, _days(loaded))
    if day in lost:
        raise DayRefusedError(lost[day])
    before = max((other for other in lost if other < day), default=None)
    after = min((other for other in lost if other > day), default=None)
    if before and (
        not _is_settled(connection, Span(span.start, span.start + window), state.border_left, state, settings)
        if before == day - _DAY
        else start < day_span(before).end + 2 * window
    ):
        raise DayRefusedError(_sentence(day, before))
    if after and (
        not _is_settled(connection, Span(span.end - window, span.end), state.border_right, state, settings)
        if after == day + _DAY
        else end + 2 * window > day_span(after).start
    ):
        raise DayRefusedError(_sentence(day, after))


def _is_settled(connection: Connection, near: Span, border: str | None, state: DayState, settings: Settings) -> bool:
    """Whether nothing can cross the border that ``near`` is the window beside."""
    bounds = {"start": utc(near.start), "end": utc(near.end)}
    any_landed, same = connection.execute(_BESIDE, bounds).fetchone() or (False, False)
    return not any_landed or (same and border == NO_CROSSING and state.settings_hash == settings.detection_hash)


def _days(span: Span) -> list[date]:
    first, last = day_of(span.start), day_of(span.end - 1)
    return [first + _DAY * number for number in range((last - first).days + 1)]


def _sentence(day: date, lost: date) -> str:
    return (
        f"{day} may share a cascade with {lost}, whose events were dropped by retention: what is stored of {day} was "
        "made of both and is kept as it is"
    )
