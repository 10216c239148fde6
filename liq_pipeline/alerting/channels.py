"""The channels of LIQ_ALERT_URLS, through Apprise. Their URLs hold secrets: nothing here shows or logs one."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import apprise

from liq_pipeline.alerting.message import Message

SECONDS: Final = 15
"""How long a channel may take to accept a message; the sensor that sends has a minute for all of them."""
_KINDS: Final = {
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "healed": apprise.NotifyType.SUCCESS,
    "notice": apprise.NotifyType.INFO,
}
_NOT_UNDERSTOOD: Final = "Apprise does not understand its URL: https://github.com/caronc/apprise/wiki has them all"
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

# Apprise writes hosts and recipients into its log, and urllib3, where somebody debugs, whole paths with their tokens.
logging.getLogger("apprise").propagate = False
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@dataclass(frozen=True)
class Channel:
    """One URL: a ``name`` that gives nothing of it away but its scheme, and how many characters fit in a message.

    ``service`` is None for a URL that Apprise does not understand.
    """

    name: str
    room: int
    service: apprise.NotifyBase | None = field(repr=False, compare=False)

    def send(self, message: Message) -> str | None:
        """Send it, within ``SECONDS`` or a little more; None if it was accepted, otherwise why not, in words."""
        if self.service is None:
            return _NOT_UNDERSTOOD
        notifier = apprise.Apprise()
        notifier.add(self.service)
        result = notifier.notify(
            title=message.title,
            body=message.body,
            notify_type=_KINDS[message.kind],
            body_format=apprise.NotifyFormat.TEXT,
            timeout=SECONDS,
        )
        return None if result else _reason(result)


@cache
def channel(url: str) -> Channel:
    """The channel of an Apprise URL."""
    service = apprise.Apprise.instantiate(url)
    scheme = _SCHEME.match(url)
    name = f"{scheme[1].lower() if scheme else 'unknown'}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    if not isinstance(service, apprise.NotifyBase):
        return Channel(name, 0, None)
    # A title that the service has no field for goes into the body.
    return Channel(name, service.body_maxlen - (service.title_maxlen or 250), service)


def send_all(messages: Sequence[tuple[Channel, Message]]) -> list[str | None]:
    """Send to several channels at once, so that a slow one does not keep the others waiting; as ``Channel.send``."""
    if not messages:
        return []
    with ThreadPoolExecutor(len(messages)) as pool:
        return list(pool.map(lambda item: item[0].send(item[1]), messages))


def _reason(result: apprise.AppriseResult) -> str:
    """Of Apprise's own words, which may quote the URL, just the kind of failure."""
    if result.timeout_count:
        return f"it did not answer within {SECONDS} s"
    said = " ".join(log.message for service in result for attempt in service.attempts for log in attempt.logs)
    if status := _STATUS.search(said):
        return f"it answered with status {status[1]}"
    return "no connection" if "onnection error" in said else "it was not accepted"
