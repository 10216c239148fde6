"""From the reference's events to detection's columns, and from its answer back to the reference's rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from liq_pipeline.detection.cascades import detect
from liq_pipeline.detection.columns import Detection, Events, Params
from liq_pipeline_tests.detection.reference import Cascade, Event, Expected, Membership


def columns(ordered: Sequence[Event]) -> Events:
    """Columns of events that are sorted already."""
    symbols = sorted({event.symbol for event in ordered})
    exchanges = sorted({event.exchange for event in ordered})
    return Events(
        time=np.array([event.time for event in ordered], dtype=np.int64),
        symbol=np.array([symbols.index(event.symbol) for event in ordered], dtype=np.int32),
        value=np.array([int(event.value_usd.scaleb(6)) for event in ordered], dtype=np.int64),
        price=np.array([float(event.price) for event in ordered], dtype=np.float64),
        is_long=np.array([event.is_long for event in ordered], dtype=np.bool_),
        exchange=np.array([exchanges.index(event.exchange) for event in ordered], dtype=np.uint8),
        symbols=symbols,
        exchanges=exchanges,
    )


def params(window_ms: int, min_events: int, min_usd: Decimal) -> Params:
    return Params(window_ms, min_events, int(min_usd.scaleb(6)))


def found(events: Sequence[Event], params: Params) -> Expected:
    """What detection finds in ``events``, in any order, in the reference's terms."""
    ordered = sorted(events)
    return rows(ordered, detect(columns(ordered), params))


def rows(ordered: Sequence[Event], detection: Detection) -> Expected:
    """A detection in the reference's terms."""
    table = detection.cascades
    members = {
        event: Membership(table.id[index], micro(risk))
        for event, index, risk in zip(ordered, detection.cascade.tolist(), detection.risk.tolist(), strict=True)
        if index >= 0
    }
    cascades = [
        Cascade(
            cascade_id=table.id[k],
            symbol=detection.events.symbols[table.symbol[k]],
            cascade_start=int(table.start[k]),
            cascade_end=int(table.end[k]),
            event_count=int(table.event_count[k]),
            hot_event_count=int(table.hot_event_count[k]),
            total_value_usd=micro(int(table.total_value[k])),
            avg_risk_score=micro(int(table.avg_risk[k])),
            max_risk_score=micro(int(table.max_risk[k])),
            exchanges_involved=tuple(detection.exchange_names[k]),
            long_count=int(table.long_count[k]),
            short_count=int(table.short_count[k]),
            max_event_usd=micro(int(table.max_event[k])),
            price_start=ordered[table.first_row[k]].price,
            price_end=ordered[table.last_row[k]].price,
        )
        for k in range(len(table))
    ]
    return Expected(members, cascades)


def micro(number: int) -> Decimal:
    return Decimal(number).scaleb(-6)
