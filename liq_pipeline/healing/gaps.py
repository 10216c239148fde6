"""What is missing and may still be in a venue's history, and what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np

from liq_pipeline.liquidation import Liquidation
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.present import present
from liq_pipeline.warehouse.windows import utc

REASONS: Final = ("down", "silent", "overloaded")
"""Of gaps that history can fill: a throttled venue's history is throttled too."""

_UNHEALED: Final = """
SELECT exchange, (extract(epoch FROM started_at) * 1000)::bigint, (extract(epoch FROM ended_at) * 1000)::bigint
FROM feed_gaps
WHERE exchange = %s AND healed_at IS NULL AND reason = ANY(%s) AND started_at < %s AND ended_at > %s
ORDER BY started_at, reason"""
_RECORDED: Final = "SELECT frame FROM frames_rejected WHERE source = %s AND frame = ANY(%s)"


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


def known(connection: Connection, liquidations: Sequence[Liquidation]) -> set[str]:
    """The ``event_id`` of those of them that the database has."""
    if not liquidations:
        return set()
    times = np.array([item.time for item in liquidations], np.int64)
    ids = np.frombuffer(b"".join(UUID(item.event_id).bytes for item in liquidations), "V16")
    there = present(connection, "liquidations_raw", times, ids)
    return {item.event_id for item, is_there in zip(liquidations, there.tolist(), strict=True) if is_there}


def recorded(connection: Connection, source: str, frames: Sequence[bytes]) -> set[bytes]:
    """Those of the frames that were rejected before: a history tells the same again and again."""
    rows = connection.execute(_RECORDED, (source, [frame.decode(errors="replace") for frame in frames]))
    return {frame.encode() for (frame,) in rows}
