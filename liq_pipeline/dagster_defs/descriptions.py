"""What an asset's page says beyond the comments in ``sql/``: what is not to be compared, and where definitions are."""

from __future__ import annotations

from datetime import date
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs import markdown
from liq_pipeline.dagster_defs.partitions import window
from liq_pipeline.exchanges.published import DOCS, in_words
from liq_pipeline.warehouse.connection import READER, connect

COMPARING: Final = (
    "**Before comparing exchanges:** Bybit publishes every liquidation; Binance and OKX at most one per symbol and "
    "second (Binance the latest of them until 2026-04-14, the largest from then on). Volumes of the two kinds are not "
    "comparable. What a day's numbers mean is in its metadata, in feed_coverage and in every event's feed_semantics. "
    f"Sources: [Binance]({DOCS['binance']}), [Bybit]({DOCS['bybit']}), [OKX]({DOCS['okx']})."
)
COMPARES: Final = frozenset({"liquidations_hourly", "liquidation_price_levels", "liquidation_exchange_comparison"})
"""Tables that hold exchanges side by side."""

_MEANINGS: Final = """
SELECT exchange, string_agg(DISTINCT feed_semantics, ' + ' ORDER BY feed_semantics)
FROM liquidations WHERE time >= %s AND time < %s GROUP BY exchange ORDER BY exchange"""


def described(table: str, comment: str) -> str:
    """A table's description, Markdown."""
    return f"{comment}\n\n{COMPARING}" if table in COMPARES else comment


def meanings(database_url: str, day: date) -> dict[str, str]:
    """By exchange what its events of the day mean, as feed_semantics says it. Raises ServerError."""
    with connect(database_url, role=READER) as connection:
        return dict(connection.execute(_MEANINGS, window(day)).fetchall())


def label(meanings: dict[str, str]) -> dg.MarkdownMetadataValue:
    """The label of a comparison: what each exchange publishes, and whether their volumes are comparable."""
    rows = [(exchange, in_words(semantics), semantics) for exchange, semantics in meanings.items()]
    comparable = "comparable" if len(set(meanings.values())) < 2 else "**not comparable in volume**"
    shown = markdown.table(("exchange", "publishes", "feed_semantics"), rows)
    return dg.MetadataValue.md(f"{shown}\n\nThese are {comparable}." if rows else "No events.")
