"""What lies upstream of the tables and is not made by a run: the exchanges, the landing zone in Redis, the archive."""

from __future__ import annotations

from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs.partitions import daily
from liq_pipeline.dagster_defs.tables import OWNERS
from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.published import DOCS
from liq_pipeline.settings import FEEDS

LANDING_ZONE: Final = dg.AssetKey("liq_events")
CLAIMS: Final = dg.AssetKey("liq_coverage")
ARCHIVE: Final = dg.AssetKey("archive")
LIVE_VIEW: Final = dg.AssetKey("liq_live")

_NAMES: Final = {
    "binance": f"[Binance USD-M futures]({DOCS['binance']})",
    "bybit": f"[Bybit linear contracts]({DOCS['bybit']})",
    "okx": f"[OKX linear swaps]({DOCS['okx']})",
    "binance:inverse": "Binance COIN-M futures",
    "bybit:inverse": f"[Bybit inverse contracts]({DOCS['bybit']})",
    "okx:inverse": f"[OKX inverse swaps]({DOCS['okx']})",
}


def exchange_key(feed: str) -> dg.AssetKey:
    """The asset of a feed such as ``binance:inverse``; asset keys have no colons."""
    return dg.AssetKey(["exchanges", feed.replace(":", "_")])


def _published(feed: str) -> str:
    complete = adapter(feed).complete
    return "every liquidation" if complete else "at most one per symbol and second: volumes are lower bounds"


exchanges: Final = [
    dg.AssetSpec(
        exchange_key(feed),
        description=(
            f"Public WebSocket feed of liquidations: {_NAMES[feed]}. It publishes {_published(feed)}. Collected where "
            f"LIQ_EXCHANGES names {feed}. Its state is observed when it changes, and every ten minutes."
        ),
        group_name="landing",
        kinds={"websocket"},
        owners=list(OWNERS),
        tags={"liq/layer": "landing"},
    )
    for feed in FEEDS
]

landing_zone: Final = dg.AssetSpec(
    LANDING_ZONE,
    deps=[spec.key for spec in exchanges],
    description=(
        "Redis streams liq:events:{exchange}: every landed event with its raw payload, written by collector_job, "
        "kept until the database has committed it and for LIQ_STREAM_HOURS at least. Its state is observed when it "
        "changes, and every ten minutes; never materialized."
    ),
    group_name="landing",
    kinds={"redis"},
    owners=list(OWNERS),
    tags={"liq/layer": "landing"},
)

claims: Final = dg.AssetSpec(
    CLAIMS,
    deps=[spec.key for spec in exchanges],
    description=(
        "Redis streams liq:coverage:{feed} and liq:troubles:{feed}: which spans of time each connection covered, and "
        "why a running collector covered nothing. Written by collector_job every few seconds; one that died leaves "
        "its gap by saying nothing. Never materialized."
    ),
    group_name="observability",
    kinds={"redis"},
    owners=list(OWNERS),
    tags={"liq/layer": "observability"},
)

archive: Final = dg.AssetSpec(
    ARCHIVE,
    description=(
        "Files below LIQ_ARCHIVE_DIR, by the UTC day in their names; `liq archive --help` says how they are laid out. "
        "Observed by the sensor archive_files, never materialized; materializing liquidations_raw imports its day's."
    ),
    group_name="landing",
    kinds={"file"},
    owners=list(OWNERS),
    tags={"liq/layer": "landing"},
    partitions_def=daily,
)

live_view: Final = dg.AssetSpec(
    LIVE_VIEW,
    deps=[LANDING_ZONE],
    description=(
        "The last hour in Redis, written by live_job: price levels (liq:levels:*), minutes (liq:agg:*), totals of "
        "exchanges (liq:hour:*) and active cascades (liq:cascade:status:*), a projection of liq_events that follows "
        "liquidation_cascades' definition event by event. Its state is observed when it changes, and every ten "
        "minutes; never materialized."
    ),
    group_name="detection",
    kinds={"redis"},
    owners=list(OWNERS),
    tags={"liq/layer": "detection"},
)
