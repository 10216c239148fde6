"""What a reparse did, or in a dry run would have done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass
class ReparsedDay:
    """What became of the rows a day had."""

    rows: int = 0
    changed: int = 0
    """Rows that read differently now; those with another ``event_id`` are in ``new_ids`` too."""
    new_ids: int = 0
    rejected: int = 0
    """Rows that cannot be rows any more, and are in ``frames_rejected`` now."""

    def turned_down(self) -> None:
        """A row that was counted as changed could not land."""
        self.changed -= 1
        self.rejected += 1


@dataclass
class ReparseReport:
    """Rows by the day they were on, and rejected frames."""

    days: dict[date, ReparsedDay] = field(default_factory=dict)
    merged: int = 0
    """Changed rows that turned out to be a liquidation that is there already."""
    stale: set[date] = field(default_factory=set)
    """Days whose rows changed."""
    retried: int = 0
    """Rejected frames that were read again."""
    recovered: int = 0
    """Those that are understood now, and in ``frames_rejected`` no longer."""
    new: int = 0
    duplicate: int = 0
    """The rows they held: landed now, or there already."""
    excluded: int = 0
    """Frames that are understood, but stay: their days may not be landed on."""
    exclusions: set[str] = field(default_factory=set)
    """Why, each naming the setting and the fix."""
