"""Which days may be materialized, and which of them are stale and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from psycopg.rows import class_row

from liq_pipeline.errors import DayRefusedError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import Connection

_DAY: Final = timedelta(days=1)
_STATES: Final = """
SELECT day, raw_version, materialized_version, settings_hash, border_left, border_right, materialization,
       materialized_at, events_dropped_at
FROM day_state WHERE day BETWEEN %s AND %s ORDER BY day"""


@dataclass(frozen=True)
class DayState:
    """A row of ``day_state``."""

    day: date
    raw_version: int
    materialized_version: int | None = None
    settings_hash: str | None = None
    border_left: str | None = None
    border_right: str | None = None
    materialization: int = 0
    materialized_at: datetime | None = None
    events_dropped_at: datetime | None = None


class StaleDay(NamedTuple):
    """A day whose tables are not what its raw rows and today's settings make, and why."""

    day: date
    reason: str


def read_states(connection: Connection, first: date = date.min, last: date = date.max) -> list[DayState]:
    """The states of the days from ``first`` to ``last``, inclusive, in order."""
    with connection.cursor(row_factory=class_row(DayState)) as cursor:
        return cursor.execute(_STATES, (first, last)).fetchall()


def stale(states: Iterable[DayState], settings: Settings, today: date | None = None) -> list[StaleDay]:
    """The stale ones of ``states``, in order; days that may not be materialized are not among them.

    Borders are compared between days that are up to date by themselves: re-running the others comes first, and may
    settle the border. A re-run day reads the same raw rows as its neighbour, so re-running ends.
    """
    allowed = {
        state.day: state
        for state in states
        if state.events_dropped_at is None and refusal(state.day, settings, today) is None
    }
    reasons = ((day, _reason(state, allowed, settings)) for day, state in sorted(allowed.items()))
    return [StaleDay(day, reason) for day, reason in reasons if reason is not None]


def refusal(day: date, settings: Settings, today: date | None = None) -> str | None:
    """Why ``day`` may not be materialized, with the fix; None if it may."""
    if day < settings.start_date:
        return f"{day} is before LIQ_START_DATE={settings.start_date}, the first partition: set it to {day} or earlier"
    kept = kept_from(settings, today)
    if kept and day < kept:
        return (
            f"the events of {day} are beyond LIQ_RETENTION_DAYS={settings.retention_days}, which keeps those "
            f"from {kept} on: raise it, or set it to 0 to keep events for ever"
        )
    return None


def refuse_reaching(start: date, day: date, settings: Settings) -> None:
    """Raise DayRefusedError if a cascade that touches ``day`` started on a day whose events are not kept."""
    kept = kept_from(settings)
    if kept and start < kept:
        raise DayRefusedError(
            f"{day} holds a cascade that started on {start}, beyond LIQ_RETENTION_DAYS={settings.retention_days}: "
            "raise it, or set it to 0 to keep events for ever"
        )


def kept_from(settings: Settings, today: date | None = None) -> date | None:
    """The first day whose events retention keeps; None if it keeps all."""
    return (today or _today()) - timedelta(days=settings.retention_days) if settings.retention_days else None


def derived_kept_from(settings: Settings, today: date | None = None) -> date | None:
    """The same for rollups, cascades and significant rows."""
    return (today or _today()) - timedelta(days=settings.derived_days) if settings.derived_days else None


def _reason(state: DayState, states: Mapping[date, DayState], settings: Settings) -> str | None:
    if own := _own_reason(state, settings):
        return own
    before, after = states.get(state.day - _DAY), states.get(state.day + _DAY)
    if before and _own_reason(before, settings) is None and before.border_right != state.border_left:
        return f"a cascade over midnight differs from what {before.day} holds"
    if after and _own_reason(after, settings) is None and after.border_left != state.border_right:
        return f"a cascade over midnight differs from what {after.day} holds"
    return None


def _own_reason(state: DayState, settings: Settings) -> str | None:
    if state.materialized_version is None:
        return "never materialized"
    if state.materialized_version != state.raw_version:
        return "rows landed since it was materialized"
    if state.settings_hash != settings.detection_hash:
        return "materialized with other cascade or significance settings"
    return None


def _today() -> date:
    return datetime.now(UTC).date()
