"""What each venue's row means, read once more from exchanges.md: which field is the side, the size, the price."""

from __future__ import annotations

import calendar
import json
import re
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, Final

from liq_pipeline_tests.fuzz.naive_numbers import (
    Contract,
    Size,
    Unreadable,
    amounts,
    checked,
    identity,
    inverse,
    linear,
    milliseconds,
    need,
    number,
    plain,
)

Row = dict[str, Any]
"""The columns of a liquidation; ``identity`` is what its ``event_id`` is made of."""
_MONTHS: Final = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def binance_contract(name: Any) -> Contract:
    checked(name)
    coin_margined = re.fullmatch(r"(.+)USD_(PERP|[0-9]{6})", name)
    if coin_margined:
        return inverse(coin_margined[1], None if coin_margined[2] == "PERP" else coin_margined[2])
    pair, *rest = name.split("_", 1)
    need(not rest or re.fullmatch(r"[0-9]{6}", rest[0]) is not None)
    need(len(pair) > 4)
    return linear(pair[:-4], pair[-4:], *rest)


def binance(order: Any, *, inverse_feed: bool) -> Row:
    need(isinstance(order, dict))
    side = order.get("S")
    need(side in ("BUY", "SELL") and isinstance(side, str))
    contract = binance_contract(order.get("s"))
    need(contract.inverse is inverse_feed)
    time, limit, size = milliseconds(order.get("T")), number(order.get("p")), number(order.get("z"))
    average = order.get("ap")
    absent = average is None or average == "" or _is_zero(average)
    price = limit if absent else number(average)
    units = size * (100 if order["s"].startswith("BTCUSD_") else 10) if inverse_feed else size
    largest = not inverse_feed and time >= _day("2026-04-14")
    return {
        "time": time,
        "exchange": "binance",
        "contract": order["s"],
        "side": "LONG" if side == "SELL" else "SHORT",
        "price_kind": "order" if absent else "fill",
        "feed_semantics": "throttled-1s-largest" if largest else "throttled-1s-latest",
        "identity": ("binance", order["s"], str(time), side, plain(limit), plain(size)),
        **amounts(contract, price, units, limit),
    }


def _is_zero(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"0+([.]0*)?", value) is not None
    return not isinstance(value, bool | list | dict) and value == 0


def bybit_contract(name: Any) -> Contract:
    checked(name)
    if found := re.fullmatch(r"(.+)USD(([HMUZ])([0-9][0-9]))?", name):
        if not found[2]:
            return inverse(found[1])
        month = {"H": 3, "M": 6, "U": 9, "Z": 12}[found[3]]
        last = calendar.monthrange(2000 + int(found[4]), month)[1]
        friday = next(
            day for day in range(last, 0, -1) if calendar.weekday(2000 + int(found[4]), month, day) == calendar.FRIDAY
        )
        return inverse(found[1], f"{found[4]}{month:02}{friday:02}")
    pair, *rest = name.split("-", 1)
    expiry = None
    if rest:
        found = re.fullmatch(r"([0-9]{1,2})([A-Z]{3})([0-9]{2})", rest[0])
        need(found is not None)
        assert found is not None
        need(found[2] in _MONTHS)
        days = calendar.monthrange(2000 + int(found[3]), _MONTHS.index(found[2]) + 1)[1]
        need(1 <= int(found[1]) <= days)
        expiry = f"{found[3]}{_MONTHS.index(found[2]) + 1:02}{int(found[1]):02}"
    if pair.endswith("PERP") and len(pair) > 4:
        return linear(pair[:-4], "USDC", expiry)
    if expiry and pair[-4:] not in ("USDT", "USDC"):
        return linear(pair, "USDC", expiry)
    need(len(pair) > 4)
    return linear(pair[:-4], pair[-4:], expiry)


