"""What the database says of the tables, for the one line that `liq top` has for it."""

from __future__ import annotations

from datetime import UTC, datetime

from liq_pipeline.settings import Settings
from liq_pipeline.top.moment import Tables
from liq_pipeline.warehouse import alerting, migrate
from liq_pipeline.warehouse.connection import READER, connect
from liq_pipeline.warehouse.day_state import read_states, stale


def read(settings: Settings, database_url: str) -> Tables:
    """Ask once, as the reader. Raises LiqError while the database is away or has no schema."""
    migrate.check(database_url)
    today = datetime.now(UTC).date()
    with connect(database_url, role=READER) as connection:
        states = read_states(connection, last=today)
        incidents = alerting.standing(connection)
    made = next((state.materialized_at for state in states if state.day == today), None)
    return Tables(
        materialized_at=None if made is None else int(made.timestamp() * 1000),
        # Today is behind what lands most of the time, and made again every few minutes.
        stale_days=sum(item.day < today for item in stale(states, settings)),
        incidents=[incident.subject for incident in incidents],
    )
