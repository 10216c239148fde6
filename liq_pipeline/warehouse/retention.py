"""What retention takes, and what it has taken: days whose events are gone.

Such a day keeps what was made of its events, and is never made again from what is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from liq_pipeline.warehouse.connection import Connection

EVENTS: Final = {"liquidations_raw": "time", "liquidations": "time"}
"""Kept for LIQ_RETENTION_DAYS: the table and its time column. The first is dropped first: what can no longer be made
again is known to be so before what was made of it goes."""
DERIVED: Final = {
    "liquidations_significant": "time",
    "liquidation_cascades": "cascade_start",
    "liquidations_hourly": "hour",
    "liquidation_price_levels": "hour",
    "liquidation_exchange_comparison": "period",
}
"""Kept for LIQ_ROLLUP_RETENTION_DAYS."""

_GONE: Final = """
SELECT day FROM day_state
WHERE day = ANY(%s) AND (events_dropped_at IS NOT NULL OR raw_version > 0 AND events_are_missing(day))"""
_NOTE: Final = """
UPDATE day_state SET events_dropped_at = now()
WHERE raw_version > 0 AND events_dropped_at IS NULL AND events_are_missing(day)
RETURNING day"""


def gone(connection: Connection, days: Iterable[date]) -> dict[date, str]:
    """Those of ``days`` whose events landed and were dropped, each with the sentence to refuse it with.

    True whatever the settings say now: retention may have been raised since.
    """
    found = connection.execute(_GONE, (list(days),)).fetchall()
    return {day: _sentence(day) for (day,) in found}


def note(connection: Connection) -> list[date]:
    """Write down which days TimescaleDB's policy has taken the events of since the last time; those days."""
    return sorted(day for (day,) in connection.execute(_NOTE).fetchall())


def _sentence(day: date) -> str:
    return (
        f"the events of {day} were dropped by retention, and what was made of them is kept as it is: to bring the day "
        f"in again from an archive, raise LIQ_RETENTION_DAYS and let go of it first with UPDATE day_state "
        f"SET raw_version = 0, materialized_version = NULL, events_dropped_at = NULL WHERE day = '{day}'; "
        f"DELETE FROM unmatched_days WHERE day = '{day}'"
    )
