"""Binance USD-M: routed paths, combined and single streams, acknowledgements, the control stream.

Since 2026-04-23 only ``/market`` carries liquidations: other paths shake hands, acknowledge and stay silent.
Source: exchanges.md section 1.2; replies as documented under "Live Subscribing/Unsubscribing to streams".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from liq_pipeline.simulate.catalogue import LISTED
from liq_pipeline.simulate.frames import dumps
from liq_pipeline.simulate.venues.protocol import Message, Reply, Session

_ALL = "!forceOrder@arr"
_ONE = "@forceOrder"
_PRICES = {"BTCUSDT": "82400.10000000", "ETHUSDT": "2720.15000000"}


class Binance:
    """See VenueProtocol."""

    venue = "binance"
    idle_seconds: float | None = None
    messages_per_second: int | None = 10

    def __init__(self) -> None:
        self.refusing = False

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        route, _, rest = path.removeprefix("/").partition("/")
        if route not in ("market", "public", "private"):
            route, rest = "", path.removeprefix("/")
        kind, _, stream = rest.partition("/")
        if kind not in ("ws", "stream") or (kind == "stream" and stream):
            return None
        streams = [stream] if stream else [name for name in query.get("streams", "").split("/") if name]
        session = Session(path, combined=kind == "stream", routed=route == "market")
        if not self.refusing:
            session.topics.update(streams)
        return session

    def respond(self, session: Session, message: str) -> list[str]:
        try:
            request = json.loads(message)
            method, number = request["method"], request.get("id")
            streams = [str(stream) for stream in request.get("params") or []]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return [dumps({"error": {"code": 3, "msg": f"Invalid JSON: {error}"}})]
        if method == "LIST_SUBSCRIPTIONS":
            return [dumps({"result": sorted(session.topics), "id": number})]
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE") or self.refusing:
            detail = f"unknown variant `{method}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`"
            return [dumps({"error": {"code": 2, "msg": f"Invalid request: {detail}"}, "id": number})]
        # The venue acknowledges streams that do not exist, too.
        if method == "SUBSCRIBE":
            session.topics.update(streams)
            session.changes += 1
        else:
            session.topics.difference_update(streams)
        return [dumps({"result": None, "id": number})]

    def topic(self, message: Message) -> str | None:
        order = _order(message)
        symbol = order.get("s") if order else None
        return f"{symbol.lower()}{_ONE}" if isinstance(symbol, str) else None

    def listens(self, session: Session, topic: str | None) -> bool:
        if not session.routed:
            return False
        if topic is None:
            return any(name == _ALL or name.endswith(_ONE) for name in session.topics)
        return _ALL in session.topics or topic in session.topics

    def shaped(self, session: Session, text: str) -> str:
        data = json.loads(text)["data"]
        if not session.combined:
            return dumps(data)
        return text if _ALL in session.topics else dumps({"stream": self.topic(text), "data": data})

    def remember(self, message: Message) -> None:
        """This venue publishes no history."""

    def periodic(self, session: Session, now_ms: int) -> list[str]:
        if not session.routed:
            return []
        return [
            self._mark_price(session, stream, now_ms)
            for stream in sorted(session.topics)
            if stream.endswith(("@markPrice", "@markPrice@1s"))
        ]

    def rest(self, path: str, query: Mapping[str, str]) -> Reply | None:
        if path != "/fapi/v1/exchangeInfo":
            return None
        symbols = [
            {
                "symbol": contract.name,
                "pair": contract.name,
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": contract.name[:-4],
                "quoteAsset": contract.name[-4:],
                "marginAsset": contract.name[-4:],
            }
            for contract in LISTED
            if contract.venue == self.venue
        ]
        return Reply(200, dumps({"timezone": "UTC", "symbols": symbols}))

    @staticmethod
    def _mark_price(session: Session, stream: str, now_ms: int) -> str:
        symbol = stream.partition("@")[0].upper()
        price = _PRICES.get(symbol, "1.00000000")
        data = {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": symbol,
            "p": price,
            "i": price,
            "P": price,
            "r": "0.00010000",
            "T": now_ms // 28_800_000 * 28_800_000 + 28_800_000,
        }
        return dumps({"stream": stream, "data": data} if session.combined else data)


def _order(message: Message) -> dict[str, Any] | None:
    try:
        frame = json.loads(message)
    except ValueError:
        return None
    data = frame.get("data", frame) if isinstance(frame, dict) else None
    order = data.get("o") if isinstance(data, dict) else None
    return order if isinstance(order, dict) else None
