"""Single liquidations as they land, from the event streams in Redis: before any table has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, Final, cast

import msgspec
import polars as pl
import redis

from liq_pipeline.live.standing import standing
from liq_pipeline.queries.columns import EVENT_ID, LIQUIDATION, frame, text, time
from liq_pipeline.queries.store import Store
from liq_pipeline.streams import Entry, decode_entry, events_key
from liq_pipeline.warehouse.backlog import now_ms, parse_id
from liq_pipeline.warehouse.windows import utc

LANDED: Final = (
    *LIQUIDATION,
    time("landed_at", "When it landed in Redis."),
    text("source", "stream, replay or simulated."),
    EVENT_ID,
)
_HOUR_MS: Final = 3_600_000
_AT_A_TIME: Final = 1_000
_Chooses = Callable[[Entry], bool]


def newest_events(
    store: Store, *, symbol: str | None = None, exchange: str | None = None, limit: int = 20
) -> pl.DataFrame:
    """Liquidations that landed last.

    Newest first, of those that landed in the last hour; one that arrives again counts once.
    """
    with store.redis() as client:
        since = now_ms(client) - _HOUR_MS
        found = [
            row
            for key in _streams(client, exchange)
            for row in islice(_distinct(client, key, since, lambda entry: symbol in (None, _symbol(entry))), limit)
        ]
    newest = sorted(found, key=lambda row: (row[0], row[1].liquidation.event_id), reverse=True)
    return frame(LANDED, [_row(landed, entry) for landed, entry in newest[:limit]])


def largest_events(
    store: Store, *, symbol: str | None = None, exchange: str | None = None, limit: int = 20
) -> pl.DataFrame:
    """The largest liquidations of the rolling hour.

    By USD; one that arrives again counts once. Reads all that landed in the hour: a second for some 50,000.
    """
    with store.redis() as client:
        now = now_ms(client)
        end = standing(client).watermark or now
        since = min(end, now) - _HOUR_MS

        def in_hour(entry: Entry) -> bool:
            return entry.liquidation.time > end - _HOUR_MS and symbol in (None, _symbol(entry))

        found = [row for key in _streams(client, exchange) for row in _distinct(client, key, since, in_hour)]
    largest = sorted(found, key=lambda row: (Decimal(row[1].liquidation.value_usd), row[0]), reverse=True)
    return frame(LANDED, [_row(landed, entry) for landed, entry in largest[:limit]])


def _streams(client: redis.Redis, exchange: str | None) -> list[bytes]:
    """The event streams there are, or the one asked for."""
    if exchange is not None:
        return [events_key(exchange).encode()]
    return sorted(client.scan_iter(match=events_key("*"), count=_AT_A_TIME, _type="stream"))


def _distinct(client: redis.Redis, key: bytes, since: int, chooses: _Chooses) -> Iterator[tuple[int, Entry]]:
    """When an event landed first and the event, those of ``since`` and after that are chosen, from the newest on.

    What is no entry of ours is left to the loader, which records it.
    """
    seen = set[str]()
    last = b"+"
    while answer := cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrevrange(key, last, since, _AT_A_TIME)):
        for entry_id, fields in answer:
            try:
                entry = decode_entry(fields)
            except (msgspec.DecodeError, KeyError, ValueError):
                continue
            if entry.liquidation.event_id not in seen and chooses(entry):
                seen.add(entry.liquidation.event_id)
                yield parse_id(entry_id)[0], entry
        last = b"(" + answer[-1][0]


def _symbol(entry: Entry) -> str:
    return entry.liquidation.symbol


def _row(landed: int, entry: Entry) -> list[Any]:
    event = entry.liquidation
    return [
        *(utc(event.time), event.exchange, event.symbol, str(event.side), float(event.price), float(event.quantity)),
        *(Decimal(event.value_usd), utc(landed), entry.source, event.event_id),
    ]
