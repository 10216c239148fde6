"""Hypothesis strategies for events at which detection could go wrong."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from liq_pipeline_tests.detection.reference import Event

# Even dollars put a score's value term exactly between two millionths; the last one is a hair under the large size.
VALUES = ["0", "0.000001", "2", "6", "25000", "24999.999999", "25000.000001", "50002", "499999.999999", "500000"]

PRICES = {
    "constant": ["27000.5"],
    "calm": ["99999.5", "100000.5", "100000", "100000.1"],
    "wild": ["1", "2", "3", "0.5", "1.1", "1000000"],
    "many decimals": ["0.00001234", "0.000012345678901", "0.0000123456789012"],
    # Squares of their differences leave 64 bits.
    "overflowing": ["100000.123456789", "1.000000001", "98765.432198765", "100000"],
    "too fine for a power of ten": ["0.000000000000000001234567890123456", "0.000000000000000001734567890123456"],
    "both extremes": ["0.000000000000000001", "1000000000000000000", "12345.678901234567"],
}


@st.composite
def markets(draw: st.DrawFn, window_ms: int, most: int = 24) -> list[Event]:
    """Unsorted events with gaps around 0 and the window, over symbols, venues and price regimes."""
    events = []
    for symbol in ("BTCUSDT", "DOGEUSDT", "狗狗USDT")[: draw(st.integers(1, 3))]:
        prices = PRICES[draw(st.sampled_from(sorted(PRICES)))]
        time = draw(st.integers(0, 2 * window_ms))
        gaps = st.sampled_from([0, 0, 0, 1, window_ms // 4, window_ms - 1, window_ms, window_ms + 1, 3 * window_ms])
        for ordinal in range(draw(st.integers(0, most))):
            time += draw(gaps)
            events.append(
                Event(
                    symbol=symbol,
                    time=time,
                    event_id=f"{draw(st.integers(0, 9))}-{ordinal}",
                    exchange=draw(st.sampled_from(["binance", "bybit", "okx"])),
                    is_long=draw(st.booleans()),
                    price=Decimal(draw(st.sampled_from(prices))),
                    value_usd=Decimal(draw(st.sampled_from(VALUES))),
                )
            )
    return events
