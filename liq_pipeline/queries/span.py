"""The time a query is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from liq_pipeline.errors import QueryError

_DAY = timedelta(days=1)
_YEARS = range(1900, 3001)
"""Of spans: the days around one, and the UTC times in any zone, are times, too."""


@dataclass(frozen=True)
class Span:
    """The time from ``start`` on and before ``end``, both UTC. Buckets belong to the span in which they begin.

    Raises QueryError for times without a time zone or far from ours, and for an end before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.tzinfo is None:
                raise QueryError(f"{name} {at} has no time zone: write it with tzinfo=UTC")
            _refuse_far(at)
            object.__setattr__(self, name, at.astimezone(UTC))
        if self.end < self.start:
            raise QueryError(
                f"the span ends at {self.end:%Y-%m-%d %H:%M}, before it starts: {self.start:%Y-%m-%d %H:%M}"
            )

    @classmethod
    def last(cls, hours: float = 24, now: datetime | None = None) -> Span:
        """The ``hours`` that end now."""
        end = now or datetime.now(UTC)
        try:
            return cls(end - timedelta(hours=hours), end)
        except (ValueError, OverflowError):
            raise QueryError(f"{hours} hours before {end:%Y-%m-%d} is no time: say a number such as 24") from None

    @classmethod
    def day(cls, day: date) -> Span:
        """One UTC day."""
        return cls.days(day, day)

    @classmethod
    def days(cls, first: date, last: date) -> Span:
        """The UTC days from ``first`` to ``last``, both included."""
        if last < first:
            raise QueryError(f"the span ends before it starts: {first} to {last}")
        _refuse_far(last)
        return cls(datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC) + _DAY)

    @property
    def first_day(self) -> date:
        """The UTC day of the start."""
        return self.start.date()

    @property
    def last_day(self) -> date:
        """The last UTC day of which the span has anything."""
        return max(self.start, self.end - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        midnights = self.start.time() == self.end.time() == time()
        if midnights and self.last_day == self.first_day:
            return f"{self.first_day} UTC"
        if midnights:
            return f"{self.first_day} to {self.last_day} UTC"
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def _refuse_far(at: date) -> None:
    if at.year not in _YEARS:
        raise QueryError(f"{at.isoformat()[:10]} is too far away: ask for {_YEARS[0]} to {_YEARS[-1]}")
