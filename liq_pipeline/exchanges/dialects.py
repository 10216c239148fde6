"""Protocols are dated: a frame is read in the dialect of its day, and a frame out of its dialect's time is rejected.

A recording from 2021 parses as the venue meant it in 2021, and an old shape that turns up today shows that something
replays or invents frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.rows import FIRST_MS, LAST_MS


def day_ms(text: str) -> int:
    """The start of a UTC day such as ``2025-02-14``, in milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@dataclass(frozen=True)
class Dialect:
    """One shape of a venue's liquidations, and from when until (excluded) when the venue spoke it."""

    name: str
    feed_semantics: str
    since_ms: int = FIRST_MS
    until_ms: int = LAST_MS

    def check(self, time: int) -> None:
        """Raise InvalidLiquidationError unless the venue spoke this dialect at ``time``, UTC milliseconds."""
        if not self.since_ms <= time < self.until_ms:
            spoken = f"from {_day(self.since_ms)} until {_day(self.until_ms)}"
            raise InvalidLiquidationError(f"a {self.name} row of {_day(time)}: that dialect was spoken {spoken}")


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).date().isoformat()
