"""OKX: one topic for all swaps, text pings, contract values from the instruments endpoint.

Source: exchanges.md section 1.5; errors as documented (60012 invalid request, 60018 wrong channel).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from liq_pipeline.liquidation import canonical
from liq_pipeline.simulate.catalogue import LISTED
from liq_pipeline.simulate.frames import dumps
from liq_pipeline.simulate.venues.protocol import Message, Reply, Session

_CHANNEL = "liquidation-orders"
_KINDS = ("SWAP", "FUTURES", "MARGIN", "OPTION")
_CONNECTION = "a4d3ae55"


class Okx:
    """See VenueProtocol. ``values`` are contract values of swaps listed besides the catalogue's."""

    venue = "okx"
    idle_seconds: float | None = 30.0
    messages_per_second: int | None = None

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.refusing = False
        listed = {contract.name: canonical(contract.contract_value) for contract in LISTED if contract.venue == "okx"}
        self._values = listed | dict(values or {})

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

    def periodic(self, session: Session, now_ms: int) -> list[str]:
        return []

    def rest(self, path: str, query: Mapping[str, str]) -> Reply | None:
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
