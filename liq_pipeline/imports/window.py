"""Which event times may be imported: settings exclude days that have no partition or that retention would remove."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from liq_pipeline.liquidation import FUTURE_GRACE_MS
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.day_state import kept_from

_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)


def day_of(time: int) -> date:
    """The UTC day of a time in milliseconds."""
    return _EPOCH + timedelta(days=time // _DAY_MS)


class Window:
    """The times that may be imported at ``now`` (UTC milliseconds)."""

    def __init__(self, settings: Settings, now: int) -> None:
        self.now = now
        self._start_date, self._retention_days = settings.start_date, settings.retention_days
        self._start = _midnight(settings.start_date)
        self._kept_from = _midnight(kept_from(settings, day_of(now)) or settings.start_date)
        self._first, self._last = max(self._start, self._kept_from), now + FUTURE_GRACE_MS

    def admits(self, time: int) -> bool:
        """Whether settings let a time be imported, and it is not in the future."""
        return self._first <= time <= self._last

    def refusal(self, time: int) -> str | None:
        """Why settings exclude a time, naming the setting and the fix."""
        if time < self._start:
            return (
                f"days before LIQ_START_DATE={self._start_date} have no partition; "
                "set it to the first day of the file, before the first start of Dagster, and try again"
            )
        if time < self._kept_from:
            return (
                f"LIQ_RETENTION_DAYS={self._retention_days} would remove days before {day_of(self._kept_from)} "
                "again; raise it, or set it to 0 to keep events for ever, and try again"
            )
        return None


def _midnight(day: date) -> int:
    return (day - _EPOCH).days * _DAY_MS
