"""The terminal: what was read last, drawn again whenever something changes, until a key or a signal ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from liq_pipeline.top.ink import Ink
from liq_pipeline.top.keys import keys
from liq_pipeline.top.moment import Document, Moment, Tables
from liq_pipeline.top.picture import picture, waiting
from liq_pipeline.top.polling import Poller

_TABLES_SECONDS: Final = 10.0
_PATIENCE: Final = 5.0


class Screen:
    """What is read by two threads, and the lines made of it."""

    def __init__(
        self,
        document: Callable[[Moment, Tables | None], Document],
        moments: Callable[[], Moment],
        tables: Callable[[], Tables],
        choose: Callable[[str], None],
        interval: float,
    ) -> None:
        self._document = document
        self._read = (moments, tables)
        self._choose = choose
        self._interval = interval

    def show(self, console: Console) -> None:
        """Draw until it is ended. Raises what was a defect of the reading."""
        ink = Ink(console.options.ascii_only)
        with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            moments = Poller(self._read[0], self._interval, pressed.wake)
            tables = Poller(self._read[1], _TABLES_SECONDS, pressed.wake)
            moments.start()
            tables.start()
            while not pressed.stopped:
                for poller in (moments, tables):
                    if poller.defect is not None:
                        raise poller.defect
                width, height = console.size
                live.update(Text("\n").join(self._lines(moments, tables, ink, width, height)), refresh=True)
                for key in pressed.wait(self._interval).lower():
                    if key == "q":
                        return
                    if key == "s" and moments.latest is not None and (symbol := following(moments.latest)):
                        self._choose(symbol)
                        moments.soon()

    def _lines(self, moments: Poller[Moment], tables: Poller[Tables], ink: Ink, width: int, height: int) -> list[Text]:
        trouble, asked_at = moments.error, moments.asked_at
        if trouble is None and asked_at is not None and time.monotonic() - asked_at > _PATIENCE:
            trouble = f"Redis has not answered for {time.monotonic() - asked_at:.0f} s"
        if moments.latest is None:
            return waiting(trouble or "reading …", ink, width)
        known = tables.latest
        if tables.error is not None:
            known = replace(known or Tables(), error=tables.error)
        document = self._document(moments.latest, known)
        return picture(document, ink, width, height, [f"what follows is old: {trouble}"] if trouble else [])


def following(moment: Moment) -> str | None:
    """The symbol behind the one that is shown, by USD, and behind the last the first again."""
    names = [each.symbol for each in moment.symbols]
    if not names:
        return None
    return names[(names.index(moment.symbol) + 1) % len(names)] if moment.symbol in names else names[0]
