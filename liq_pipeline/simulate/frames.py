"""From true events to what a venue puts on the wire today: wire formats, batching, throttling and delays.

Binance USD-M sends one event a frame about 1 s after the trade, Bybit batches of 500 ms per symbol, OKX lists of
details for several instruments. Binance and OKX publish at most one liquidation per contract and second when
``throttle`` is on, the largest. Sources: exchanges.md sections 1.2, 1.4 and 1.5, and frames of October 2026.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from liq_pipeline.liquidation import Side, canonical
from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.draws import Draws
from liq_pipeline.simulate.market import Event


@dataclass(frozen=True)
class Frame:
    """One frame a venue sends at ``due`` (UTC milliseconds).

    ``events`` are what it means, in the order of its rows; ``suppressed`` are the true events that throttling
    left out in favour of these.
    """

    venue: str
    due: int
    text: str
    events: tuple[Event, ...]
    suppressed: tuple[Event, ...] = ()


@dataclass(frozen=True)
class _Batching:
    """How long a venue gathers events before it sends, and how long that takes (ms)."""

    window: int
    delay: tuple[int, int]
    aligned: bool = False
    per_contract: bool = True
    largest_only: bool = False


_COMPLETE: Final = {
    "binance": _Batching(0, (935, 1012)),
    "bybit": _Batching(500, (3, 40), aligned=True),
    "okx": _Batching(200, (5, 60), aligned=True, per_contract=False),
}
_THROTTLED: Final = {
    "binance": _Batching(1000, (2, 12), largest_only=True),
    "bybit": _COMPLETE["bybit"],
    "okx": _Batching(1000, (5, 60), largest_only=True),
}


def encode(events: Iterable[Event], seed: int, throttle: bool = False) -> Iterator[Frame]:
    """The frames of all venues for ``events`` (in order of time), in order of ``due``."""
    venues = {venue: _Venue(venue, seed, throttle) for venue in VENUES}
    ready: list[tuple[int, int, Frame]] = []
    count = 0
    for event in events:
        for venue in venues.values():
            for frame in venue.close(event.time):
                count += 1
                heapq.heappush(ready, (frame.due, count, frame))
        # Whatever is sent later is due later than the newest event.
        while ready and ready[0][0] <= event.time:
            yield heapq.heappop(ready)[2]
        venues[event.contract.venue].add(event)
    for venue in venues.values():
        for frame in venue.close(None):
            count += 1
            heapq.heappush(ready, (frame.due, count, frame))
    while ready:
        yield heapq.heappop(ready)[2]


@dataclass
class _Window:
    end: int
    events: list[Event] = field(default_factory=list)


class _Venue:
    def __init__(self, venue: str, seed: int, throttle: bool) -> None:
        self._venue = venue
        self._draws = Draws(f"frames {venue} {seed}")
        self._batching = (_THROTTLED if throttle else _COMPLETE)[venue]
        self._open: dict[object, _Window] = {}
        self._last_due = 0

    def add(self, event: Event) -> None:
        batching = self._batching
        key: object = (event.contract.name, len(self._open)) if not batching.window else event.contract.name
        if not batching.per_contract:
            key = None
        if key not in self._open:
            start = event.time // batching.window * batching.window if batching.aligned else event.time
            self._open[key] = _Window(start + batching.window)
        self._open[key].events.append(event)

    def close(self, now: int | None) -> Iterator[Frame]:
        """The frames of all windows that ended by ``now``; None ends all of them."""
        closed = [key for key, window in self._open.items() if now is None or window.end <= now]
        for window in sorted((self._open.pop(key) for key in closed), key=lambda window: window.end):
            yield self._frame(window)

    def _frame(self, window: _Window) -> Frame:
        events, suppressed = window.events, list[Event]()
        if self._batching.largest_only:
            # By position: an equal twin of the largest is suppressed all the same.
            largest = max(range(len(events)), key=lambda index: events[index].price * events[index].quantity)
            suppressed = events[:largest] + events[largest + 1 :]
            events = [events[largest]]
        due = max(self._last_due, window.end + self._draws.integer(*self._batching.delay))
        self._last_due = due
        frame = _ENCODERS[self._venue](events, due, self._draws)
        return Frame(self._venue, due, dumps(frame), tuple(_row_order(events)), tuple(suppressed))


def dumps(frame: object) -> str:
    """Compact JSON as venues send it, text in any script unescaped."""
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False)


def _row_order(events: list[Event]) -> list[Event]:
    """Rows by instrument in order of first appearance: how OKX nests them; other venues' frames hold one only."""
    names = list(dict.fromkeys(event.contract.name for event in events))
    return sorted(events, key=lambda event: names.index(event.contract.name))


def _binance(events: list[Event], due: int, draws: Draws) -> dict[str, Any]:
    (event,) = events
    contract, filled = event.contract, event.quantity
    assert event.limit_price is not None
    steps = int(filled / contract.step)
    last = contract.step * draws.integer(1, steps) if draws.chance(0.7) else filled
    # An order that is not filled completely: what counts is z, the filled part, not q.
    partial = draws.chance(0.01)
    ordered = filled + contract.step * draws.integer(1, steps) if partial else filled
    order = {
        "s": contract.name,
        "S": "SELL" if event.side is Side.LONG else "BUY",
        "o": "LIMIT",
        "f": "IOC",
        "q": _fixed(ordered, contract.step),
        "p": f"{event.limit_price:.{contract.places}f}",
        "ap": f"{event.price:.{contract.places}f}",
        "X": "PARTIALLY_FILLED" if partial else "FILLED",
        "l": _fixed(last, contract.step),
        "z": _fixed(filled, contract.step),
        "T": event.time,
        "ps": contract.name,
        "st": 1,
    }
    return {"stream": "!forceOrder@arr", "data": {"e": "forceOrder", "E": due, "o": order}}


def _bybit(events: list[Event], due: int, draws: Draws) -> dict[str, Any]:
    rows = [
        {
            "T": event.time,
            "s": event.contract.name,
            "S": "Buy" if event.side is Side.LONG else "Sell",
            "v": _fixed(event.quantity, event.contract.step),
            "p": f"{event.price:.{event.contract.places}f}",
        }
        for event in events
    ]
    return {"topic": f"allLiquidation.{events[0].contract.name}", "type": "snapshot", "ts": due, "data": rows}


def _okx(events: list[Event], due: int, draws: Draws) -> dict[str, Any]:
    data: dict[str, dict[str, Any]] = {}
    for event in events:
        family = event.contract.name.removesuffix("-SWAP")
        entry = data.setdefault(
            event.contract.name,
            {
                "details": [],
                "instFamily": family,
                "instId": event.contract.name,
                "instType": "SWAP",
                "uly": family,
            },
        )
        long = event.side is Side.LONG
        # Accounts in net mode name no side; the order's own side then tells.
        net = draws.chance(0.1)
        entry["details"].append(
            {
                "bkLoss": "0",
                "bkPx": canonical(event.price),
                "ccy": "",
                "posSide": "net" if net else "long" if long else "short",
                "side": "sell" if long else "buy",
                "sz": canonical(event.quantity),
                "ts": str(event.time),
            }
        )
    return {"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": list(data.values())}


_ENCODERS: Final = {"binance": _binance, "bybit": _bybit, "okx": _okx}


def _fixed(value: Decimal, step: Decimal) -> str:
    exponent = step.as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{value:.{max(0, -exponent)}f}"
