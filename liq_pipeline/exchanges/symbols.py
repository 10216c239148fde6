"""Canonical names: from a venue's coin, quote and expiry to the one symbol the whole pipeline uses.

Coins that trade in bundles (``1000PEPE``, ``SHIB1000``, ``1MBABYDOGE``) are named by the coin itself; the bundle
becomes ``bundle``, by which prices are divided and quantities multiplied. ``1INCH`` is a coin, not a bundle.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from liq_pipeline.errors import InvalidLiquidationError

MAX_CONTRACT: Final = 64
QUOTES: Final = ("USDT", "USDC")
"""The quote currencies that count as one US dollar."""

# Separators of our own keys and texts (Redis keys, cascade ids, symbol lists): a name that holds one is no contract.
_RESERVED: Final = frozenset(":|,\"'\\")
_BUNDLE_BEFORE: Final = re.compile(r"(1000+)([^\d].*)", re.DOTALL)
_MILLION_BEFORE: Final = re.compile(r"1M([^\d]{3,})")
_BUNDLE_AFTER: Final = re.compile(r"([^\d]{2,})1000")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Name(NamedTuple):
    """A canonical symbol, and how many coins one unit of the venue's quantity holds."""

    symbol: str
    bundle: int


def check_contract(contract: str) -> None:
    """Raise InvalidLiquidationError unless ``contract`` can be a contract's name.

    Any script is welcome, since venues list names in Chinese; what cannot be printed, stored or told apart is not.
    """
    if not contract:
        raise InvalidLiquidationError("the contract's name is empty")
    if len(contract) > MAX_CONTRACT:
        raise InvalidLiquidationError(f"the contract's name is longer than {MAX_CONTRACT} characters")
    if not contract.isprintable() or " " in contract or not _RESERVED.isdisjoint(contract):
        raise InvalidLiquidationError(f"contract {contract!a} holds characters that no contract's name has")


def unbundle(coin: str) -> tuple[str, int]:
    """The coin itself and the size of its bundle: ``1000PEPE`` is ``("PEPE", 1000)``, ``BTC`` is ``("BTC", 1)``."""
    if found := _BUNDLE_BEFORE.fullmatch(coin):
        return found[2], int(found[1])
    if found := _MILLION_BEFORE.fullmatch(coin):
        return found[1], 1_000_000
    if found := _BUNDLE_AFTER.fullmatch(coin):
        return found[1], 1000
    return coin, 1


def linear(coin: str, quote: str, expiry: str | None = None) -> Name:
    """The name of a contract margined in ``quote``; raises InvalidLiquidationError for quotes other than QUOTES."""
    if quote not in QUOTES:
        raise InvalidLiquidationError(f"quote currency {quote!a} of {coin!a} is neither USDT nor USDC")
    base, bundle = unbundle(coin)
    return Name(_dated(base + quote, expiry), bundle)


def inverse(coin: str, expiry: str | None = None) -> Name:
    """The name of a contract margined in the coin and sized in US dollars."""
    base, bundle = unbundle(coin)
    return Name(_dated(base + "USD", expiry), bundle)


def split_quote(pair: str) -> tuple[str, str]:
    """The coin and quote of a pair such as ``BTCUSDT``; raises InvalidLiquidationError if it ends in no known quote."""
    coin, quote = pair[:-4], pair[-4:]
    if quote not in QUOTES or not coin:
        raise InvalidLiquidationError(f"the quote currency of {pair!a} is neither USDT nor USDC")
    return coin, quote


def expiry_of_day(text: str) -> str:
    """``26DEC25`` as ``251226``; raises InvalidLiquidationError for anything else."""
    found = re.fullmatch(r"(\d{1,2})([A-Z]{3})(\d{2})", text, re.ASCII)
    try:
        if found is None:
            raise ValueError
        day = date(2000 + int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        raise InvalidLiquidationError(f"expiry {text!a} is not a day such as 26DEC25") from None
    return f"{day:%y%m%d}"


def _dated(pair: str, expiry: str | None) -> str:
    return pair if expiry is None else f"{pair}-{expiry}"
