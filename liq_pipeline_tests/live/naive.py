"""What Redis must show, by the letter of the contract: everything worked out anew from all events that landed.

Shares no code with the live view; cascades are the reference's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext

from liq_pipeline.liquidation import canonical
from liq_pipeline.streams import Entry
from liq_pipeline_tests.detection.reference import Cascade, Event, expected, risk

HOUR = 3_600_000
MINUTE = 60_000
Shown = dict[str, dict[str, str]]


def unique(entries: Iterable[Entry]) -> list[Entry]:
    """The first of each event."""
    return list({entry.liquidation.event_id: entry for entry in reversed([*entries])}.values())[::-1]


def level(symbol: str, price: Decimal) -> str:
    """floor(price / width) x width."""
    width = Decimal(100)
    base = symbol.partition("-")[0]
    if base not in {f"{coin}{quote}" for coin in ("BTC", "ETH") for quote in ("USDT", "USDC", "USD")}:
        widths = (Decimal(digit).scaleb(exponent) for exponent in range(-30, 30) for digit in (1, 2, 5))
        width = max(width for width in widths if width <= price / 1000)
    with localcontext() as context:
        context.prec = 100
        return canonical((price / width).to_integral_value(ROUND_FLOOR) * width)


def levels(entries: Sequence[Entry], watermark: int) -> Shown:
    """The level hashes."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        event = entry.liquidation
        if event.time > watermark - HOUR:
            key = f"liq:levels:{event.symbol}:{level(event.symbol, Decimal(event.price))}:{event.side.value}"
            groups.setdefault(key, []).append(entry)
    return {
        key: {
            "count": str(len(group)),
            "total_value": _sum(entry.liquidation.value_usd for entry in group),
            "total_quantity": _sum(entry.liquidation.quantity for entry in group),
            "first_seen": str(min(entry.liquidation.time for entry in group)),
            "last_seen": str(max(entry.liquidation.time for entry in group)),
        }
        for key, group in groups.items()
    }


def minutes(entries: Sequence[Entry], watermark: int, significant: int = 100_000) -> Shown:
    """The minute hashes: of every minute that has an event in the hour, all its events."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        event = entry.liquidation
        groups.setdefault(f"liq:agg:{event.symbol}:60s:{event.time // MINUTE * MINUTE}", []).append(entry)
    shown: Shown = {}
    for key, group in groups.items():
        events = [entry.liquidation for entry in group]
        if max(event.time for event in events) <= watermark - HOUR:
            continue
        longs = sum(event.side == "LONG" for event in events)
        shown[key] = {
            "count": str(len(events)),
            "total_value": _sum(event.value_usd for event in events),
            "long_count": str(longs),
            "short_count": str(len(events) - longs),
            "institutional_count": str(sum(Decimal(event.value_usd) >= significant for event in events)),
        }
        for exchange in {event.exchange for event in events}:
            shown[key][f"{exchange}_count"] = str(sum(event.exchange == exchange for event in events))
    return shown


def totals(entries: Sequence[Entry], watermark: int) -> Shown:
    """The hashes of exchanges and sides, and the one of the largest."""
    hour = [entry.liquidation for entry in entries if entry.liquidation.time > watermark - HOUR]
    shown: Shown = {}
    for exchange, side in {(event.exchange, event.side.value) for event in hour}:
        events = [event for event in hour if (event.exchange, event.side.value) == (exchange, side)]
        shown[f"liq:hour:{exchange}:{side}"] = {
            "count": str(len(events)),
            "total_value": _sum(event.value_usd for event in events),
            "first_seen": str(min(event.time for event in events)),
            "last_seen": str(max(event.time for event in events)),
        }
    largest = sorted(hour, key=lambda event: (Decimal(event.value_usd), event.time, event.event_id), reverse=True)
    if largest:
        told = [
            {
                "time": event.time,
                "exchange": event.exchange,
                "symbol": event.symbol,
                "side": event.side.value,
                "price": event.price,
                "quantity": event.quantity,
                "value_usd": event.value_usd,
                "event_id": event.event_id,
            }
            for event in largest[:20]
        ]
        shown["liq:hour:largest"] = {"events": json.dumps(told, separators=(",", ":"), ensure_ascii=False)}
    return shown


def hour(entries: Sequence[Entry], watermark: int) -> Shown:
    """All hashes but the statuses."""
    return {**levels(entries, watermark), **minutes(entries, watermark), **totals(entries, watermark)}


def as_events(entries: Iterable[Entry]) -> list[Event]:
    """As the reference takes them."""
    return [
        Event(
            symbol=event.symbol,
            time=event.time,
            event_id=event.event_id,
            exchange=event.exchange,
            is_long=event.side == "LONG",
            price=Decimal(event.price),
            value_usd=Decimal(event.value_usd),
        )
        for event in (entry.liquidation for entry in entries)
    ]


def cascades(entries: Iterable[Entry], window_ms: int, min_events: int, min_usd: Decimal) -> list[Cascade]:
    """All cascades, final or not."""
    return expected(as_events(entries), window_ms, min_events, min_usd).cascades


def statuses(entries: Sequence[Entry], watermark: int, window_ms: int, min_events: int, min_usd: Decimal) -> Shown:
    """The status hashes but for ``supersedes``, which is a matter of the order in which events came."""
    events = as_events(entries)
    shown: Shown = {}
    for cascade in cascades(entries, window_ms, min_events, min_usd):
        if cascade.cascade_end + window_ms <= watermark:
            continue
        end = cascade.cascade_end
        window = [event for event in events if event.symbol == cascade.symbol and end - window_ms < event.time <= end]
        # By symbol and start: the last one of a symbol is the newest.
        shown[f"liq:cascade:status:{cascade.symbol}"] = {
            "cascade_id": cascade.cascade_id,
            "start_time": str(cascade.cascade_start),
            "event_count": str(cascade.event_count),
            "total_value": canonical(cascade.total_value_usd),
            "risk_score": f"{risk(window):.6f}",
            "exchanges": ",".join(cascade.exchanges_involved),
        }
    return shown


def _sum(texts: Iterable[str]) -> str:
    with localcontext() as context:
        context.prec = 200
        return canonical(sum((Decimal(text) for text in texts), Decimal(0)))
