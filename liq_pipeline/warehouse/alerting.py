"""Incidents, and the outbox of what is said about them.

An incident is told once when it breaks and once when it has healed for good. What breaks again while it settles has
not healed: a check that flaps is one incident and says nothing new. All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from psycopg.rows import class_row

from liq_pipeline.warehouse.connection import Connection

Severity = Literal["WARN", "ERROR"]

_UNSETTLED: Final = "SELECT id, seen_at FROM incidents WHERE key = %s AND NOT settled FOR UPDATE"
_LAST_SEEN: Final = "SELECT max(seen_at) FROM incidents WHERE key = %s"
_OPEN: Final = """
INSERT INTO incidents (key, severity, opened_at, seen_at, tell_at, subject, text, links, day)
VALUES (%(key)s, %(severity)s, %(at)s, %(at)s, %(tell_at)s, %(subject)s, %(text)s, %(links)s, %(day)s)"""
# 'ERROR' sorts before 'WARN': the least is the worst.
_AGAIN: Final = """
UPDATE incidents
SET severity = least(severity, %(severity)s), seen_at = %(at)s, healed_at = NULL, subject = %(subject)s,
    text = %(text)s, links = %(links)s,
    tell_at = CASE WHEN healed_at IS NULL THEN least(tell_at, %(tell_at)s) ELSE %(tell_at)s END
WHERE id = %(id)s"""
_HEAL: Final = """
UPDATE incidents SET seen_at = %(at)s, healed_at = coalesce(healed_at, %(at)s), text = %(text)s WHERE id = %(id)s"""
_NOTICE: Final = """
INSERT INTO alert_messages (at, key, kind, severity, subject, text, links, day)
VALUES (%(at)s, %(key)s, 'notice', 'INFO', %(subject)s, %(text)s, %(links)s, %(day)s)
ON CONFLICT (key) WHERE kind = 'notice' DO NOTHING"""
# One that grew worse than it was told is told again.
_TELL: Final = """
WITH due AS (
    UPDATE incidents SET told = severity
    WHERE NOT settled AND healed_at IS NULL AND tell_at <= %(now)s AND severity = ANY(%(severities)s)
        AND (told IS NULL OR severity < told)
    RETURNING id, key, severity, subject, text, links, day
)
INSERT INTO alert_messages (at, key, kind, severity, subject, text, links, day)
SELECT %(now)s, key, 'broke', severity, subject, text, links, day FROM due ORDER BY id"""
_SETTLE: Final = """
WITH due AS (
    UPDATE incidents SET settled = true
    WHERE NOT settled AND healed_at <= %(now)s - make_interval(secs => %(settle_seconds)s)
    RETURNING id, key, severity, subject, text, links, day, told
)
INSERT INTO alert_messages (at, key, kind, severity, subject, text, links, day)
SELECT %(now)s, key, 'healed', severity, subject, text, links, day FROM due WHERE told IS NOT NULL ORDER BY id"""
# By what is missing in the outbox and not by a place: rows of two writers become visible in any order.
_CASCADES: Final = """
SELECT id, at, symbol, kind, level, cascade_start, cascade_end, event_count, total_value_usd, risk, exchanges
FROM cascade_alerts
WHERE at > %s
    AND NOT EXISTS (SELECT FROM alert_messages WHERE kind = 'notice' AND key = 'cascade:' || cascade_alerts.id)
ORDER BY id LIMIT %s"""
_KEYS: Final = "SELECT key FROM incidents WHERE NOT settled"
_STANDING: Final = """
SELECT key, opened_at, severity, subject, text, links, day FROM incidents
WHERE NOT settled AND healed_at IS NULL ORDER BY severity, opened_at, key"""


@dataclass(frozen=True)
class CascadeAlert:
    """A row of ``cascade_alerts``."""

    id: int
    at: datetime
    symbol: str
    kind: str
    level: Decimal
    cascade_start: datetime
    cascade_end: datetime
    event_count: int
    total_value_usd: Decimal
    risk: Decimal
    exchanges: list[str]


@dataclass(frozen=True)
class Incident:
    """Something that is broken: what ``key`` it is about, when it was seen, how bad, and the words for it.

    ``links`` are paths of the Dagster UI.
    """

    key: str
    opened_at: datetime
    severity: Severity
    subject: str
    text: str
    links: Sequence[str] = field(default_factory=tuple)
    day: date | None = None


def open_incident(connection: Connection, incident: Incident, tell_at: datetime | None = None) -> None:
    """Note that something was seen broken at ``opened_at``; without effect if it is known or something newer is.

    It is told at the next ``tell`` after ``tell_at`` (default: at once), unless it has healed by then.
    """
    values = {**vars(incident), "links": list(incident.links), "at": incident.opened_at}
    values["tell_at"] = tell_at or incident.opened_at
    unsettled = connection.execute(_UNSETTLED, (incident.key,)).fetchone()
    if unsettled is not None:
        if unsettled[1] < incident.opened_at:
            connection.execute(_AGAIN, {**values, "id": unsettled[0]})
        return
    seen = connection.execute(_LAST_SEEN, (incident.key,)).fetchone()
    if seen is None or seen[0] is None or seen[0] < incident.opened_at:
        connection.execute(_OPEN, values)


def heal_incident(connection: Connection, key: str, at: datetime, text: str) -> None:
    """Note that what ``key`` is about was seen well at ``at``; without effect if that or something newer is known."""
    unsettled = connection.execute(_UNSETTLED, (key,)).fetchone()
    if unsettled is not None and unsettled[1] < at:
        connection.execute(_HEAL, {"id": unsettled[0], "at": at, "text": text})


def notice(
    connection: Connection,
    key: str,
    at: datetime,
    subject: str,
    text: str,
    links: Sequence[str] = (),
    day: date | None = None,
) -> None:
    """Say something that nobody has to mend, once per ``key``."""
    values = {"key": key, "at": at, "subject": subject, "text": text, "links": list(links), "day": day}
    connection.execute(_NOTICE, values)


def untold_cascades(connection: Connection, since: datetime, limit: int = 100) -> list[CascadeAlert]:
    """Cascades that reached a level since then and are in no notice ``cascade:<id>`` yet, the oldest first."""
    with connection.cursor(row_factory=class_row(CascadeAlert)) as cursor:
        return cursor.execute(_CASCADES, (since, limit)).fetchall()


def tell(connection: Connection, now: datetime, warnings: bool, settle_seconds: int) -> None:
    """Write to the outbox what is due: what has broken, ``warnings`` or errors alone, and what healed for good."""
    severities = ["WARN", "ERROR"] if warnings else ["ERROR"]
    values = {"now": now, "severities": severities, "settle_seconds": settle_seconds}
    connection.execute(_TELL, values)
    connection.execute(_SETTLE, values)


def unsettled(connection: Connection) -> set[str]:
    """The keys of what stands, and of what healed so lately that it may break again."""
    return {key for (key,) in connection.execute(_KEYS).fetchall()}


def standing(connection: Connection) -> list[Incident]:
    """What is broken at the moment, the worst and then the oldest first."""
    with connection.cursor(row_factory=class_row(Incident)) as cursor:
        return cursor.execute(_STANDING).fetchall()
