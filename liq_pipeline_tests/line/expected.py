"""Every table's rows, worked out from landed events with exact decimals and nothing of the product's code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

from liq_pipeline.simulate import ledger

HOUR = 3_600_000
DAY = 24 * HOUR
SIGNIFICANT = Decimal(100_000)
WIDTHS = [mantissa.scaleb(k) for k in range(15, -25, -1) for mantissa in (Decimal(5), Decimal(2), Decimal(1))]
WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)

Row = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One liquidation, normalised by hand."""

    time: int
    exchange: str
    contract: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    value_usd: Decimal
    price_kind: str
    limit_price: Decimal | None = None
    market: str = "linear"
    event_id: str = ""


def event_of(row: ledger.Row, event_id: str = "") -> Event:
    """A landed row of the simulator's ledger."""
    assert row.time and row.contract and row.symbol and row.side and row.price and row.quantity and row.value_usd
    return Event(
        time=row.time,
        exchange=row.exchange,
        contract=row.contract,
        symbol=row.symbol,
        side=row.side,
        price=Decimal(row.price),
        quantity=Decimal(row.quantity),
        value_usd=Decimal(row.value_usd),
        price_kind=row.price_kind or "",
        limit_price=Decimal(row.limit_price) if row.limit_price else None,
        event_id=event_id,
    )


def six_places(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN, context=WIDE)


def day_of(time: int) -> date:
    return at(time).date()


def at(time: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)


def price_level(symbol: str, price: Decimal) -> Decimal:
    pair = symbol.split("-")[0]
    base = next(pair.removesuffix(quote) for quote in ("USDT", "USDC", "USD") if pair.endswith(quote))
    width = Decimal(100) if base in ("BTC", "ETH") else _level_width(price)
    return (price / width).to_integral_value(ROUND_FLOOR) * width


def _level_width(price: Decimal) -> Decimal:
    return next(width for width in WIDTHS if width * 1000 <= price)


def session(time: int) -> str:
    moment = at(time)
    return "weekend" if moment.weekday() >= 5 else ("asian", "european", "us")[moment.hour // 8]


@dataclass(frozen=True)
class Membership:
    """What a cascade means for one of its members."""

    cascade_id: str
    risk_score: Decimal
    event_count: int


def liquidations(events: Iterable[Event], members: Mapping[str, Membership]) -> list[Row]:
    rows = []
    for event in events:
        member = members.get(event.event_id)
        rows.append(
            {
                "time": at(event.time),
                "event_id": event.event_id,
                "exchange": event.exchange,
                "market": event.market,
                "contract": event.contract,
                "symbol": event.symbol,
                "side": event.side,
                "price": event.price,
                "price_kind": event.price_kind,
                "quantity": event.quantity,
                "value_usd": event.value_usd,
                "limit_price": event.limit_price,
                "is_cascade": member is not None,
                "cascade_id": member.cascade_id if member else None,
                "risk_score": member.risk_score if member else None,
                "is_significant": event.value_usd >= SIGNIFICANT,
                "price_level": price_level(event.symbol, event.price),
            }
        )
    return rows


def significant(events: Iterable[Event], members: Mapping[str, Membership]) -> list[Row]:
    return [
        {
            "time": at(event.time),
            "event_id": event.event_id,
            "exchange": event.exchange,
            "symbol": event.symbol,
            "side": event.side,
            "price": event.price,
            "quantity": event.quantity,
            "value_usd": event.value_usd,
            "is_cascade": member is not None,
            "cascade_id": member.cascade_id if member else None,
            "cascade_event_count": member.event_count if member else None,
            "risk_score": member.risk_score if member else None,
            "session_type": session(event.time),
        }
        for event in events
        if (member := members.get(event.event_id)) or event.value_usd >= SIGNIFICANT
    ]


def hourly(events: Iterable[Event], members: Mapping[str, Membership]) -> list[Row]:
    rows = []
    for key, group in _groups(events, lambda e: (e.time // HOUR, e.exchange, e.symbol, e.side)).items():
        values = [event.value_usd for event in group]
        risks = [members[event.event_id].risk_score for event in group if event.event_id in members]
        rows.append(
            {
                "hour": at(key[0] * HOUR),
                "exchange": key[1],
                "symbol": key[2],
                "side": key[3],
                "event_count": len(group),
                "total_value_usd": sum(values),
                "avg_value_usd": _mean(values),
                "max_value_usd": max(values),
                "min_value_usd": min(values),
                "stddev_value_usd": _sample_deviation(values),
                "total_quantity": sum(event.quantity for event in group),
                "cascade_count": len(risks),
                "avg_risk_score": _mean(risks) if risks else None,
            }
        )
    return rows


def price_levels(events: Iterable[Event], members: Mapping[str, Membership]) -> list[Row]:
    def key(event: Event) -> tuple[Any, ...]:
        level = price_level(event.symbol, event.price)
        return event.time // HOUR, event.symbol, level, event.side, event.exchange

    return [
        {
            "hour": at(hour * HOUR),
            "symbol": symbol,
            "price_level": level,
            "side": side,
            "exchange": exchange,
            "liquidation_count": len(group),
            "total_value_usd": sum(event.value_usd for event in group),
            "total_quantity": sum(event.quantity for event in group),
            "avg_liquidation_size": _mean([event.value_usd for event in group]),
        }
        for (hour, symbol, level, side, exchange), group in _groups(events, key).items()
    ]


def comparison(events: Iterable[Event], members: Mapping[str, Membership]) -> list[Row]:
    return [
        {
            "period": at(period * 4 * HOUR),
            "symbol": symbol,
            "exchange": exchange,
            "event_count": len(group),
            "total_value_usd": sum(event.value_usd for event in group),
            "avg_value_usd": _mean([event.value_usd for event in group]),
            "cascade_count": sum(event.event_id in members for event in group),
            "long_count": sum(event.side == "LONG" for event in group),
            "short_count": sum(event.side == "SHORT" for event in group),
            "significant_count": sum(event.value_usd >= SIGNIFICANT for event in group),
        }
        for (period, symbol, exchange), group in _groups(
            events, lambda e: (e.time // (4 * HOUR), e.symbol, e.exchange)
        ).items()
    ]


def _groups(events: Iterable[Event], key: Callable[[Event], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Event]]:
    groups: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        groups[key(event)].append(event)
    return groups


def _mean(values: list[Decimal]) -> Decimal:
    with localcontext(WIDE):
        return sum(values, Decimal(0)) / len(values)


def _sample_deviation(values: list[Decimal]) -> Decimal | None:
    if len(values) < 2:
        return None
    with localcontext(WIDE):
        mean = _mean(values)
        return (sum((value - mean) ** 2 for value in values) / Decimal(len(values) - 1)).sqrt()
