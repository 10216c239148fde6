"""Broken frames and lines, from good ones: the same draw gives the same bytes.

Some are broken as bytes, some as JSON, some hardly at all: other digits make another event, which has to be the right
one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

VALUES: Final = (
    "null", "true", "false", "0", "-0", "-1", "0.0", "1.5", "1e5", "1E-7", "1e400", "1e999999", "-1e-999999", "NaN",
    "Infinity", "-Infinity", "9" * 19, "9" * 70, "1" + "0" * 399, "1" + "0" * 5000, "[]", "{}", "[[]]", '""', '" "',
    '"0"', '"0.000"', '"-0"', '"+1"', '"1e3"', '"1e-19"', '"1E+18"', '".5"', '"5."', '"1_0"', '" 7"', '"0x1F"',
    '"1,5"', '"NaN"', '"inf"', '"1e999999999"', '"\\u0661\\u0662"', '"１２"', '"\\u0000"', '"a\\\\u0000"', '"\\ud800"',
    '"\\ud83d\\ude00"', '"\\u202eUSDT"', '"龙虾USDT"', '"BTCUSDT"', '"BTCUSDC"', '"BTCBUSD"', '"BTCEUR"', '"USDT"',
    '"1000USDT"', '"1000000000000000000PEPEUSDT"', '"1MBABYDOGEUSDT"', '"SHIB1000USDT"', '"BTCUSD_PERP"', '"BTCUSDZ25"',
    '"BTCUSDT_251226"', '"BTC-26DEC25"', '"BTC-99XXX25"', '"BTCPERP"', '"BTC-USDT-SWAP"', '"BTC-USD-SWAP"',
    '"BTC-EUR-SWAP"', '"BTC-USDC-SWAP"', '"BTC-USDT-251226"', '"BTC-USD-251226"', '"NOBODY-USDT-SWAP"', '"B:T"',
    '"' + "X" * 61 + 'USDT"', '"SELL"', '"BUY"', '"Buy"', '"Sell"', '"sell"', '"long"', '"short"', '"net"', '"3"',
    '"forceOrder"', '"markPriceUpdate"', '"allLiquidation.BTCUSDT"', '"liquidation.BTCUSDT"', '"liquidation-orders"',
    '"subscribe"', '"pong"', '"error"', "1791565602120", '"1791565602120"', "1791565602120.0", "1791565602",
    "1791565602120000", "4102444800000", "1546300800000", "1546300799999", '"2020-12-18T00:31:08.794Z"',
    '"9999-12-31T23:59:59.999-23:59"', '"2020-12-18"', '"0.123456789012345678901234567890123456789012345678901234567"',
    '"99999999999999999.999999999999999999"', '"0.000000000000000001"', '"1e18"', "[" * 70 + "]" * 70, "[" * 3000,
    '{"a":' * 3000, '"' + "[{" * 50 + '"', '{"s":"BTCUSDT","S":"SELL","p":"1","z":"1","T":1791565602120}',
)  # fmt: skip
"""JSON values, and some that are none, for the place of another."""
KEYS: Final = ("data", "o", "e", "s", "S", "T", "p", "ap", "z", "v", "topic", "arg", "channel", "event", "code", "msg",
               "error", "id", "result", "success", "op", "ret_msg", "details", "instId", "ts", "table", "new", "",
               "\\u0000", "format", "frame", "received_at")  # fmt: skip
_TOKENS: Final = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\u0000", b"\\", b'"', b",", b"{", b"}", b"[", b"]", b":", b"\n", b"\r",
    b"\x1f\x8b", b"\xed\xa0\x80", b"\xc0\x80", b"e9", b"-", b".", b"0", b"9",
    b"\xe2\x80\xae", b"\x7f", b"\t", b" ", b"\x01",
)  # fmt: skip
_KEY: Final = re.compile(rb'"[^"\\]{0,30}":')
_VALUE: Final = re.compile(rb'"[^"\\]*"(?!:)|-?\d[\d.eE+-]*|null|true|false')
_DIGIT: Final = re.compile(rb"\d")
Mutator = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _flip(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(text))
    return text[:place] + bytes([text[place] ^ 1 << dice.randrange(8)]) + text[place + 1 :]


def _cut(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    start, end = _range(text, dice)
    return text[:start] + text[end:]


def _truncate(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    return text[: dice.randrange(len(text))]


def _repeat(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    start, end = _range(text, dice)
    return text[:end] + text[start:end] * dice.choice((1, 2, 5)) + text[end:]


def _splice(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    other = dice.choice(corpus)
    return text[: dice.randrange(len(text) + 1)] + other[dice.randrange(len(other) + 1) :]


def _insert(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    place = dice.randrange(len(text) + 1)
    return text[:place] + dice.choice(_TOKENS) * dice.choice((1, 1, 1, 3)) + text[place:]


def _digit(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    found = [match.start() for match in _DIGIT.finditer(text)]
    if not found:
        return text
    place = dice.choice(found)
    return text[:place] + b"%d" % dice.randrange(10) + text[place + 1 :]


def _value(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    found = list(_VALUE.finditer(text))
    if not found:
        return text
    match = dice.choice(found)
    return text[: match.start()] + dice.choice(VALUES).encode() + text[match.end() :]


def _second_key(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    """A key that is there already once more, or a known one where it does not belong; before or behind."""
    found = list(_KEY.finditer(text))
    if not found:
        return text
    match = dice.choice(found)
    key = match[0] if dice.random() < 0.5 else f'"{dice.choice(KEYS)}":'.encode()
    member = key + dice.choice(VALUES).encode()
    if dice.random() < 0.5 and text.endswith(b"}"):
        return text[:-1] + b"," + member + b"}"
    return text[: match.start()] + member + b"," + text[match.start() :]


def _tree(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    """One node of the JSON left out, doubled, wrapped, emptied or swapped with another frame's."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _insert(text, dice, corpus)
    places = list(_places(value))
    if not places:
        return text
    inside, key = dice.choice(places)
    match dice.randrange(6):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, list):
            inside.insert(key, inside[key])
        case 1 | 2:
            inside[key] = [inside[key]]
        case 3:
            inside[key] = {"data": inside[key]}
        case 4:
            inside[key] = dice.choice(([], {}, None, "", 0, [None], [0, 1]))
        case _:
            other, name = dice.choice(places)
            inside[key], other[name] = other[name], inside[key]
    try:
        return json.dumps(value, ensure_ascii=dice.random() < 0.5, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return text


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        items = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
        for key, item in items:
            found.append((inside, key))
            waiting.append(item)
    return found


def _range(text: bytes, dice: Random) -> tuple[int, int]:
    start = dice.randrange(len(text))
    return start, min(len(text), start + dice.choice((1, 2, 4, 16, 64)))


_BYTES: Final[Sequence[Mutator]] = (_flip, _cut, _truncate, _repeat, _splice, _insert)
_FRAMES: Final[Sequence[Mutator]] = (_digit, _digit, _digit, _value, _value, _value, _second_key, _tree, _tree, *_BYTES)


def frame(dice: Random, corpus: Sequence[bytes]) -> bytes:
    """A frame of the corpus, broken once or more."""
    return _mutated(dice, corpus, _FRAMES)


def _field(text: bytes, dice: Random, corpus: Sequence[bytes]) -> bytes:
    """A column replaced, left out, doubled, quoted or moved."""
    fields = text.split(b",")
    place = dice.randrange(len(fields))
    match dice.randrange(6):
        case 0:
            del fields[place]
        case 1:
            fields.insert(place, fields[place])
        case 2:
            fields[place] = b'"' + fields[place] + b'"'
        case 3:
            fields[place] = b" " + fields[place] + b"\t"
        case _:
            fields[place] = dice.choice(VALUES).strip('"').encode()
    return b",".join(fields)


_LINES: Final[Sequence[Mutator]] = (_digit, _digit, _field, _field, _field, *_BYTES)


def line(dice: Random, corpus: Sequence[bytes]) -> bytes:
    """A line of comma-separated columns, broken once or more."""
    return _mutated(dice, corpus, _LINES)


def _mutated(dice: Random, corpus: Sequence[bytes], mutators: Sequence[Mutator]) -> bytes:
    text = dice.choice(corpus)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if text:
            text = dice.choice(mutators)(text, dice, corpus)
    return text
