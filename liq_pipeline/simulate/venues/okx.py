"""OKX: one topic for all swaps, text pings, contract values from the instruments endpoint, and the history over REST.

Source: exchanges.md section 1.5, exchanges/okx_history.py; errors as documented (60012 invalid request, 60018 wrong
channel, 51000 wrong parameter) or measured (50015 neither uly nor instFamily).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from liq_pipeline.liquidation import canonical
from liq_pipeline.simulate.catalogue import LISTED
from liq_pipeline.simulate.frames import dumps
from liq_pipeline.simulate.venues.protocol import Message, Reply, Session

_CHANNEL = "liquidation-orders"
_KINDS = ("SWAP", "FUTURES", "MARGIN", "OPTION")
_CONNECTION = "a4d3ae55"
_REMEMBERED = 50_000
_PAGE_ROWS = 100


class Okx:
    """See VenueProtocol. ``values`` are contract values of swaps listed besides the catalogue's.

    ``faults`` are given instead of the next answers about history.
    """

    venue = "okx"
    idle_seconds: float | None = 30.0
    messages_per_second: int | None = None

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.refusing = False
        listed = {contract.name: canonical(contract.contract_value) for contract in LISTED if contract.venue == "okx"}
        self._values = listed | dict(values or {})
        self.faults: deque[Reply] = deque()
        self.asked: list[Mapping[str, str]] = []
        """The queries about history, as they came."""
        self._history: deque[tuple[int, dict[str, Any], dict[str, Any]]] = deque(maxlen=_REMEMBERED)
        """Time, instrument and detail of every row that was published."""

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        return Session(path) if path == "/ws/v5/public" else None

    def respond(self, session: Session, message: str) -> list[str]:
        if message == "ping":
            return ["pong"]
        try:
            request = json.loads(message)
            operation, arguments = request["op"], list(request["args"])
            channels = [(argument.get("channel"), argument.get("instType")) for argument in arguments]
        except (ValueError, KeyError, TypeError, AttributeError):
            return [_error("60012", f"Invalid request: {message[:200]}")]
        if operation not in ("subscribe", "unsubscribe"):
            return [_error("60012", f"Invalid request: {message[:200]}")]
        replies = []
        for argument, (channel, kind) in zip(arguments, channels, strict=True):
            if channel != _CHANNEL or kind not in _KINDS or self.refusing:
                replies.append(
                    _error(
                        "60018",
                        f"Wrong URL or channel:{channel},instType:{kind} doesn't exist. "
                        "Please use the correct URL, channel and parameters referring to API document.",
                    )
                )
                continue
            if operation == "subscribe":
                session.topics.add(kind)
                session.changes += 1
            else:
                session.topics.discard(kind)
            replies.append(dumps({"event": operation, "arg": argument, "connId": _CONNECTION}))
        return replies

    def topic(self, message: Message) -> str | None:
        try:
            frame: Any = json.loads(message)
        except ValueError:
            return None
        argument = frame.get("arg") if isinstance(frame, dict) else None
        if not isinstance(argument, dict) or argument.get("channel") != _CHANNEL:
            return None
        kind = argument.get("instType")
        return kind if kind in _KINDS else None

    def listens(self, session: Session, topic: str | None) -> bool:
        return bool(session.topics) if topic is None else topic in session.topics

    def shaped(self, session: Session, text: str) -> str:
        return text

    def remember(self, message: Message) -> None:
        if self.topic(message) != "SWAP":
            return
        try:
            rows = [
                (int(detail["ts"]), entry, detail)
                for entry in json.loads(message)["data"]
                for detail in entry["details"]
                if entry["instFamily"]
            ]
        except (ValueError, TypeError, KeyError):
            # A frame that is broken on purpose: what went wrong on the wire is no part of the history.
            return
        self._history += rows

    def periodic(self, session: Session, now_ms: int) -> list[str]:
        return []

    def rest(self, path: str, query: Mapping[str, str]) -> Reply | None:
        if path == "/api/v5/public/liquidation-orders":
            self.asked.append(query)
            return self.faults.popleft() if self.faults else self._past(query)
        if path != "/api/v5/public/instruments":
            return None
        kind = query.get("instType", "")
        if kind not in (*_KINDS, "SPOT"):
            return Reply(400, dumps({"code": "51000", "msg": "Parameter instType error", "data": []}))
        data = []
        if kind == "SWAP":
            data = [_instrument(name, value) for name, value in sorted(self._values.items())]
            data.append(_instrument("BTC-USD-SWAP", "100"))
        return Reply(200, dumps({"code": "0", "data": data, "msg": ""}))

    def _past(self, query: Mapping[str, str]) -> Reply:
        family = query.get("instFamily") or query.get("uly")
        if query.get("instType") != "SWAP" or query.get("state") != "filled":
            return Reply(400, dumps({"code": "51000", "msg": "Parameter instType error", "data": []}))
        if family is None:
            return Reply(400, dumps({"code": "50015", "msg": "Either parameter uly or instFamily is required"}))
        before = int(query.get("after", "9" * 15))
        limit = min(int(query.get("limit", _PAGE_ROWS)), _PAGE_ROWS)
        rows = [row for row in self._history if row[1]["instFamily"] == family and row[0] < before]
        rows = sorted(rows, key=lambda row: row[0], reverse=True)[:limit]
        names = dict.fromkeys(entry["instId"] for _, entry, _ in rows)
        data = [
            {
                **next(entry for _, entry, _ in rows if entry["instId"] == name),
                "details": [detail for _, entry, detail in rows if entry["instId"] == name],
            }
            for name in names
        ]
        return Reply(200, dumps({"code": "0", "data": data, "msg": ""}))


def _instrument(name: str, value: str) -> dict[str, str]:
    base, quote = name.split("-")[:2]
    inverse = quote == "USD"
    return {
        "instType": "SWAP",
        "instId": name,
        "instFamily": f"{base}-{quote}",
        "uly": f"{base}-{quote}",
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": base if inverse else quote,
        "ctVal": value,
        "ctMult": "1",
        "ctValCcy": "USD" if inverse else base,
        "ctType": "inverse" if inverse else "linear",
        "state": "live",
        "expTime": "",
    }


def _error(code: str, text: str) -> str:
    return dumps({"event": "error", "code": code, "msg": text, "connId": _CONNECTION})
