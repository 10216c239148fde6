"""Events given one by one to incremental detection, and its chains in the reference's terms."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from liq_pipeline.detection.columns import Params
from liq_pipeline.detection.incremental import Incremental
from liq_pipeline.detection.incremental_chain import Chain
from liq_pipeline.liquidation import canonical
from liq_pipeline_tests.detection.columns import micro
from liq_pipeline_tests.detection.reference import Cascade, Event


class Detectors:
    """One detector per symbol, as the live view has them."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self.of: dict[str, Incremental] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Give each event to its symbol's detector, in the order of ``events``."""
        for event in events:
            if event.symbol not in self.of:
                self.of[event.symbol] = Incremental(event.symbol, self._params)
            price, value = canonical(event.price), int(event.value_usd.scaleb(6))
            self.of[event.symbol].add(event.time, event.event_id, event.exchange, event.is_long, price, value)

    @property
    def cascades(self) -> list[Cascade]:
        """All chains by (symbol, start)."""
        return [cascade(symbol, chain) for symbol in sorted(self.of) for chain in self.of[symbol].chains()]


def cascade(symbol: str, chain: Chain) -> Cascade:
    """A chain in the reference's terms."""
    return Cascade(
        cascade_id=chain.id,
        symbol=symbol,
        cascade_start=chain.start,
        cascade_end=chain.end,
        event_count=chain.event_count,
        hot_event_count=chain.hot_event_count,
        total_value_usd=micro(chain.total_value),
        avg_risk_score=micro(chain.avg_risk),
        max_risk_score=micro(chain.max_risk),
        exchanges_involved=chain.exchanges,
        long_count=chain.long_count,
        short_count=chain.short_count,
        max_event_usd=micro(chain.max_event),
        price_start=Decimal(chain.price_start),
        price_end=Decimal(chain.price_end),
    )
