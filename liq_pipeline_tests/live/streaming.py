"""Streams of entries as they could land, and the watermark they mean, by the letter of the rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from hypothesis import strategies as st

from liq_pipeline.liquidation import Side, canonical, event_id, usd
from liq_pipeline.streams import Entry
from liq_pipeline_tests.detection.markets import PRICES, VALUES
from liq_pipeline_tests.live.naive import HOUR, MINUTE
from liq_pipeline_tests.warehouse.making import NOON, entry

HELD = 2 * HOUR


class Arrival(NamedTuple):
    """An entry and when it landed."""

    entry: Entry
    landed: int


def make(
    number: int,
    time: int,
    *,
    landed: int | None = None,
    symbol: str = "BTCUSDT",
    exchange: str = "binance",
    value: str = "50000",
    price: str = "50000.5",
    quantity: str = "0.5",
    is_long: bool = True,
    source: str = "stream",
    received_at: int | None = None,
) -> Arrival:
    """One arrival; by default it lands as it happens."""
    at = time if landed is None else landed
    made = entry(
        number,
        time,
        event_id=event_id("test", str(number)),
        exchange=exchange,
        contract=symbol,
        symbol=symbol,
        side=Side.LONG if is_long else Side.SHORT,
        price=price,
        quantity=quantity,
        value_usd=usd(Decimal(value)),
    )
    return Arrival(made._replace(received_at=at if received_at is None else received_at, source=source), at)


@st.composite
def arrivals(draw: st.DrawFn, window_ms: int, most: int = 14) -> list[Arrival]:
    """Of several symbols and venues, with ties, disorder, repetitions, events hours late and ones ahead of the clock,
    in the order in which they land; of the present, or of a replay."""
    is_replay = draw(st.booleans())
    made = []
    for symbol in ("BTCUSDT", "DOGEUSDT", "狗狗USDT")[: draw(st.integers(1, 3))]:
        prices = PRICES[draw(st.sampled_from(sorted(PRICES)))]
        time = NOON + draw(st.integers(0, 2 * window_ms))
        gap = st.sampled_from([0, 0, 0, 1, window_ms // 4, window_ms - 1, window_ms, window_ms + 1, 20 * MINUTE, HOUR])
        delay = st.sampled_from([0, 0, 0, 1, 900, window_ms, 3 * window_ms, 30 * MINUTE, HOUR, 2 * HOUR, -5 * MINUTE])
        for ordinal in range(draw(st.integers(0, most))):
            time += draw(gap)
            arrival = make(
                1000 * len(symbol) + ordinal,
                time,
                landed=time + draw(delay),
                symbol=symbol,
                exchange=draw(st.sampled_from(["binance", "bybit", "okx"])),
                value=draw(st.sampled_from(VALUES)),
                price=canonical(Decimal(draw(st.sampled_from(prices)))),
                quantity=draw(st.sampled_from(["1", "0.001", "0.000000000001", "123456789.5", "18446744073709551617"])),
                is_long=draw(st.booleans()),
            )
            made += [arrival] * draw(st.sampled_from([1, 1, 1, 2]))
    made.sort(key=lambda arrival: arrival.landed)
    if is_replay:
        # Played in the same order, a thousand times as fast, a month later.
        later = NOON + 30 * 24 * HOUR
        made = [
            Arrival(each.entry._replace(source="replay", received_at=each.landed), later + (each.landed - NOON) // 1000)
            for each in made
        ]
    return made


def watermark(arrived: Iterable[Arrival], now: int) -> int | None:
    """max(newest event, at most a minute ahead of its arrival; now - 10 s if anything is of the present)."""
    times = []
    present = False
    for each in arrived:
        received_at = each.entry.received_at
        times.append(min(each.entry.liquidation.time, max(each.landed, received_at) + MINUTE))
        is_past = each.entry.source == "replay" and each.landed - received_at > MINUTE
        present = present or (not is_past and now - each.landed <= HELD)
    if present:
        times.append(now - 10_000)
    return max(times, default=None)


def batches(draw_sizes: Sequence[int], arrived: Sequence[Arrival]) -> list[list[Arrival]]:
    """The arrivals cut into pieces of these sizes, again and again."""
    pieces, start, number = [], 0, 0
    while start < len(arrived):
        size = draw_sizes[number % len(draw_sizes)]
        pieces.append([*arrived[start : start + size]])
        start, number = start + size, number + 1
    return pieces
