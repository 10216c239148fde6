"""Settings: slips of the pen, and values that are valid and still not what anybody wants."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from liq_pipeline.alerting.delivery import configured
from liq_pipeline.collector.connection import is_loopback
from liq_pipeline.doctor.finding import Findings, fine, note, wrong
from liq_pipeline.embedded.home import MARKER
from liq_pipeline.settings import Settings, known_variables

_ELSEWHERE: Final = (MARKER, "LIQ_TEST_DATABASE_URL", "LIQ_SETUP_LOCK", "LIQ_UI_BIND")
"""Not settings, but read by ``liq up``, the tests, ``./liq`` and deploy/compose.yaml."""
_OF_VENUES: Final = ("LIQ_WS_URL_", "LIQ_REST_URL_")
"""Loading the settings refuses those of an unknown venue."""


def variables(names: Iterable[str]) -> Findings:
    """LIQ_* variables that nobody reads."""
    for name in sorted(names):
        known = [*known_variables(), *_ELSEWHERE]
        if name.startswith("LIQ_") and name not in known and not name.startswith(_OF_VENUES):
            close = difflib.get_close_matches(name, known, 1)
            meant = f"did you mean {close[0]}? " if close else ""
            yield note(name, "is no setting, and changes nothing", f"{meant}README.md lists them all; unset it")


def alerts(settings: Settings) -> Findings:
    """The channels of LIQ_ALERT_URLS, as far as can be told without sending."""
    if not settings.alert_urls:
        yield note(
            "LIQ_ALERT_URLS", "not set: nobody is told when something breaks", "see README.md, be told when it breaks"
        )
    for number, channel in enumerate(configured(settings), 1):
        if channel.service is None:
            yield wrong(
                "LIQ_ALERT_URLS",
                f"number {number} (hidden) is no URL that Apprise understands",
                "correct it as in https://github.com/caronc/apprise/wiki, special characters as %XX",
            )
        else:
            yield fine("LIQ_ALERT_URLS", f"{channel.name} is understood; `liq alert test` sends to it")


def venues(settings: Settings, demo: bool) -> Findings:
    """Where each feed comes from: real ones do not belong into a demo's home, nor invented ones into a real one."""
    for feed in settings.exchanges:
        for kind, urls in (("WS", settings.ws_urls), ("REST", settings.rest_urls)):
            variable = f"LIQ_{kind}_URL_{feed.upper().replace(':', '_')}"
            if feed in urls:
                yield from _venue(variable, urls[feed], demo)
        if (feed in settings.ws_urls) != (feed in settings.rest_urls):
            given, missing = ("WS", "REST") if feed in settings.ws_urls else ("REST", "WS")
            yield note(
                feed,
                f"has a URL of yours for {given} and the venue's own for {missing}",
                "set both, unless it is meant",
            )


def _venue(variable: str, url: str, demo: bool) -> Findings:
    shown = f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"
    if demo and not is_loopback(url):
        yield wrong(variable, f"{shown}: real data would mix with the demo's", "unset it, or use a LIQ_HOME of its own")
    elif not demo and is_loopback(url):
        yield note(
            variable,
            f"{shown} is on this machine: if it is a simulator, invented data mixes with real",
            "unset it unless it is a proxy; `liq up --demo` simulates in a home of its own",
        )
    elif not is_loopback(url) and urlsplit(url).scheme in ("ws", "http"):
        yield note(variable, f"{shown} is not encrypted: anybody on the way can change what comes", "use wss or https")
    else:
        yield fine(variable, shown)


def days(settings: Settings, today: date) -> Findings:
    """Which days there are."""
    if settings.start_date > today:
        yield wrong("LIQ_START_DATE", f"{settings.start_date} is in the future: there is no day to make", "set it back")
    if settings.retention_days and settings.rollup_retention_days:
        longer = max(settings.retention_days, settings.rollup_retention_days)
        if longer != settings.rollup_retention_days:
            yield note(
                "LIQ_ROLLUP_RETENTION_DAYS",
                f"{settings.rollup_retention_days} is less than LIQ_RETENTION_DAYS, and {longer} is used",
                "raise it, or lower LIQ_RETENTION_DAYS",
            )
    folder = settings.archive_dir
    if folder is not None:
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            yield fine("LIQ_ARCHIVE_DIR", str(folder))
        else:
            yield wrong("LIQ_ARCHIVE_DIR", f"{folder} is no folder that can be read", "make it, or correct the path")
    if (folder := settings.report_dir) is not None:
        # It is made by the first report.
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            yield fine("LIQ_REPORT_DIR", str(folder))
        else:
            yield wrong("LIQ_REPORT_DIR", f"nothing can be written to {there}", "let this user, or correct the path")
