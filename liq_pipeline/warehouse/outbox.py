"""The outbox as the channels see it: what each has not been sent, and how the last attempt went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

from psycopg.rows import class_row

from liq_pipeline.warehouse.connection import Connection

_CLAIM_SECONDS: Final = 60
"""Somebody who claimed a channel and died is waited for so long; more than sending may take."""
_FIRST_RETRY_SECONDS: Final = 10
_LAST_RETRY_SECONDS: Final = 600

_FORGET: Final = "DELETE FROM alert_channels WHERE name <> ALL(%s)"
# A channel that is new is not sent the history.
_ADD: Final = """
INSERT INTO alert_channels (name, place)
SELECT name, coalesce((SELECT max(id) FROM alert_messages), 0) FROM unnest(%s::text[]) AS name
ON CONFLICT DO NOTHING"""
# Whoever moves the time of the next attempt has the channel to itself until then.
_CLAIM: Final = """
UPDATE alert_channels SET next_try_at = %(now)s + make_interval(secs => %(seconds)s)
WHERE name = ANY(%(names)s) AND next_try_at <= %(now)s
    AND EXISTS (SELECT FROM alert_messages WHERE id > place)
RETURNING name, place"""
_PENDING: Final = """
SELECT id, at, key, kind, severity, subject, text, links, day FROM alert_messages
WHERE id > %s AND at > %s ORDER BY id LIMIT %s"""
_COUNT: Final = """
SELECT max(id), count(*) FILTER (WHERE at > %(since)s), count(*) FILTER (WHERE at <= %(since)s)
FROM alert_messages WHERE id > %(place)s"""
_ACCEPTED: Final = """
UPDATE alert_channels SET place = %(place)s, sent_at = %(now)s, failing_since = NULL, failures = 0, error = NULL,
    next_try_at = %(now)s + make_interval(secs => %(pause)s)
WHERE name = %(name)s"""
_REFUSED: Final = """
UPDATE alert_channels SET failing_since = coalesce(failing_since, %(now)s), failures = failures + 1, error = %(error)s,
    next_try_at = %(now)s + make_interval(secs => least(%(first)s * 2.0 ^ least(failures, 20), %(last)s))
WHERE name = %(name)s"""
_DOWN: Final = """
SELECT name, failing_since, failures, error FROM alert_channels WHERE failing_since IS NOT NULL ORDER BY name"""


@dataclass(frozen=True)
class Said:
    """A row of ``alert_messages``."""

    id: int
    at: datetime
    key: str
    kind: str
    severity: str
    subject: str
    text: str
    links: Sequence[str]
    day: date | None


class Pending(NamedTuple):
    """What a channel is to be sent: the first of it, how many more there are, and how many are too old to be shown.

    ``last`` is the id of the newest, which is the channel's place once it has accepted the message.
    """

    channel: str
    said: list[Said]
    more: int
    old: int
    last: int


class Down(NamedTuple):
    """A channel that accepts nothing: since when, after how many attempts, and why."""

    name: str
    failing_since: datetime
    failures: int
    error: str


def register(connection: Connection, names: Sequence[str]) -> None:
    """Know the channels of ``names`` from now on, and no others."""
    connection.execute(_FORGET, (list(names),))
    connection.execute(_ADD, (list(names),))


def claim(connection: Connection, names: Sequence[str], now: datetime, since: datetime, limit: int) -> list[Pending]:
    """The channels of ``names`` that have something to be sent and may be tried now, each claimed for a minute.

    At most ``limit`` messages each, none from before ``since``. Commit the claim before anything is sent.
    """
    values = {"names": list(names), "now": now, "seconds": _CLAIM_SECONDS}
    claimed = connection.execute(_CLAIM, values).fetchall()
    return [_pending(connection, name, place, since, limit) for name, place in sorted(claimed)]


def _pending(connection: Connection, name: str, place: int, since: datetime, limit: int) -> Pending:
    counted = connection.execute(_COUNT, {"place": place, "since": since}).fetchone()
    assert counted is not None
    last, recent, old = counted
    with connection.cursor(row_factory=class_row(Said)) as cursor:
        said = cursor.execute(_PENDING, (place, since, limit)).fetchall()
    return Pending(name, said, recent - len(said), old, last)


def accepted(connection: Connection, pending: Pending, now: datetime, pause_seconds: int) -> None:
    """The channel has everything up to ``pending.last``, and is left alone for a while."""
    values = {"name": pending.channel, "place": pending.last, "now": now, "pause": pause_seconds}
    connection.execute(_ACCEPTED, values)


def refused(connection: Connection, pending: Pending, now: datetime, error: str) -> None:
    """The channel keeps its place and is tried again, at distances that double up to ten minutes."""
    values = {"first": _FIRST_RETRY_SECONDS, "last": _LAST_RETRY_SECONDS}
    connection.execute(_REFUSED, {"name": pending.channel, "now": now, "error": error, **values})


def down(connection: Connection, names: Iterable[str] | None = None) -> list[Down]:
    """Channels whose last attempt failed; of those named, if any are."""
    found = [Down(*row) for row in connection.execute(_DOWN).fetchall()]
    return found if names is None else [item for item in found if item.name in set(names)]
