"""Where reports are, and how one gets there: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import date
from pathlib import Path

from liq_pipeline.errors import ReportError
from liq_pipeline.settings import Settings


def path_of(settings: Settings, day: date) -> Path:
    """The file of a day's report."""
    return settings.reports / f"{day:%Y}" / f"{day:%m}" / f"{day}.html"


def write(settings: Settings, day: date, page: str) -> bool:
    """Put the page in its place, at once; whether there is anything new about it.

    A page that is there already, byte for byte, keeps its time. Raises ReportError, with the fix, if it cannot be.
    """
    path, content = path_of(settings, day), page.encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise ReportError(
            f"LIQ_REPORT_DIR={settings.reports}: {path} cannot be written: {error.strerror or error}: let this user "
            "write there, or set LIQ_REPORT_DIR to a folder of its own"
        ) from None
    return True


def _replace(path: Path, content: bytes) -> None:
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
        # Reports are there to be read by others, which mkstemp does not expect.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
