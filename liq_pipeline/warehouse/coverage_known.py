"""Everything the database knows about what was seen of a day, by feed. Times are UTC milliseconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from psycopg.types.range import Range

from liq_pipeline.spans import Spans
from liq_pipeline.streams import Span, covered
from liq_pipeline.warehouse import coverage_events
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.coverage_events import FeedEvents
from liq_pipeline.warehouse.coverage_rules import Heal
from liq_pipeline.warehouse.windows import in_day

_SPANS: Final = "SELECT feed, part, parts, unnest(covered) FROM feed_spans WHERE day = %s"
_NOTES: Final = "SELECT feed, reason, unnest(noted) FROM feed_notes WHERE day = %s"
_HEALS: Final = """
SELECT feed, started_at, ended_at, healed_at FROM feed_heals WHERE ended_at > {start} AND started_at < {end}"""
_FIRST_CLAIMS: Final = "SELECT feed, min(lower(covered)) FROM feed_spans GROUP BY feed"
_HISTORY: Final = """
SELECT day, exchange, event_count FROM feed_coverage
WHERE day >= %s AND day < %s AND silent_seconds = 0 AND covered_seconds >= elapsed_seconds / 2"""
_HISTORY_DAYS: Final = timedelta(days=7)


@dataclass(frozen=True)
class Known:
    """What is known of a day. Feeds without any of it are not in the mappings."""

    connected: Mapping[str, Spans]
    """When all parts of the feed were proven to deliver."""
    notes: Mapping[str, Mapping[str, Spans]]
    """By reason, when a collector said why it covered nothing."""
    heals: Mapping[str, Sequence[Heal]]
    first_claims: Mapping[str, int]
    """When the feed was covered for the first time ever."""
    events: Mapping[str, FeedEvents]
    history: Sequence[Mapping[str, int]]
    """For each of the days before, how many events the feeds had that were covered most of it, and never silent."""


def read(connection: Connection, day: date) -> Known:
    """What is known of the UTC day."""
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for feed, part, parts, one in connection.execute(_SPANS, (day,)):
        spans[feed].append(Span("", *_bounds(one), part, parts))
    notes: defaultdict[str, defaultdict[str, Spans]] = defaultdict(lambda: defaultdict(list))
    for feed, reason, one in connection.execute(_NOTES, (day,)):
        notes[feed][reason].append(_bounds(one))
    heals: defaultdict[str, list[Heal]] = defaultdict(list)
    for feed, *times in connection.execute(in_day(_HEALS, day)):
        heals[feed].append(Heal(*map(_ms, times)))
    history: defaultdict[date, dict[str, int]] = defaultdict(dict)
    for earlier, feed, count in connection.execute(_HISTORY, (day - _HISTORY_DAYS, day)):
        history[earlier][feed] = count
    return Known(
        connected={feed: covered(claimed) for feed, claimed in spans.items()},
        notes=notes,
        heals=heals,
        first_claims={feed: _ms(at) for feed, at in connection.execute(_FIRST_CLAIMS)},
        events=coverage_events.read(connection, day),
        history=list(history.values()),
    )


def _bounds(span: Range[datetime]) -> tuple[int, int]:
    assert span.lower is not None and span.upper is not None
    return _ms(span.lower), _ms(span.upper)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
