"""From a venue's own fields to a Liquidation: exact numbers, one place for every venue and every source.

The fields arrive as JSON or CSV gave them; each is checked here, so that a reason names the field and its value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.symbols import Name
from liq_pipeline.liquidation import (
    EXACT,
    Liquidation,
    Market,
    PriceKind,
    Side,
    canonical,
    inverse_quantity,
    number,
    usd,
)

FIRST_MS: Final = 1_546_300_800_000
"""2019-01-01: no venue here had a liquidation feed before."""
LAST_MS: Final = 4_102_444_800_000
"""2100-01-01. Adapters are pure and have no clock: a fixed bound catches wrong units and garbage."""

_PLAIN: Final = re.compile(r"(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?", re.ASCII)
_NUMERIC: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,9})?", re.ASCII)
_plain = _PLAIN.fullmatch
_MAX_WHOLE: Final = 19
_MAX_TEXT: Final = 64
"""What the warehouse takes: digits before the point, and characters in all."""
_LINEAR, _INVERSE = Market.LINEAR, Market.INVERSE


def shown(value: object, limit: int = 80) -> str:
    """A value for a reason: ASCII, so that any text survives any sink, and at most ``limit`` characters."""
    if isinstance(value, int) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    text = ascii(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def decimal_text(name: str, value: object) -> str:
    """The positive number in a venue's field, canonical; the field may be JSON text or a JSON number.

    Raises InvalidLiquidationError naming the field.
    """
    if isinstance(value, str):
        if _plain(value) is not None:
            text = value.rstrip("0").rstrip(".") if "." in value else value
            if text != "0":
                return text
        if len(value) > 60 or _NUMERIC.fullmatch(value) is None:
            raise InvalidLiquidationError(f"{name} {shown(value)} is not a number")
        return canonical(number(name, value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidLiquidationError(f"{name} {shown(value)} is not a number")
    if isinstance(value, int) and abs(value) > 10**18:
        raise InvalidLiquidationError(f"{name} is a number of more than 18 digits")
    return canonical(number(name, str(value)))


def check_converted(name: str, text: str) -> None:
    """Raise InvalidLiquidationError for a canonical number that conversion made longer than any column takes."""
    if len(text) > _MAX_WHOLE and (len(text.partition(".")[0]) > _MAX_WHOLE or len(text) > _MAX_TEXT):
        raise InvalidLiquidationError(f"{name} {shown(text)}, converted, is out of any range")


def milliseconds(name: str, value: object) -> int:
    """UTC milliseconds in a venue's field, as a JSON number or digits.

    Raises InvalidLiquidationError naming the field, for times outside FIRST_MS to LAST_MS too.
    """
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:
        raise InvalidLiquidationError(f"{name} {shown(value)} is not a time in milliseconds")
    if not FIRST_MS <= value < LAST_MS:
        raise InvalidLiquidationError(f"{name} {shown(value)} is not a time between 2019 and 2100 in milliseconds")
    return value


def linear(
    exchange: str,
    contract: str,
    name: Name,
    time: int,
    side: Side,
    price: str,
    price_kind: PriceKind,
    size: str,
    limit_price: str | None,
    feed_semantics: str,
    event: str,
    ordinal: int = 0,
    coins_per_size: Decimal | None = None,
) -> Liquidation:
    """A liquidation of a contract worth coins: ``size`` coins, or contracts of ``coins_per_size`` coins each.

    ``price``, ``size`` and ``limit_price`` are canonical; prices are per unit of the venue's coin bundle.
    """
    units = Decimal(size)
    if coins_per_size is not None:
        units = EXACT.multiply(units, coins_per_size)
        size = canonical(units)
    amount = Decimal(price)
    value = usd(EXACT.multiply(amount, units))
    if name.bundle != 1:
        size = canonical(EXACT.multiply(units, name.bundle))
        price = canonical(EXACT.divide(amount, name.bundle))
        if limit_price is not None:
            limit_price = canonical(EXACT.divide(Decimal(limit_price), name.bundle))
            check_converted("limit price", limit_price)
    check_converted("price", price)
    check_converted("quantity", size)
    return Liquidation(
        time=time,
        event_id=event,
        exchange=exchange,
        market=_LINEAR,
        contract=contract,
        symbol=name.symbol,
        side=side,
        price=price,
        price_kind=price_kind,
        quantity=size,
        value_usd=value,
        limit_price=limit_price,
        feed_semantics=feed_semantics,
        ordinal=ordinal,
    )


def inverse(
    exchange: str,
    contract: str,
    name: Name,
    time: int,
    side: Side,
    price: str,
    price_kind: PriceKind,
    size: str,
    limit_price: str | None,
    feed_semantics: str,
    event: str,
    ordinal: int = 0,
    usd_per_size: Decimal | None = None,
) -> Liquidation:
    """A liquidation of a contract worth US dollars: ``size`` dollars, or contracts of ``usd_per_size`` dollars.

    The coins are the dollars divided by the price; the value is never multiplied by the price.
    """
    value = Decimal(size) if usd_per_size is None else EXACT.multiply(Decimal(size), usd_per_size)
    amount = Decimal(price)
    if name.bundle != 1:
        amount = EXACT.divide(amount, name.bundle)
        price = canonical(amount)
        if limit_price is not None:
            limit_price = canonical(EXACT.divide(Decimal(limit_price), name.bundle))
            check_converted("limit price", limit_price)
    quantity = inverse_quantity(EXACT.divide(value, amount))
    if quantity == "0":
        raise InvalidLiquidationError(f"{value} USD at price {price} is less than a trillionth of a coin")
    check_converted("price", price)
    check_converted("quantity", quantity)
    return Liquidation(
        time=time,
        event_id=event,
        exchange=exchange,
        market=_INVERSE,
        contract=contract,
        symbol=name.symbol,
        side=side,
        price=price,
        price_kind=price_kind,
        quantity=quantity,
        value_usd=usd(value),
        limit_price=limit_price,
        feed_semantics=feed_semantics,
        ordinal=ordinal,
    )
