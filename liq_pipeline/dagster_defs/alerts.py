"""Failed checks and failed runs to LIQ_ALERT_URLS: at least once each, per channel.

Each channel has its own place in the event log, moved only after a message was accepted: a channel that is down is
tried again at every tick, without repeating the message to the others. Dagster's ``run_failure_sensor`` moves on when
its function fails, so failed runs are read from the event log like failed checks.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import apprise
import dagster as dg

from liq_pipeline.dagster_defs import event_log
from liq_pipeline.dagster_defs.alert_text import Message, message
from liq_pipeline.dagster_defs.event_log import Failure
from liq_pipeline.dagster_defs.resources import Line

_RECORDS_A_TICK: Final = 200
_GIVE_UP_SECONDS: Final = 24 * 3600
"""Failures that could not be delivered for so long are in the UI; nobody wants yesterday's alarms all at once."""

Send = Callable[[str, Message], bool]
Read = Callable[[int], tuple[list[Failure], int]]


def send(channel: str, text: Message) -> bool:
    """Send to one Apprise URL; whether it was accepted."""
    # Apprise logs the URL of a channel that fails, and that may hold a token.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    notifier = apprise.Apprise()
    return bool(notifier.add(channel) and notifier.notify(title=text.title, body=text.body))


def deliver(
    channels: Sequence[str], cursor: str | None, newest: int, read: Read, send: Send, ui_url: str, now: float
) -> tuple[str, list[str]]:
    """Send every channel what it has not seen; the new cursor, and one line per channel that did not accept.

    A channel seen for the first time starts at ``newest``, so that a new one is not sent the whole history.
    """
    places: dict[str, int] = json.loads(cursor) if cursor else {}
    moved, unreachable = {}, []
    for channel in channels:
        name = channel_name(channel)
        place = places.get(name, newest)
        failures, last = read(place)
        recent = [failure for failure in failures if now - failure.at < _GIVE_UP_SECONDS]
        accepted = not recent or send(channel, message(recent, ui_url))
        moved[name] = last if accepted else place
        if not accepted:
            unreachable.append(f"{name} did not accept {len(recent)} alerts, which are tried again at the next tick")
    return json.dumps(moved), unreachable


def channel_name(channel: str) -> str:
    """A name for an Apprise URL that gives nothing of it away but its scheme."""
    return f"{channel.partition(':')[0]}-{hashlib.sha256(channel.encode()).hexdigest()[:8]}"


def _sensor(name: str, event_type: dg.DagsterEventType, description: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def alert(context: dg.SensorEvaluationContext, line: Line) -> dg.SkipReason:
        settings = line.settings()
        channels = [url.get_secret_value() for url in settings.alert_urls]
        if not channels:
            return dg.SkipReason("LIQ_ALERT_URLS is not set")
        cursor, unreachable = deliver(
            channels,
            context.cursor,
            event_log.newest_record(context.instance),
            lambda place: event_log.failures_after(context.instance, event_type, place, _RECORDS_A_TICK),
            send,
            settings.ui_url,
            time.time(),
        )
        context.update_cursor(cursor)
        for line_of_text in unreachable:
            context.log.error(line_of_text)
        return dg.SkipReason("; ".join(unreachable) or "all channels are up to date")

    return alert


failed_checks: Final = _sensor(
    "failed_checks",
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    "Sends every check that did not pass to LIQ_ALERT_URLS: a check that only warns leaves its run green.",
)
failed_runs: Final = _sensor(
    "failed_runs", dg.DagsterEventType.RUN_FAILURE, "Sends every failed run to LIQ_ALERT_URLS."
)
