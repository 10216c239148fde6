"""Frames that are not what a parser hopes for, in each venue's own format, made from real-looking ones.

``broken`` parts must be rejected, ``chatter`` ignored, ``refusals`` rejected, ``odd`` frames land all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from liq_pipeline.simulate.frames import dumps

Mutation = Callable[[dict[str, Any]], None]

# The venue's names of: contract, quantity, price, time, side.
_FIELDS: Final = {
    "binance": {"contract": "s", "quantity": "z", "price": "ap", "time": "T", "side": "S"},
    "bybit": {"contract": "s", "quantity": "v", "price": "p", "time": "T", "side": "S"},
    "okx": {"contract": "instId", "quantity": "sz", "price": "bkPx", "time": "ts", "side": "side"},
}
_FOREIGN: Final = {"binance": "ETHBTC", "bybit": "BTCEUR", "okx": "BTC-EUR-SWAP"}

BROKEN_VALUES: Final[dict[str, tuple[str, object]]] = {
    "nan_quantity": ("quantity", "NaN"),
    "negative_quantity": ("quantity", "-1.5"),
    "zero_quantity": ("quantity", "0.000"),
    "infinite_price": ("price", "Infinity"),
    "negative_price": ("price", "-82000.10"),
    "text_price": ("price", "about 82000"),
    "list_quantity": ("quantity", ["1"]),
    "boolean_quantity": ("quantity", True),
    "time_in_text": ("time", "yesterday"),
    "time_zero": ("time", "0"),
    "time_absurd": ("time", "999999999999999999"),
    "unknown_side": ("side", "HOLD"),
    "empty_contract": ("contract", ""),
    "number_as_contract": ("contract", 17),
}
"""Defects that replace one field's value, and which field."""

TEXTS: Final = {
    "html": "<html><body><h1>502 Bad Gateway</h1></body></html>",
    "empty_object": "{}",
    "list": "[]",
    "null": "null",
    "unknown_message": '{"event":"something new","payload":[1,2,3]}',
    "bare_nan": '{"data":NaN}',
}
"""Frames no venue sends, or that are not JSON at all; all must be rejected."""

CHATTER: Final = {
    "binance": (
        '{"result":null,"id":1}',
        '{"result":["!forceOrder@arr"],"id":2}',
        '{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1794355200000,"s":"BTCUSDT",'
        '"p":"82400.10000000","i":"82401.20000000","P":"82390.00000000","r":"0.00010000","T":1794384000000}}',
    ),
    "bybit": (
        '{"success":true,"ret_msg":"","conn_id":"2324d924-aa4d-45b0-a858-7b8be29ab52b","req_id":"","op":"subscribe"}',
        '{"success":true,"ret_msg":"pong","conn_id":"2324d924-aa4d-45b0-a858-7b8be29ab52b","req_id":"","op":"ping"}',
    ),
    "okx": (
        '{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"a4d3ae55"}',
        "pong",
    ),
}
"""What arrives between liquidations and is none; must be ignored."""

REFUSALS: Final = {
    "binance": '{"error":{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIB`"},"id":3}',
    "bybit": '{"success":false,"ret_msg":"error:handler not found,topic:liquidation.BTCUSDT",'
    '"conn_id":"2324d924-aa4d-45b0-a858-7b8be29ab52b","req_id":"","op":"subscribe"}',
    "okx": '{"event":"error","code":"60018","msg":"Wrong URL or channel:liquidation-order,instType:SWAP '
    "doesn't exist. Please use the correct URL, channel and parameters referring to API document.\","
    '"connId":"a4d3ae55"}',
}
"""Errors the venues report; must be rejected, so that somebody reads them."""


def with_value(venue: str, text: str, field: str, value: object) -> str:
    """The frame narrowed to its first row, with one field replaced."""
    frame = _first_row_only(venue, text)
    if field == "time" and venue != "okx" and isinstance(value, str) and value.isdigit():
        value = int(value)
    _holder(venue, frame, field)[_FIELDS[venue][field]] = value
    return dumps(frame)


def without(venue: str, text: str, field: str) -> str:
    """The frame narrowed to its first row, with one field missing."""
    frame = _first_row_only(venue, text)
    del _holder(venue, frame, field)[_FIELDS[venue][field]]
    return dumps(frame)


def foreign_quote(venue: str, text: str) -> str:
    """The frame's first row on a contract quoted in something that is not worth one US dollar."""
    return with_value(venue, text, "contract", _FOREIGN[venue])


def unlisted(text: str) -> str:
    """An OKX frame of a contract nobody lists: without its contract value it has no size."""
    return with_value("okx", text, "contract", "NOSUCHCOIN-USDT-SWAP")


def with_unknown_keys(venue: str, text: str) -> str:
    """The whole frame with keys no parser has seen yet, as venues add them without notice."""
    frame: dict[str, Any] = json.loads(text)
    frame["newInTheFrame"] = {"nested": [1, None, "x"]}
    _holder(venue, frame, "price")["zz"] = "new in the row"
    return dumps(frame)


def renamed(venue: str, text: str, contract: str) -> str:
    """The frame narrowed to its first row, on another contract of Binance or Bybit."""
    frame = _first_row_only(venue, text)
    _holder(venue, frame, "contract")["s"] = contract
    if venue == "bybit":
        frame["topic"] = f"allLiquidation.{contract}"
    else:
        frame["data"]["o"]["ps"] = contract
    return dumps(frame)


def joined(venue: str, text: str, other: str) -> str:
    """The rows of two Bybit or OKX frames in one."""
    frame, second = json.loads(text), json.loads(other)
    frame["data"] += second["data"]
    return dumps(frame)


def _first_row_only(venue: str, text: str) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(text)
    if venue != "binance":
        del frame["data"][1:]
    if venue == "okx":
        del frame["data"][0]["details"][1:]
    return frame


def _holder(venue: str, frame: dict[str, Any], field: str) -> dict[str, Any]:
    """The object that holds a field of the first row."""
    data = frame["data"]
    holder: dict[str, Any]
    if venue == "binance":
        holder = data["o"]
    elif venue == "bybit" or field == "contract":
        holder = data[0]
    else:
        holder = data[0]["details"][0]
    return holder
