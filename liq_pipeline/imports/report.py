"""What became of a file that was imported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple


class RejectedLine(NamedTuple):
    """Where in the file something was rejected, and why."""

    number: int
    reason: str


@dataclass
class ImportReport:
    """What became of a file, of what was left of it if an earlier import was interrupted."""

    name: str = ""
    resumed_after: int = 0
    """Lines that an earlier, interrupted import landed already; they are in no other number here."""
    lines: int = 0
    other: int = 0
    """Lines that are none of the format's rows, such as acknowledgements and pongs."""
    elsewhere: int = 0
    """Rows of the exchange's other market, for another import."""
    new: int = 0
    duplicate: int = 0
    rejected: int = 0
    first_rejected: list[RejectedLine] = field(default_factory=list)
    """The first few; all of them are in ``frames_rejected``."""
    refused: Counter[date] = field(default_factory=Counter)
    """Rows of days that settings exclude, or that another source has; not landed."""
    refusals: set[str] = field(default_factory=set)
    """Why, each naming what is in the way and the fix."""
    failure: str | None = None
    """What ended the file before its end; what came before is landed."""
    days: Counter[date] = field(default_factory=Counter)
    """New rows by day: the days that are stale until they are materialized again."""
    touched: set[date] = field(default_factory=set)
    """Days of all rows that may land, new now or before; those an interrupted import landed among them."""

    @property
    def rows(self) -> int:
        """The rows of this market; each became exactly one of new, duplicate, rejected or refused."""
        return self.new + self.duplicate + self.rejected + self.refused.total()

    def counts(self) -> dict[str, int]:
        """The numbers, as they are kept of a file."""
        return {
            "lines": self.lines,
            "other": self.other,
            "elsewhere": self.elsewhere,
            "new": self.new,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "refused": self.refused.total(),
        }
