"""What keeps a demo's home apart from the real world."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from liq_pipeline.collector.connection import is_loopback
from liq_pipeline.embedded.home import Home
from liq_pipeline.errors import SettingsError
from liq_pipeline.exchanges.base import History
from liq_pipeline.settings import Settings


def venues_file(home: Home) -> Path:
    """Where the simulated exchanges of a demo say under which variables and addresses they listen."""
    return home.run / "venues.json"


def with_simulated_venues(settings: Settings) -> Settings:
    """In a demo's home the addresses of its exchanges, for what is run beside its `liq up`; elsewhere as they are."""
    home = Home(settings.home)
    if not home.is_demo or not venues_file(home).is_file():
        return settings
    listening: dict[str, str] = json.loads(venues_file(home).read_text())
    urls: dict[str, dict[str, str]] = {"WS": {}, "REST": {}}
    for variable, url in listening.items():
        _, kind, _, venue = variable.split("_", 3)
        urls[kind][venue.lower()] = url
    return settings.model_copy(
        update={"ws_urls": urls["WS"] | settings.ws_urls, "rest_urls": urls["REST"] | settings.rest_urls}
    )


def refuse_real_venues(settings: Settings, feeds: Iterable[str]) -> None:
    """Raise SettingsError if the home is a demo's and one of ``feeds`` is not that of a venue on this machine."""
    if not Home(settings.home).is_demo:
        return
    urls = (settings.ws_urls, settings.rest_urls)
    real = [feed for feed in feeds if not all(is_loopback(of_kind.get(feed, "")) for of_kind in urls)]
    if real:
        raise SettingsError(
            f"LIQ_HOME={settings.home} is a demo's, and {', '.join(real)} would come from the real exchange: "
            "real data would mix with invented; set another LIQ_HOME"
        )


def history_late_ms(settings: Settings, history: History) -> int:
    """How long after it happened a liquidation may turn up in a venue's history; in that of a demo's it is at once."""
    return 0 if Home(settings.home).is_demo else history.late_ms
