"""The vocabulary: what a liquidation is, its exact numbers and its identity.

Prices, quantities and USD values travel as canonical decimal strings: exact, cheap to serialize, and
accepted by PostgreSQL's ``numeric`` as they are.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

import msgspec

from liq_pipeline.errors import InvalidLiquidationError

PARSER_VERSION: Final = 1
"""Raised with every change that makes a parser read the same frame differently."""

EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that a product of two venue numbers never rounds before the final quantize."""

FUTURE_GRACE_MS: Final = 86_400_000
"""How far ahead of our clock an event may be: it may be ours that is wrong."""

_MICRO: Final = Decimal("0.000001")
_PICO: Final = Decimal("0.000000000001")
# Bounds of what PostgreSQL and the detection's integers hold; a venue number outside them is a broken frame.
_MAX_NUMBER: Final = Decimal("1e18")
_MIN_NUMBER: Final = Decimal("1e-18")
_MAX_USD: Final = Decimal("1e12")


class Side(StrEnum):
    """The side of the position that was liquidated."""

    LONG = "LONG"
    SHORT = "SHORT"


class Market(StrEnum):
    """How a contract is margined: ``linear`` in a quote currency, ``inverse`` in the coin."""

    LINEAR = "linear"
    INVERSE = "inverse"


class PriceKind(StrEnum):
    """What the venue's price means: the average fill, the bankruptcy price, or the order's limit."""

    FILL = "fill"
    BANKRUPTCY = "bankruptcy"
    ORDER = "order"


class Source(StrEnum):
    """How an event came to be landed. Imports are ``import:<format>``."""

    STREAM = "stream"
    REPLAY = "replay"
    SIMULATED = "simulated"


class Liquidation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One liquidation as a venue reported it, normalised.

    ``time`` is UTC milliseconds of the event; ``symbol`` is canonical (``BTCUSDT``, ``BTCUSD`` for inverse,
    ``BTCUSDT-251226`` for dated futures), ``contract`` the venue's own name. ``price`` is USD per coin,
    ``quantity`` base coin, ``value_usd`` USD rounded half-even to 6 places; all canonical decimals.
    ``ordinal`` counts identical rows of one frame from 0 and is part of ``event_id``.
    """

    time: int
    event_id: str
    exchange: str
    market: Market
    contract: str
    symbol: str
    side: Side
    price: str
    price_kind: PriceKind
    quantity: str
    value_usd: str
    limit_price: str | None
    feed_semantics: str
    ordinal: int = 0
    parser_version: int = PARSER_VERSION


def number(name: str, text: str) -> Decimal:
    """The positive, finite decimal in ``text``.

    Raises InvalidLiquidationError naming the field and the value.
    """
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        raise InvalidLiquidationError(f"{name} {text!r} is not a number") from None
    if not value.is_finite():
        raise InvalidLiquidationError(f"{name} {text!r} is not finite")
    if value <= 0:
        raise InvalidLiquidationError(f"{name} {text!r} is not positive")
    if not _MIN_NUMBER <= value <= _MAX_NUMBER:
        raise InvalidLiquidationError(f"{name} {text!r} is outside {_MIN_NUMBER} to {_MAX_NUMBER}")
    return value


def in_the_future(time: int, now: int) -> str | None:
    """Why nothing can have happened at ``time``, seen at ``now`` (UTC milliseconds); None if it can.

    Such an event would wait unseen for its day, and the adapters, which would refuse it, have no clock.
    """
    if time <= now + FUTURE_GRACE_MS:
        return None
    return f"time {datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M} is in the future"


def canonical(value: Decimal) -> str:
    """Plain notation without a sign, exponent or trailing zeros: ``Decimal('1.90E2')`` is ``'190'``."""
    text = str(value)
    if "E" in text:
        # Several times slower, and rarely needed.
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: Decimal) -> str:
    """An exact USD amount, rounded half-even to 6 places.

    Raises InvalidLiquidationError above a trillion: no position is that large, so the frame is broken.
    """
    if value > _MAX_USD:
        raise InvalidLiquidationError(f"value {value} USD is above {_MAX_USD}")
    text = str(value)
    point = text.find(".")
    if point > 0 and len(text) - point <= 7 and "E" not in text:
        # Six places or fewer, as most have: nothing to round.
        return text.rstrip("0").rstrip(".")
    return canonical(EXACT.quantize(value, _MICRO))


def inverse_quantity(coins: Decimal) -> str:
    """The coin quantity of an inverse contract: 12 places, half-even, as the division has no exact end."""
    return canonical(EXACT.quantize(coins, _PICO))


def event_id(exchange: str, *identity: str, ordinal: int = 0) -> str:
    """A 128-bit identity in UUID notation, of the venue's own unconverted fields.

    The same liquidation hashes the same however it arrives, so ``identity`` holds only fields that every
    source of the venue shares, numbers in canonical notation. ``ordinal`` tells apart identical rows of one frame.
    """
    text = "\x1f".join((exchange, *identity, str(ordinal)))
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"
