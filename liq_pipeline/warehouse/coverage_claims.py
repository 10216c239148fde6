"""From the collectors' streams of claims and notes to ``feed_spans`` and ``feed_notes``, where they stay.

Reading an entry again changes nothing, so a position in each stream is all there is to keep, and losing it costs time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, LiteralString, NamedTuple

import redis
from psycopg.types.multirange import TimestamptzMultirange
from psycopg.types.range import TimestamptzRange

from liq_pipeline.exchanges.rows import FIRST_MS, LAST_MS
from liq_pipeline.spans import Spans, union
from liq_pipeline.streams import coverage_key, decode_span, decode_trouble, troubles_key
from liq_pipeline.warehouse.connection import Connection
from liq_pipeline.warehouse.day_rows import DAY_MS, day_span
from liq_pipeline.warehouse.windows import utc

_BATCH: Final = 10_000
# The row is locked until the entries it leads to are committed: another drain waits, and goes on from there.
_POSITION: Final = """
INSERT INTO feed_positions (stream, last_id) VALUES (%s, '0-0')
ON CONFLICT (stream) DO UPDATE SET stream = excluded.stream RETURNING last_id"""
_ADVANCE: Final = "UPDATE feed_positions SET last_id = %s WHERE stream = %s"
_COVERED: Final = """
INSERT INTO feed_spans AS known (feed, day, parts, part, covered) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (feed, day, parts, part) DO UPDATE SET covered = known.covered + excluded.covered
    WHERE NOT known.covered @> excluded.covered"""
_NOTED: Final = """
INSERT INTO feed_notes AS known (feed, day, reason, noted) VALUES (%s, %s, %s, %s)
ON CONFLICT (feed, day, reason) DO UPDATE SET noted = known.noted + excluded.noted
    WHERE NOT known.noted @> excluded.noted"""
_CHANGED: Final = """
INSERT INTO coverage_state AS state (day, version) SELECT unnest(%s::date[]), 1
ON CONFLICT (day) DO UPDATE SET version = state.version + 1"""


@dataclass
class ClaimsReport:
    """What was read: entries, those of them that no collector of ours can have written, and the days that changed."""

    entries: int = 0
    absurd: int = 0
    days: set[date] = field(default_factory=set)


class _Said(NamedTuple):
    """An entry's span, and the rest of the key of the row it belongs to: parts and part, or a reason."""

    key: tuple[object, ...]
    start: int
    end: int


class _Kind(NamedTuple):
    """One of the two kinds of stream: how an entry reads and where it goes."""

    prefix: str
    read: Callable[[dict[bytes, bytes]], _Said]
    statement: LiteralString


def drain(client: redis.Redis, connection: Connection) -> ClaimsReport:
    """Add what collectors have claimed and noted since the last time; ``connection`` is in autocommit.

    Safe to run twice at once and to interrupt. Raises redis.RedisError and psycopg's errors.
    """
    report = ClaimsReport()
    for kind in _KINDS:
        for key in sorted(key.decode() for key in client.scan_iter(match=f"{kind.prefix}*", count=1000)):
            with connection.transaction():
                _drain(client, connection, kind, key, report)
    return report


def mark_changed(connection: Connection, days: Iterable[date]) -> None:
    """Make the coverage of ``days`` stale."""
    connection.execute(_CHANGED, (sorted(days),))


def days_of(start_ms: int, end_ms: int) -> list[date]:
    """The UTC days that [``start_ms``, ``end_ms``) touches."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (start_ms, end_ms - 1))
    return [first + timedelta(number) for number in range((last - first).days + 1)]


def _drain(client: redis.Redis, connection: Connection, kind: _Kind, key: str, report: ClaimsReport) -> None:
    (position,) = connection.execute(_POSITION, (key,)).fetchone() or ("0-0",)
    found: defaultdict[tuple[date, tuple[object, ...]], Spans] = defaultdict(list)
    last = position
    for entry_id, fields in _entries(client, key, _valid(client, key, position)):
        last = entry_id.decode()
        report.entries += 1
        if (said := _understood(kind, fields)) is None:
            report.absurd += 1
            continue
        for day in days_of(said.start, said.end):
            found[day, said.key].append((said.start, said.end))
    feed = key.removeprefix(kind.prefix)
    changed = {
        day
        for (day, rest), spans in found.items()
        if connection.execute(kind.statement, (feed, day, *rest, _of_day(day, spans))).rowcount
    }
    if changed:
        mark_changed(connection, changed)
        report.days |= changed
    if last != position:
        connection.execute(_ADVANCE, (last, key))


def _of_day(day: date, spans: Iterable[tuple[int, int]]) -> TimestamptzMultirange:
    """The part of the spans that is on the day, as PostgreSQL has it."""
    start, end = day_span(day)
    own = union((max(first, start), min(last, end)) for first, last in spans)
    return TimestamptzMultirange([TimestamptzRange(utc(first), utc(last)) for first, last in own])


def _valid(client: redis.Redis, key: str, position: str) -> str:
    """The position, or the beginning if the stream has begun anew since: another Redis, or one that was emptied."""
    newest: bytes = client.xinfo_stream(key)["last-generated-id"]
    return position if _order(position) <= _order(newest.decode()) else "0-0"


def _order(entry_id: str) -> tuple[int, int]:
    time, _, sequence = entry_id.partition("-")
    return int(time), int(sequence)


def _entries(client: redis.Redis, key: str, after: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    while entries := _after(client, key, after):
        yield from entries
        after = entries[-1][0].decode()


def _after(client: redis.Redis, key: str, entry_id: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return client.xrange(key, min=f"({entry_id}", count=_BATCH)  # type: ignore[return-value]


def _understood(kind: _Kind, fields: dict[bytes, bytes]) -> _Said | None:
    try:
        said = kind.read(fields)
    except (KeyError, ValueError):
        return None
    # A collector claims some seconds at a time, and a day at most for one that hung.
    return said if FIRST_MS <= said.start < said.end <= min(said.start + DAY_MS, LAST_MS) else None


def _covered(fields: dict[bytes, bytes]) -> _Said:
    span = decode_span(fields)
    if not 0 <= span.part < span.parts:
        raise ValueError(span)
    return _Said((span.parts, span.part), span.start, span.end)


def _noted(fields: dict[bytes, bytes]) -> _Said:
    trouble = decode_trouble(fields)
    return _Said((trouble.reason,), trouble.start, trouble.end)


_KINDS: Final = (_Kind(coverage_key(""), _covered, _COVERED), _Kind(troubles_key(""), _noted, _NOTED))
