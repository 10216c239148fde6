"""A feed's day of coverage, from what is known. Times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

import numpy as np

from liq_pipeline import exchanges
from liq_pipeline.settings import Settings
from liq_pipeline.spans import Spans, intersection
from liq_pipeline.warehouse import coverage_rules as rules
from liq_pipeline.warehouse.coverage_events import FeedEvents
from liq_pipeline.warehouse.coverage_known import Known
from liq_pipeline.warehouse.coverage_rules import Seen, Share

_COMPLETE: Final = ["complete"]
_DIGITS: Final = Decimal("1e-9")
"""A millisecond that is missing from a day shows."""


@dataclass(frozen=True)
class FeedDay:
    """A feed's row of ``feed_coverage`` to be, and in ``seen`` its rows of ``feed_gaps``."""

    feed: str
    seen: Seen
    uncollected: int
    """Milliseconds before the feed was collected for the first time ever."""
    event_count: int
    saturation: Decimal | None
    semantics: list[str]

    @property
    def coverage(self) -> Decimal:
        """The share of the elapsed time that was covered; all of it while nothing has elapsed."""
        return _share(self.seen.covered, self.seen.elapsed) if self.seen.elapsed else Decimal(1)

    @property
    def complete(self) -> bool:
        """Whether every event of the day is of a stream that publishes them all."""
        return self.semantics == _COMPLETE


def feed_days(known: Known, start: int, end: int, settings: Settings) -> Iterator[FeedDay]:
    """What was seen from ``start`` to ``end`` of each feed that is configured, or that has claims or events."""
    for feed in sorted({*settings.exchanges, *known.connected, *known.events}):
        events = known.events.get(feed) or FeedEvents.none()
        semantics = events.semantics or _published(feed, start)
        by_contract = list(events.by_contract())
        connected = intersection([(start, end)] if start < end else [], known.connected.get(feed, []))
        paced, pauses = rules.saturation(by_contract)
        seen = rules.seen(
            start,
            end,
            connected,
            notes=known.notes.get(feed, {}),
            quiet=_quiet(known, feed, events, connected, settings),
            heals=known.heals.get(feed, []),
            throttled=[] if semantics == _COMPLETE else rules.throttled(by_contract),
        )
        first = min(max(known.first_claims.get(feed, end), start), end)
        saturation = _share(paced, pauses) if pauses else None
        yield FeedDay(feed, seen, first - start, events.count, saturation, semantics)


def _quiet(known: Known, feed: str, events: FeedEvents, connected: Spans, settings: Settings) -> Spans:
    """When the feed must have been silent, by the events of the others that were collected."""
    others = [name for name in known.connected if name != feed and name in known.events]
    if not connected or not others:
        return []
    return rules.quiet(
        events.live,
        np.sort(np.concatenate([known.events[name].live for name in others])),
        connected,
        # Days on which one of the others is missing would make this feed's share too large.
        [
            Share(counts[feed], sum(counts[name] for name in others))
            for counts in known.history
            if counts.keys() >= {feed, *others}
        ],
        longer_than=settings.silent_seconds * 1000,
        expected=settings.silent_expected_events,
    )


def _published(feed: str, time: int) -> list[str]:
    """What the feed published then; empty where it is none that this program knows."""
    return [exchanges.adapter(feed).semantics(time)] if feed in exchanges.FEEDS else []


def _share(part: int, whole: int) -> Decimal:
    return (Decimal(part) / whole).quantize(_DIGITS, ROUND_DOWN)
