"""What ``liq status`` shows of alerts: the incidents that stand, and the channels that are down."""

from __future__ import annotations

from typing import Any, NamedTuple

from liq_pipeline.warehouse import alerting, outbox
from liq_pipeline.warehouse.connection import READER, connect


class Alerting(NamedTuple):
    """Rows to show, and sentences about what is wrong."""

    incidents: list[dict[str, Any]]
    channels: list[dict[str, Any]]
    problems: list[str]


def look(database_url: str) -> Alerting:
    """What stands and what is down; raises ServerError while the database is away."""
    with connect(database_url, role=READER) as connection:
        standing = alerting.standing(connection)
        down = outbox.down(connection)
    problems = [
        f"channel {channel.name} of LIQ_ALERT_URLS accepts nothing since {channel.failing_since:%Y-%m-%d %H:%M} UTC "
        f"({channel.error}): `liq alert test` tries it"
        for channel in down
    ]
    # Failing checks are a sentence of their own.
    others = [incident for incident in standing if not incident.key.startswith("check:")]
    if others:
        problems.append(f"{len(others)} incidents stand beside checks, {others[0].subject} the first: {others[0].text}")
    return Alerting(
        [
            {
                "since": incident.opened_at.isoformat(timespec="minutes"),
                "severity": incident.severity,
                "what": incident.subject,
                "seen": incident.text,
            }
            for incident in standing
        ],
        [
            {
                "channel": channel.name,
                "since": channel.failing_since.isoformat(timespec="minutes"),
                "attempts": channel.failures,
                "error": channel.error,
            }
            for channel in down
        ],
        problems,
    )
