"""What is missing and may still be in a venue's history, and what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.windows import utc

REASONS: Final = ("down", "silent", "overloaded")
"""Of gaps that history can fill: a throttled venue's history is throttled too."""

_UNHEALED: Final = """
SELECT exchange, (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM ended_at) * 1000)::bigint
FROM feed_gaps
WHERE exchange = %s AND healed_at IS NULL AND reason = ANY(%s) AND started_at < %s AND ended_at > %s
ORDER BY started_at, reason"""
_KNOWN: Final = """
SELECT event_id::text FROM liquidations_raw WHERE time >= %s AND time < %s AND event_id = ANY(%s::uuid[])"""
_RECORDED: Final = "SELECT frame FROM frames_rejected WHERE source = %s AND frame = ANY(%s)"
_BATCH: Final = 10_000


class Gap(NamedTuple):
    """A span in which a feed was not seen, UTC milliseconds, its end excluded."""

    feed: str
    start: int
    end: int

    def within(self, start: int, end: int) -> Gap | None:
        """The part of it from ``start`` to ``end``, if there is one."""
        cut = Gap(self.feed, max(self.start, start), min(self.end, end))
        return cut if cut.start < cut.end else None


def unhealed(connection: Connection, feed: str, start_ms: int, end_ms: int) -> list[Gap]:
    """The gaps of a feed that touch [``start_ms``, ``end_ms``) and are not filled, in order of time."""
    values = (feed, list(REASONS), utc(end_ms), utc(start_ms))
    return [Gap(*row) for row in connection.execute(_UNHEALED, values)]


def known(connection: Connection, event_ids: Sequence[str], start_ms: int, end_ms: int) -> set[str]:
    """Those of the ids that the database has within the span."""
    found: set[str] = set()
    for first in range(0, len(event_ids), _BATCH):
        some = list(event_ids[first : first + _BATCH])
        rows = connection.execute(_KNOWN, (utc(start_ms), utc(end_ms), some))
        found.update(event_id for (event_id,) in rows)
    return found


def recorded(connection: Connection, source: str, frames: Sequence[bytes]) -> set[bytes]:
    """Those of the frames that were rejected before: a history tells the same again and again."""
    rows = connection.execute(_RECORDED, (source, [frame.decode(errors="replace") for frame in frames]))
    return {frame.encode() for (frame,) in rows}
