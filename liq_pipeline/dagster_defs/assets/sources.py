"""What lies upstream of the tables and is not made by a run: the exchanges, and the landing zone in Redis."""

from __future__ import annotations

from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs.tables import OWNERS
from liq_pipeline.settings import KNOWN_FEEDS

LANDING_ZONE: Final = dg.AssetKey("liq_events")

_NAMES: Final = {"binance": "Binance USD-M futures", "bybit": "Bybit linear contracts", "okx": "OKX swaps"}

exchanges: Final = [
    dg.AssetSpec(
        dg.AssetKey(["exchanges", feed]),
        description=f"Public WebSocket feed of liquidations: {_NAMES[feed]}.",
        group_name="landing",
        kinds={"websocket"},
        owners=list(OWNERS),
        tags={"liq/layer": "landing"},
    )
    for feed in KNOWN_FEEDS
]

landing_zone: Final = dg.AssetSpec(
    LANDING_ZONE,
    deps=[spec.key for spec in exchanges],
    description=(
        "Redis streams liq:events:{exchange}: every landed event with its raw payload, written by collector_job, "
        "kept until the database has committed it and for LIQ_STREAM_HOURS at least. Observed, never materialized."
    ),
    group_name="landing",
    kinds={"redis"},
    owners=list(OWNERS),
    tags={"liq/layer": "landing"},
)