def bybit(row: Any, *, old: bool, inverse_feed: bool) -> Row:
    need(isinstance(row, dict))
    names, first, last, semantics = ("s", "S", "p", "v", "T"), _day("2025-02-14"), 2**62, "complete"
    if old:
        names, first, last = ("symbol", "side", "price", "qty", "time"), 0, _day("2023-04-05")
        semantics = "throttled-1s"
        if "updatedTime" in row:
            names = ("symbol", "side", "price", "size", "updatedTime")
            first, last = _day("2023-01-01"), _day("2026-02-17")
    name, side, price, size, time = map(row.get, names)
    need(isinstance(side, str) and side in ("Buy", "Sell"))
    contract = bybit_contract(name)
    need(contract.inverse is inverse_feed)
    at = milliseconds(time)
    need(first <= at < last)
    exact_price, exact_size = number(price), number(size)
    return {
        "time": at,
        "exchange": "bybit",
        "contract": name,
        "side": "LONG" if side == "Buy" else "SHORT",
        "price_kind": "bankruptcy",
        "feed_semantics": semantics,
        "identity": ("bybit", name, str(at), side, plain(exact_price), plain(exact_size)),
        **amounts(contract, exact_price, exact_size),
    }


@cache
def okx_sizes() -> dict[str, Size]:
    listed = json.loads(resources.files("liq_pipeline.exchanges").joinpath("instruments_okx.json").read_bytes())
    return {
        name: Size(Fraction(size), market == "inverse")
        for market in ("linear", "inverse")
        for name, size in listed[market].items()
    }


def okx(contract_name: Any, detail: Any, *, dialect: str = "orders") -> Row:
    """A detail row; ``dialect`` is ``orders``, ``liquidations`` or ``v3``."""
    need(isinstance(detail, dict))
    name = checked(contract_name)
    found = re.fullmatch(r"([^-]+)-([^-]+)-(SWAP|[0-9]{6})", name)
    if found is None:
        raise Unreadable
    expiry = None if found[3] == "SWAP" else found[3]
    contract = inverse(found[1], expiry) if found[2] == "USD" else linear(found[1], found[2], expiry)
    position, side = detail.get("posSide"), detail.get("side")
    need(isinstance(position, str) and isinstance(side, str))
    need((position, side) in {("long", "sell"), ("short", "buy"), ("net", "sell"), ("net", "buy")})
    time = milliseconds(detail.get("ts"))
    first, last = {
        "orders": (_day("2023-03-01"), 2**62),
        "liquidations": (_day("2021-12-01"), _day("2023-04-01")),
        "v3": (0, _day("2021-12-23")),
    }[dialect]
    need(first <= time < last)
    price, size = number(detail.get("bkPx")), number(detail.get("sz"))
    known = okx_sizes().get(name) or okx_sizes().get(f"{found[1]}-{found[2]}-SWAP")
    if known is None:
        raise Unreadable
    need(known.inverse is contract.inverse)
    return {
        "time": time,
        "exchange": "okx",
        "contract": name,
        "side": "LONG" if side == "sell" else "SHORT",
        "price_kind": "bankruptcy",
        "feed_semantics": "throttled-1s",
        "identity": ("okx", name, str(time), position, side, plain(price), plain(size)),
        **amounts(contract, price, size * known.amount),
    }


def okx_v3(row: Any) -> Row:
    need(isinstance(row, dict))
    kind = row.get("type")
    need(not isinstance(kind, list | dict) and str(kind) in ("3", "4"))
    try:
        moment = datetime.fromisoformat(str(row.get("created_at")))
        need(moment.tzinfo is not None)
        time = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution // 1000
    except (ValueError, OverflowError):
        raise Unreadable from None
    words = {"posSide": "long", "side": "sell"} if str(kind) == "3" else {"posSide": "short", "side": "buy"}
    detail = {**words, "bkPx": row.get("price"), "sz": row.get("size"), "ts": time}
    return okx(row.get("instrument_id"), detail, dialect="v3")


def with_ids(rows: list[Row], first: int = 0) -> list[Row]:
    """The rows with their ``event_id``, identical ones counted from ``first`` on."""
    seen: dict[Any, int] = {}
    found = []
    for row in rows:
        fields = {name: value for name, value in row.items() if name != "identity"}
        ordinal = seen.get(row["identity"], first)
        seen[row["identity"]] = ordinal + 1
        found.append({**fields, "ordinal": ordinal, "event_id": identity(*row["identity"], ordinal=ordinal)})
    return found
