"""The health of the live view, as the hash ``liq:live`` shows it; of two views the last writer's.

``state``        ``reading`` (the streams' past, nothing is shown yet), ``live``, ``stopped``
``watermark``    UTC ms; empty before the first event
``lag_ms``       for how long the oldest entry of the last batch had waited when it was shown; while reading the past,
                 how old it is
``rate``         entries read per second, over the last second
``memory``       events in memory
``active``       symbols with an active cascade
``events``, ``repeated``, ``late``, ``undecodable``, ``finals``, ``corrections``
                 counts of this process: events counted once, entries of events seen before, events too late for its
                 memory, entries that are no events, cascades that became final, and finals that a late event changed
``unrecorded``   records that wait for the database; ``database`` says why, empty while it takes them
``redis``        why Redis refused the last write; empty if it did not
``updated_at``   UTC ms; older than some seconds means that no view runs
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from liq_pipeline.collector.resp import pack

LIVE_KEY: Final = "liq:live"


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What a live view did, and how it is; see the module."""

    state: str
    watermark: int | None
    lag_ms: int
    rate: int
    memory: int
    active: int
    events: int
    repeated: int
    late: int
    undecodable: int
    finals: int
    corrections: int
    unrecorded: int
    database: str | None
    redis: str | None

    def command(self, now: int) -> bytes:
        """What writes it to Redis."""
        pairs = {each.name: getattr(self, each.name) for each in fields(self)} | {"updated_at": now}
        texts = (text for name, value in pairs.items() for text in (name, "" if value is None else str(value)))
        return pack(b"HSET", LIVE_KEY.encode(), *(text.encode() for text in texts))
