"""``liq doctor``: what is misconfigured, and how to mend it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

import click
from dotenv import dotenv_values

from liq_pipeline.doctor import configuration, machine, postgres, redis
from liq_pipeline.doctor.finding import Finding, Findings, note, wrong
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.servers import locate
from liq_pipeline.errors import ServerError, SettingsError
from liq_pipeline.settings import Settings, load_settings

_COLOURS: Final = {"fine": "green", "note": "yellow", "wrong": "red"}


@click.command("doctor")
def command() -> None:
    """Look at settings, home, servers, clocks and alert channels. Changes and starts nothing.

    \b
    Each line names a thing, its value, and what to do about it. Exit codes:
      0  nothing is wrong; lines that begin with `note` may still be worth a look
      1  something is wrong
    """
    found = list(_examine())
    for level in ("fine", "note", "wrong"):
        for finding in (finding for finding in found if finding.level == level):
            _show(finding)
    if any(finding.level == "wrong" for finding in found):
        sys.exit(1)


def _examine() -> Iterator[Finding]:
    from_file = dotenv_values(".env") if Path(".env").is_file() else {}
    yield from configuration.variables({*from_file, *os.environ})
    try:
        settings = load_settings()
    except SettingsError as error:
        yield wrong("settings", str(error))
        return
    now = datetime.now(UTC)
    yield from configuration.days(settings, now.date())
    yield from configuration.venues(settings, Home(settings.home).is_demo)
    yield from configuration.alerts(settings)
    yield from machine.examine(settings)
    yield from _servers(settings)


def _servers(settings: Settings) -> Findings:
    try:
        servers = locate(settings)
    except ServerError as error:
        # What runs nowhere yet cannot be examined; what is somebody else's can.
        yield note("servers", *str(error).rsplit(": ", 1))
        given = (settings.database_url, settings.redis_url)
        database_url, redis_url = (url.get_secret_value() if url else "" for url in given)
    else:
        database_url, redis_url = servers.database_url, servers.redis_url
    yield from chain(
        postgres.examine(database_url) if database_url else (), redis.examine(redis_url) if redis_url else ()
    )


def _show(finding: Finding) -> None:
    text = f"{finding.thing}: {finding.said}{f': {finding.fix}' if finding.fix else ''}"
    click.echo(f"{click.style(f'{finding.level:5}', fg=_COLOURS[finding.level])}  {text}")
