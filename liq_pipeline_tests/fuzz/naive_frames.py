"""A frame read once more, with Python's own JSON: what it is, and row by row what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from liq_pipeline_tests.fuzz import naive_rows
from liq_pipeline_tests.fuzz.naive_numbers import Unreadable
from liq_pipeline_tests.fuzz.naive_rows import Row

_LARGE: Final = re.compile(rb"\d[eE][-+]?\d{3}|\d{100}|\.\d{100}")
_REFUSING: Final = ("error", "code", "msg", "event", "success")


class Members(dict[str, Any]):
    """A JSON object, with every member it was written with: the last of a name counts."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


@dataclass
class Reading:
    """``rows`` are None where a row means nothing. ``kind`` is ``rows``, ``answer`` or ``none``.

    ``unsure`` are frames that may be refused as a whole although a row of them could be read.
    """

    kind: str = "none"
    rows: list[Row | None] = field(default_factory=list)
    unsure: bool = False
    escaped: bool = False
    """A NUL is written somewhere in the frame; looking where takes longer than all the rest."""

    def holds_nul(self, value: Any) -> bool:
        return self.escaped and holds_nul(value)

    def around(self, value: Members, key: str) -> bool:
        """Whether what surrounds the rows under ``key`` holds a NUL."""
        return self.escaped and any("\0" in name or (name != key and holds_nul(item)) for name, item in value.items())

    @property
    def expected(self) -> list[Row]:
        """The liquidations, with the ids that identical rows of one frame have."""
        return naive_rows.with_ids([row for row in self.rows if row is not None])


def read(feed: str, frame: bytes) -> Reading:
    """What a frame of this feed means."""
    if frame == b"pong" and feed.startswith("okx"):
        return Reading("answer")
    value = loads(frame)
    return Reading() if value is None else meaning(feed, frame, value)


def meaning(feed: str, frame: bytes, value: Members) -> Reading:
    """What the JSON in a frame of this feed means."""
    venue, _, market = feed.partition(":")
    reading = Reading(unsure=_unsure(frame, value), escaped=b"\\u0000" in frame)
    rows = {"binance": _binance, "bybit": _bybit, "okx": _okx}[venue](value, market == "inverse", reading)
    if rows is not None:
        reading.kind, reading.rows = "rows", list(rows)
    return reading


def loads(text: bytes) -> Members | None:
    """The JSON object in a text; None where there is none that a database can keep."""
    try:
        value = json.loads(
            text.decode(), parse_float=_fraction, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=Members
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, Members) or (b"\\u" in text and any(map(_is_lone_surrogate, _leaves(value)))):
        return None
    return value


def _integer(text: str) -> int | Decimal:
    # Python makes no number of more than 4,300 digits; PostgreSQL does.
    return int(text) if len(text) < 4000 else Decimal(text)


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent of more digits than there are numbers for; in a field that is read, as out of range as this.
        return Decimal("1e999999")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unsure(frame: bytes, value: Members) -> bool:
    deep = frame.count(b"[") + frame.count(b"{") > 64
    large = _LARGE.search(frame) is not None
    return deep or any(word in value for word in _REFUSING) or (large and any(map(_extreme, _leaves(value))))


def _extreme(leaf: Any) -> bool:
    if isinstance(leaf, Decimal):
        return abs(leaf.adjusted()) > 300 or len(leaf.as_tuple().digits) > 100
    return isinstance(leaf, int) and abs(leaf) > 10**100


def _is_lone_surrogate(leaf: Any) -> bool:
    return isinstance(leaf, str) and any("\ud800" <= character <= "\udfff" for character in leaf)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Members):
        for key, item in value.pairs:
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def holds_nul(value: Any) -> bool:
    return any(isinstance(leaf, str) and "\0" in leaf for leaf in _leaves(value))


def _meant(build: Any, spoilt: bool) -> Row | None:
    try:
        return None if spoilt else build()
    except Unreadable:
        return None


def _binance(value: Members, inverse: bool, reading: Reading) -> Iterable[Row | None] | None:
    data = value if value.get("data") is None else value["data"]

    def meant(event: Any, spoilt: bool) -> Row | None:
        good = isinstance(event, dict) and event.get("e") == "forceOrder"
        return _meant(lambda: naive_rows.binance(event.get("o"), inverse_feed=inverse), spoilt or not good)

    if isinstance(data, list):
        spoilt = reading.holds_nul(value) if len(data) <= 1 else reading.around(value, "data")
        return [meant(event, spoilt or reading.holds_nul(event)) for event in data]
    if isinstance(data, dict) and data.get("e") == "forceOrder":
        return [meant(data, reading.holds_nul(value))]
    if isinstance(data, dict) and (data.get("e") == "markPriceUpdate" or {"result", "id"} <= value.keys()):
        reading.kind = "answer"
    return None


def _bybit(value: Members, inverse: bool, reading: Reading) -> Iterable[Row | None] | None:
    topic = value.get("topic")
    if isinstance(topic, str) and topic.startswith(("allLiquidation.", "liquidation.")):
        old = topic.startswith("liquidation.")
        data = value.get("data")
        rows = data if isinstance(data, list) else [data]
        spoilt = reading.holds_nul(value) if len(rows) <= 1 else reading.around(value, "data")
        return [
            _meant(
                lambda row=row: naive_rows.bybit(row, old=old, inverse_feed=inverse), spoilt or reading.holds_nul(row)
            )
            for row in rows
        ]
    if "pong" in (value.get("op"), value.get("ret_msg")) or value.get("success") is True:
        reading.kind = "answer"
    return None


def _okx(value: Members, inverse: bool, reading: Reading) -> Iterable[Row | None] | None:
    arg = value.get("arg")
    channel = arg.get("channel") if isinstance(arg, dict) else None
    data = value.get("data")
    old = value.get("table") in ("swap/liquidation", "futures/liquidation")
    if old or channel == "liquidations":
        rows = data if isinstance(data, list) else [data]
        spoilt = reading.holds_nul(value) if len(rows) <= 1 else reading.around(value, "data")
        contract = arg.get("instId") if isinstance(arg, dict) else None

        def flat(row: Any) -> Row:
            return naive_rows.okx_v3(row) if old else naive_rows.okx(contract, row, dialect="liquidations")

        return [_meant(lambda row=row: flat(row), spoilt or reading.holds_nul(row)) for row in rows]
    if channel == "liquidation-orders" and isinstance(data, list):
        return _okx_nested(value, data, reading)
    if data is None and value.get("event") in ("subscribe", "notice", "channel-conn-count"):
        reading.kind = "answer"
    return None


def _okx_nested(value: Members, data: list[Any], reading: Reading) -> list[Row | None]:
    details = [listed.get("details") if isinstance(listed, dict) else None for listed in data]
    count = sum(len(rows) if isinstance(rows, list) and rows else 1 for rows in details)
    spoilt = reading.holds_nul(value) if count == 1 else reading.around(value, "data")
    found: list[Row | None] = []
    for listed, rows in zip(data, details, strict=True):
        if not isinstance(rows, list) or not rows:
            found.append(None)
            continue
        bad = spoilt or reading.around(listed, "details")
        found += [
            _meant(
                lambda row=row, listed=listed: naive_rows.okx(listed.get("instId"), row), bad or reading.holds_nul(row)
            )
            for row in rows
        ]
    return found
