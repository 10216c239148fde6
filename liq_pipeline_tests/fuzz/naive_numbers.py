"""The rules of numbers, times, names and amounts once more, in the words of the contract and as slowly as they read."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

FIRST, LAST = 1_546_300_800_000, 4_102_444_800_000
ONE_USD: Final = ("USDT", "USDC")


class Unreadable(Exception):
    """No liquidation can be read of this."""


class Contract(NamedTuple):
    """What a venue's contract is: its canonical symbol, how many coins are in one of its units, how it is margined."""

    symbol: str
    bundle: int
    inverse: bool


class Size(NamedTuple):
    """How many coins, or US dollars where it is inverse, a contract of OKX is."""

    amount: Fraction
    inverse: bool


def need(holds: bool) -> None:
    if not holds:
        raise Unreadable


def number(value: Any) -> Fraction:
    """A positive number in a field, whether text or JSON number."""
    need(isinstance(value, str | int | Decimal) and not isinstance(value, bool))
    if isinstance(value, str):
        need(len(value) <= 60 and value.isascii())
        need(re.fullmatch(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,9})?", value) is not None)
    if isinstance(value, int):
        need(abs(value) <= 10**18)
    exact = Decimal(value)
    need(exact.is_finite() and exact > 0 and Decimal("1e-18") <= exact <= Decimal("1e18"))
    return Fraction(exact)


def plain(value: Fraction) -> str:
    """A decimal fraction in digits, as short as it can be."""
    places = 0
    while 10**places % value.denominator:
        places += 1
        need(places < 200)
    digits = str(value.numerator * 10**places // value.denominator).rjust(places + 1, "0")
    return digits if not places else f"{digits[:-places]}.{digits[-places:]}"


def column(value: Fraction) -> str:
    """``plain``, where a column of the warehouse takes it."""
    text = plain(value)
    need(len(text) <= 64 and len(text.split(".")[0]) <= 19)
    return text


def milliseconds(value: Any) -> int:
    if isinstance(value, str):
        need(re.fullmatch(r"[0-9]{1,20}", value) is not None)
        value = int(value)
    need(type(value) is int and FIRST <= value < LAST)
    return int(value)


def checked(name: Any) -> str:
    """A name that can be a contract's."""
    need(isinstance(name, str) and 1 <= len(name) <= 64 and name.isprintable())
    need(not any(character in " :|,\"'\\" for character in name))
    return str(name)


def linear(coin: str, quote: str, expiry: str | None = None) -> Contract:
    need(quote in ONE_USD)
    base, bundle = _unbundled(coin)
    return Contract(base + quote + (f"-{expiry}" if expiry else ""), bundle, inverse=False)


def inverse(coin: str, expiry: str | None = None) -> Contract:
    base, bundle = _unbundled(coin)
    return Contract(base + "USD" + (f"-{expiry}" if expiry else ""), bundle, inverse=True)


def _unbundled(coin: str) -> tuple[str, int]:
    if coin.startswith("1000"):
        rest = coin[1:].lstrip("0")
        if rest and not rest[0].isdecimal():
            return rest, 10 ** (len(coin) - 1 - len(rest))
    if coin.startswith("1M") and len(coin) >= 5 and not any(map(str.isdecimal, coin[2:])):
        return coin[2:], 1_000_000
    if coin.endswith("1000") and len(coin) >= 6 and not any(map(str.isdecimal, coin[:-4])):
        return coin[:-4], 1_000
    return coin, 1


def identity(exchange: str, *fields: str, ordinal: int = 0) -> str:
    text = "\x1f".join([exchange, *fields, str(ordinal)])
    digits = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def amounts(contract: Contract, price: Fraction, units: Fraction, limit: Fraction | None = None) -> dict[str, Any]:
    """The columns of numbers; ``units`` are those the price is of, or US dollars of an inverse contract."""
    value = units if contract.inverse else units * price
    coin_price = price / contract.bundle
    coins = units / coin_price if contract.inverse else units * contract.bundle
    quantity = round(coins, 12) if contract.inverse else coins
    need(value <= 10**12 and quantity > 0)
    return {
        "price": column(coin_price),
        "quantity": column(quantity),
        "value_usd": plain(round(value, 6)),
        "limit_price": None if limit is None else column(limit / contract.bundle),
        "symbol": contract.symbol,
        "market": "inverse" if contract.inverse else "linear",
    }
