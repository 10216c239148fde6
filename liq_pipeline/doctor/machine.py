"""The machine under a home: whether it can be written, has room, and its ports are free."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.filesize import decimal

from liq_pipeline.collector.connection import is_loopback
from liq_pipeline.doctor.finding import Findings, fine, note, wrong
from liq_pipeline.embedded import process
from liq_pipeline.embedded.home import Home
from liq_pipeline.settings import Settings

_FULL: Final = 1 << 30
_TIGHT: Final = 5 << 30


def examine(settings: Settings) -> Findings:
    """The home, the disk it is on, and the UI's port."""
    folder = _nearest(settings.home)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield wrong(
            "LIQ_HOME", f"{settings.home} cannot be written by this user", "correct its owner, or set another LIQ_HOME"
        )
        return
    holder = Home(settings.home).in_use() if (settings.home / "run" / "lock").exists() else None
    yield fine("LIQ_HOME", f"{settings.home}{'' if settings.home.exists() else ', to be made'}")
    yield from _disk(folder)
    if holder:
        yield fine("LIQ_HOME", f"in use by {holder.partition(': ')[0]}")
    else:
        yield from _port(settings.ui_url)


def _disk(folder: Path) -> Findings:
    free = shutil.disk_usage(folder).free
    said = f"{decimal(free)} free below {folder}"
    fix = "make room, lower LIQ_RETENTION_DAYS, or move LIQ_HOME: a full disk stops PostgreSQL and Redis"
    if free < _FULL:
        yield wrong("disk", said, fix)
    elif free < _TIGHT:
        yield note("disk", said, fix)
    else:
        yield fine("disk", said)


def _port(ui_url: str) -> Findings:
    port = urlsplit(ui_url).port
    if port is None or not is_loopback(ui_url):
        return
    if process.is_free(port):
        yield fine("port", f"{port} is free for the UI")
    else:
        yield note("port", f"{port} is in use, and not by this home", "start with `liq up --port N`, or stop the other")


def _nearest(path: Path) -> Path:
    """The path itself, or the first folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
