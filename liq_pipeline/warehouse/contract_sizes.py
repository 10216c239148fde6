"""How large contracts were when: the package's snapshot, and what venues were seen to list since.

The collector keeps the list it last read in Redis; the loader takes what is new in it into ``contract_sizes``, so that
an archive, or a row read again, is sized as the venue did at its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import redis

from liq_pipeline import exchanges
from liq_pipeline.exchanges.base import Contract
from liq_pipeline.exchanges.instruments import StaticInstruments, counts_contracts, read_listed, snapshot
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import instruments_key
from liq_pipeline.warehouse.connection import Connection

_KNOWN: Final = """
SELECT contract, market, size, (extract(epoch FROM since) * 1000)::bigint FROM contract_sizes WHERE exchange = %s"""
_RECORD: Final = """
INSERT INTO contract_sizes (exchange, contract, market, size, since)
VALUES (%s, %s, %s, %s, to_timestamp(%s::bigint / 1000.0))
ON CONFLICT (exchange, contract, since) DO NOTHING"""


def known(connection: Connection, exchange: str) -> StaticInstruments:
    """All contract sizes known of a venue, by date; empty for venues that trade in coins."""
    rows = connection.execute(_KNOWN, (exchange,)).fetchall()
    return snapshot(exchange).merged(Contract(name, Market(market), size, since) for name, market, size, since in rows)


def record(connection: Connection, exchange: str, contracts: Iterable[Contract], seen_ms: int) -> int:
    """Keep what a list that the venue gave at ``seen_ms`` (UTC) says and was not known; how many sizes that is."""
    news = known(connection, exchange).news(contracts, seen_ms)
    if news:
        connection.cursor().executemany(
            _RECORD, [(exchange, item.name, item.market, item.size, item.since) for item in news]
        )
    return len(news)


def record_listed(connection: Connection, client: redis.Redis) -> None:
    """Keep what the lists in Redis say, of the venues that count in contracts."""
    for feed in exchanges.FEEDS:
        exchange = exchanges.adapter(feed).exchange
        if counts_contracts(exchange) and (listed := read_listed(cast("Any", client).get(instruments_key(feed)))):
            record(connection, exchange, listed.contracts, listed.fetched_at)
