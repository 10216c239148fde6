"""Cascades by the letter of the definition: quadratic, in exact fractions, sharing no code with the product.

Usable by any test that needs to know what the tables must hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from uuid import UUID, uuid5


@dataclass(frozen=True, order=True)
class Event:
    """One liquidation; ``event_id`` orders events of one symbol and millisecond."""

    symbol: str
    time: int
    event_id: str
    exchange: str
    is_long: bool
    price: Decimal
    value_usd: Decimal


@dataclass(frozen=True)
class Cascade:
    """The columns of ``liquidation_cascades`` that are not derived from others."""

    cascade_id: str
    symbol: str
    cascade_start: int
    cascade_end: int
    event_count: int
    hot_event_count: int
    total_value_usd: Decimal
    avg_risk_score: Decimal
    max_risk_score: Decimal
    exchanges_involved: tuple[str, ...]
    long_count: int
    short_count: int
    max_event_usd: Decimal
    price_start: Decimal
    price_end: Decimal


@dataclass(frozen=True)
class Membership:
    """What a member of a cascade has in ``liquidations``."""

    cascade_id: str
    risk_score: Decimal


@dataclass(frozen=True)
class Expected:
    """Members by event, cascades by (symbol, start)."""

    members: dict[Event, Membership]
    cascades: list[Cascade]


def expected(events: Sequence[Event], window_ms: int, min_events: int, min_usd: Decimal) -> Expected:
    """What detection must find in ``events``, in any order."""
    members: dict[Event, Membership] = {}
    cascades: list[Cascade] = []
    for symbol in sorted({event.symbol for event in events}):
        ordered = sorted(event for event in events if event.symbol == symbol)
        windows = {
            event: [other for other in ordered if event.time - window_ms < other.time <= event.time]
            for event in ordered
        }
        hot = [
            event
            for event in ordered
            if len(windows[event]) >= min_events and sum(other.value_usd for other in windows[event]) >= min_usd
        ]
        chains: list[list[Event]] = []
        for event in hot:
            if chains and event.time - chains[-1][-1].time < window_ms:
                chains[-1].append(event)
            else:
                chains.append([event])
        scores = {event: risk(windows[event]) for event in hot}
        for chain in chains:
            inside = sorted({other for event in chain for other in windows[event]})
            text = f"{symbol}|{inside[0].time}|{window_ms}|{min_events}|{plain(min_usd)}"
            cascade_id = str(uuid5(UUID("6c697100-0000-5000-8000-000000000001"), text))
            for member in inside:
                following = next(event for event in chain if event.time >= member.time)
                members[member] = Membership(cascade_id, scores[following])
            own = [scores[event] for event in chain]
            mean = Fraction(sum(own)) / len(own)
            cascades.append(
                Cascade(
                    cascade_id=cascade_id,
                    symbol=symbol,
                    cascade_start=inside[0].time,
                    cascade_end=chain[-1].time,
                    event_count=len(inside),
                    hot_event_count=len(chain),
                    total_value_usd=sum((member.value_usd for member in inside), Decimal(0)),
                    avg_risk_score=_six_places(mean),
                    max_risk_score=max(own),
                    exchanges_involved=tuple(sorted({member.exchange for member in inside})),
                    long_count=sum(member.is_long for member in inside),
                    short_count=sum(not member.is_long for member in inside),
                    max_event_usd=max(member.value_usd for member in inside),
                    price_start=inside[0].price,
                    price_end=inside[-1].price,
                )
            )
    return Expected(members, cascades)


def risk(window: Sequence[Event]) -> Decimal:
    """The score of one hot event's window, rounded half-even to 6 places."""
    n = len(window)
    total = Fraction(sum(event.value_usd for event in window))
    times = [event.time for event in window]
    seconds = max(Fraction(1), Fraction(max(times) - min(times), 1000))
    longs = sum(event.is_long for event in window)
    large = sum(event.value_usd >= 500_000 for event in window)
    venues = len({event.exchange for event in window})
    prices = [Fraction(event.price) for event in window]
    mean = sum(prices, Fraction(0)) / n
    variance = sum(((price - mean) ** 2 for price in prices), Fraction(0)) / n
    score = Fraction(1, 4) * min(total / 1_000_000, Fraction(1))
    score += Fraction(1, 5) * min(60 * n / seconds / 10, Fraction(1))
    score += Fraction(1, 5) * max(Fraction(0), 1 - 10 * _root(variance) / mean)
    score += Fraction(15, 100) * Fraction(abs(longs - (n - longs)), n)
    score += Fraction(15, 100) * Fraction(large, n)
    score += Fraction(5, 100) * min(venues - 1, 1)
    return _six_places(score)


def plain(number: Decimal) -> str:
    """Plain notation without trailing zeros: what stands in a cascade's identity."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _root(square: Fraction) -> Fraction:
    """Exact for squares of fractions, to 200 digits otherwise."""
    with localcontext() as context:
        context.prec = 200
        return Fraction(Decimal(square.numerator).sqrt()) / Fraction(Decimal(square.denominator).sqrt())


def _six_places(number: Fraction) -> Decimal:
    return Decimal(round(number * 1_000_000)).scaleb(-6)
