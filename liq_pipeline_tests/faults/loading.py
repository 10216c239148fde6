"""``python -m liq_pipeline_tests.faults.loading``: the loader, and today's tables again and again, until SIGTERM.

What the daily job does over and over while `liq up` runs, without a process a time: so it can be killed anywhere.
"""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from typing import Final

from liq_pipeline.errors import LiqError
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse import coverage, loader, rollups
from liq_pipeline.warehouse.days import materialize_events

_PAUSE_SECONDS: Final = 0.3
_DAY_EVERY: Final = 5
"""Drains between two materializations of today."""


def main() -> None:
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    settings = load_settings()
    assert settings.database_url and settings.redis_url
    urls = settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()
    turn = 0
    while not asked.is_set():
        try:
            loader.drain(*urls, settings)
            if turn % _DAY_EVERY == 0:
                _make_today(*urls, settings)
        except LiqError as error:
            print(f"{datetime.now(UTC):%T} {type(error).__name__}: {error}", flush=True)  # noqa: T201 - it is the log
        turn += 1
        asked.wait(_PAUSE_SECONDS)


def _make_today(database_url: str, redis_url: str, settings: Settings) -> None:
    today = datetime.now(UTC).date()
    materialize_events(database_url, today, settings)
    for table in rollups.TABLES:
        rollups.materialize(database_url, table, today, settings)
    coverage.materialize(database_url, redis_url, today, settings, time.time_ns() // 1_000_000)


if __name__ == "__main__":
    main()
