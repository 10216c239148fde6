"""From the outbox to every channel: each has its own place, and one that is down is tried again by itself.

At least once: a channel that took a message and was cut off before it said so gets it again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from liq_pipeline.alerting.channels import Channel, channel, send_all
from liq_pipeline.alerting.message import Message, compose
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import outbox
from liq_pipeline.warehouse.connection import connect

_OLD: Final = timedelta(days=1)
"""What could not be delivered for so long is in the UI; nobody wants yesterday's alarms one by one."""
_SHOWN: Final = 20


def deliver(database_url: str, settings: Settings, now: datetime) -> list[str]:
    """Send every channel of LIQ_ALERT_URLS what it has not accepted yet, in one message; a line per channel that
    did not accept it.

    Takes some seconds at most, however many channels hang. Raises ServerError while the database is away.
    """
    channels = {found.name: found for found in configured(settings)}
    if not channels:
        return []
    with connect(database_url) as connection:
        outbox.register(connection, list(channels))
        claimed = outbox.claim(connection, list(channels), now, now - _OLD, _SHOWN)
    answers = send_all([_message(channels[item.channel], item, settings.ui_url) for item in claimed])
    with connect(database_url) as connection:
        for pending, error in zip(claimed, answers, strict=True):
            if error is None:
                outbox.accepted(connection, pending, now, settings.alert_group_seconds)
            else:
                outbox.refused(connection, pending, now, error)
    return [
        f"{pending.channel} was not sent {len(pending.said) + pending.more + pending.old} alerts, which are tried "
        f"again: {error}"
        for pending, error in zip(claimed, answers, strict=True)
        if error is not None
    ]


def configured(settings: Settings) -> list[Channel]:
    """The channels of LIQ_ALERT_URLS."""
    return [channel(url.get_secret_value()) for url in settings.alert_urls]


def _message(to: Channel, pending: outbox.Pending, ui_url: str) -> tuple[Channel, Message]:
    return to, compose(pending.said, pending.more, pending.old, ui_url, to.room)
