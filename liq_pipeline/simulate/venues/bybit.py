"""Bybit v5 linear: one topic per symbol, operations with replies, instruments in pages.

Source: exchanges.md section 1.4. One unknown topic refuses its whole request, as the venue does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from liq_pipeline.simulate.catalogue import LISTED
from liq_pipeline.simulate.frames import dumps
from liq_pipeline.simulate.venues.protocol import Message, Reply, Session

_TOPIC = "allLiquidation."
_CONNECTION = "2324d924-aa4d-45b0-a858-7b8be29ab52b"
_MOST_TOPIC_CHARACTERS = 21_000


class Bybit:
    """See VenueProtocol. ``played`` are frames whose symbols are listed besides the catalogue's."""

    venue = "bybit"
    idle_seconds: float | None = 600.0
    messages_per_second: int | None = None

    def __init__(self, played: Sequence[Message] = (), page_size: int = 500) -> None:
        self.refusing = False
        self._page_size = page_size
        self._symbols = {contract.name for contract in LISTED if contract.venue == self.venue}
        self.list_symbols(played)

    def list_symbols(self, played: Sequence[Message]) -> None:
        """List the symbols of these frames too."""
        for message in played:
            topic = _topic_of(message)
            if topic is not None and topic.startswith(_TOPIC) and len(topic) > len(_TOPIC):
                self._symbols.add(topic.removeprefix(_TOPIC))

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        return Session(path) if path == "/v5/public/linear" else None

    def respond(self, session: Session, message: str) -> list[str]:
        try:
            request = json.loads(message)
            operation, number = request["op"], str(request.get("req_id", ""))
            topics = [str(topic) for topic in request.get("args") or []]
        except (ValueError, KeyError, TypeError, AttributeError):
            return [_reply(False, "error:invalid request", "", "")]
        if operation == "ping":
            return [_reply(True, "pong", number, "ping")]
        if operation == "unsubscribe":
            session.topics.difference_update(topics)
            return [_reply(True, "", number, operation)]
        if operation != "subscribe":
            return [_reply(False, f"error:unknown op,op:{operation}", number, operation)]
        unknown = [topic for topic in topics if self.refusing or not self._has(topic)]
        if unknown or not topics:
            named = unknown[0] if unknown else ""
            return [_reply(False, f"error:handler not found,topic:{named}", number, operation)]
        if sum(map(len, session.topics.union(topics))) > _MOST_TOPIC_CHARACTERS:
            return [_reply(False, f"error:args exceed {_MOST_TOPIC_CHARACTERS} characters", number, operation)]
        session.topics.update(topics)
        session.changes += 1
        return [_reply(True, "", number, operation)]

    def topic(self, message: Message) -> str | None:
        topic = _topic_of(message)
        return topic if topic is not None and self._has(topic) else None

    def listens(self, session: Session, topic: str | None) -> bool:
        return bool(session.topics) if topic is None else topic in session.topics

    def shaped(self, session: Session, text: str) -> str:
        return text

    def remember(self, message: Message) -> None:
        """This venue publishes no history."""

    def periodic(self, session: Session, now_ms: int) -> list[str]:
        return []

    def rest(self, path: str, query: Mapping[str, str]) -> Reply | None:
        if path != "/v5/market/instruments-info":
            return None
        category = query.get("category", "")
        if category != "linear":
            return Reply(200, dumps({"retCode": 10001, "retMsg": f"params error: category {category}", "result": {}}))
        cursor, limit = query.get("cursor", ""), query.get("limit", str(self._page_size))
        if not limit.isdigit() or (cursor and not cursor.isdigit()):
            return Reply(200, dumps({"retCode": 10001, "retMsg": "params error: limit or cursor", "result": {}}))
        names = sorted(self._symbols)
        start, size = int(cursor or 0), max(1, min(int(limit), self._page_size))
        page = names[start : start + size]
        following = str(start + size) if start + size < len(names) else ""
        result = {"category": category, "list": [_instrument(name) for name in page], "nextPageCursor": following}
        return Reply(200, dumps({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 0}))

    def _has(self, topic: str) -> bool:
        return topic.startswith(_TOPIC) and topic.removeprefix(_TOPIC) in self._symbols


def _instrument(name: str) -> dict[str, object]:
    quote = "USDC" if name.endswith(("PERP", "USDC")) else "USDT"
    return {
        "symbol": name,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": name.removesuffix("PERP").removesuffix(quote),
        "quoteCoin": quote,
        "settleCoin": quote,
        "deliveryTime": "0",
    }


def _reply(success: bool, text: str, number: str, operation: str) -> str:
    reply = {"success": success, "ret_msg": text, "conn_id": _CONNECTION, "req_id": number, "op": operation}
    return dumps(reply)


def _topic_of(message: Message) -> str | None:
    try:
        frame = json.loads(message)
    except ValueError:
        return None
    topic = frame.get("topic") if isinstance(frame, dict) else None
    return topic if isinstance(topic, str) else None
