"""``liq alert``: whether alerts arrive."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime

import click

from liq_pipeline.errors import SettingsError
from liq_pipeline.settings import load_settings


@click.group("alert")
def command() -> None:
    """Try the channels of LIQ_ALERT_URLS. What is broken at the moment is shown by `liq status`."""


@command.command("test")
def test() -> None:
    """Send a message to each channel, at once, and say which of them accepted it.

    \b
    Exit codes:
      0  all did
      1  one did not
      2  none is configured, or a setting is wrong
    """
    settings = load_settings()
    if not settings.alert_urls:
        raise SettingsError(
            "LIQ_ALERT_URLS is not set: give it Apprise URLs, such as "
            "mailtos://user:password@example.com?to=me@example.com or slack://tokenA/tokenB/tokenC"
        )
    # Imported late: Apprise knows hundreds of services.
    from liq_pipeline.alerting.channels import send_all
    from liq_pipeline.alerting.delivery import configured
    from liq_pipeline.alerting.message import Message

    channels = configured(settings)
    sent = f"Sent by `liq alert test` on {socket.gethostname()} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC."
    # `liq up` gives its own address to what it starts, and to nobody else.
    links = f"Alerts link to {settings.ui_url}" if "ui_url" in settings.model_fields_set else ""
    message = Message("liq: a test of LIQ_ALERT_URLS", f"{sent} {links}".rstrip(), "notice")
    answers = send_all([(channel, message) for channel in channels])
    for channel, error in zip(channels, answers, strict=True):
        click.echo(f"{channel.name}: {error or 'accepted'}")
    if any(answers):
        sys.exit(1)
