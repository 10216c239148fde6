"""The time a query is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from liq_pipeline.errors import QueryError

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """The time from ``start`` on and before ``end``, both UTC. Buckets belong to the span in which they begin.

    Raises QueryError for times without a time zone, and for an end before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            at: datetime = getattr(self, name)
            if at.tzinfo is None:
                raise QueryError(f"{name} {at} has no time zone: write it with tzinfo=UTC")
            object.__setattr__(self, name, at.astimezone(UTC))
        if self.end < self.start:
            raise QueryError(
                f"the span ends at {self.end:%Y-%m-%d %H:%M}, before it starts: {self.start:%Y-%m-%d %H:%M}"
            )

    @classmethod
    def last(cls, hours: float = 24, now: datetime | None = None) -> Span:
        """The ``hours`` that end now."""
        end = now or datetime.now(UTC)
        return cls(end - timedelta(hours=hours), end)

    @classmethod
    def day(cls, day: date) -> Span:
        """One UTC day."""
        return cls.days(day, day)

    @classmethod
    def days(cls, first: date, last: date) -> Span:
        """The UTC days from ``first`` to ``last``, both included."""
        if last < first:
            raise QueryError(f"the span ends before it starts: {first} to {last}")
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
