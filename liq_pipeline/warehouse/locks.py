"""Who may do what at the same time: PostgreSQL advisory locks, which a dying connection always gives back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final

from liq_pipeline.warehouse.connection import Connection

# The first key of every lock says what kind it is, the second which one: "liq" in ASCII, and a digit.
MIGRATE: Final = 0x6C697130
LOADER: Final = 0x6C697131
LANDING: Final = 0x6C697132
DAY: Final = 0x6C697133
LIVE: Final = 0x6C697134


@contextmanager
def session_lock(connection: Connection, kind: int, which: int = 0) -> Iterator[None]:
    """Hold a session lock; ``connection`` is in autocommit, so that the wait is in no transaction.

    A transaction that waits for a lock may already have its snapshot, and would then work on what was true before
    the other holder committed.
    """
    assert connection.autocommit
    connection.execute("SELECT pg_advisory_lock(%s, %s)", (kind, which))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", (kind, which))


def day_key(day: date) -> int:
    """The second key of a day's lock."""
    return day.toordinal()
