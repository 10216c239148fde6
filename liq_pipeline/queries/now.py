"""What happens now: the rolling hour, active cascades and the feeds, from Redis.

The hour ends at the live view's watermark (``live_view``). Symbols may hold any character, those of keys and patterns
among them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl
import redis

from liq_pipeline.collector.health import state_of
from liq_pipeline.exchanges import FEEDS, adapter
from liq_pipeline.liquidation import Side
from liq_pipeline.live.cascades import STATUS_PREFIX
from liq_pipeline.live.standing import standing
from liq_pipeline.live.view import LARGEST_KEY, LEVELS_PREFIX, MINUTES_PREFIX, TOTALS_PREFIX
from liq_pipeline.queries.columns import (
    EVENT_ID,
    EXCHANGE,
    LIQUIDATION,
    SIDE,
    SYMBOL,
    count,
    flag,
    frame_of,
    number,
    text,
    texts,
    time,
    usd,
)
from liq_pipeline.queries.store import Store
from liq_pipeline.settings import EXCHANGES
from liq_pipeline.streams import feed_key, lease_key
from liq_pipeline.warehouse.landing_zone import as_text

_SCANNED: Final = 5_000
_ASKED: Final = 1_000
_SPECIAL: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]"})
"""What a pattern of SCAN would not take as it stands."""
_Hash = Mapping[str, str]

PRICE_LEVELS: Final = (
    SYMBOL,
    number("price_level", "USD per coin", "Lower bound of the level."),
    SIDE,
    count("event_count", "Liquidations of the rolling hour."),
    usd("total_value_usd", "All of them together."),
    number("total_quantity", "coins", "All of them together."),
    time("first_seen", "The oldest."),
    time("last_seen", "The newest."),
)
ACTIVE_CASCADES: Final = (
    SYMBOL,
    text("cascade_id", "What it is called by now; an earlier member that turns up changes it."),
    time("cascade_start", "Time of the first member."),
    count("event_count", "Members so far."),
    usd("total_value_usd", "They together."),
    number("risk_score", "0 to 1", "Of its newest hot event."),
    texts("exchanges_involved", "Sorted."),
    texts("supersedes", "Ids it had before."),
)
LAST_HOUR: Final = (
    SYMBOL,
    time("minute", "Start of the minute."),
    count("event_count", "Liquidations."),
    usd("total_value_usd", "All of them together."),
    count("long_count", "Those that were long positions."),
    count("short_count", "Those that were short positions."),
    count("institutional_count", "Those of at least LIQ_SIGNIFICANT_USD."),
    *(count(f"{exchange}_count", f"Those of {exchange}.") for exchange in EXCHANGES),
)
LAST_HOUR_VENUES: Final = (
    EXCHANGE,
    SIDE,
    count("event_count", "Liquidations of the rolling hour."),
    usd("total_value_usd", "All of them together."),
    time("first_seen", "The oldest."),
    time("last_seen", "The newest."),
)
LAST_HOUR_LARGEST: Final = (
    *LIQUIDATION,
    EVENT_ID,
)
FEED_HEALTH: Final = (
    text("feed", "The exchange, with :inverse for its inverse contracts."),
    text("state", "live, connecting, silent, backing_off, blocked, crashed, stopped, starting, or never collected."),
    flag("collected", "A collector holds its lease now."),
    flag("complete", "The venue publishes every liquidation; false: it throttles, volumes are lower bounds."),
    time("connected_since", "Of the connection in charge; null while there is none."),
    time("last_frame_at", "When the last frame of any kind was received."),
    time("last_event_at", "When the last liquidation was received."),
    time("updated_at", "When this was said; older than some seconds means that nobody collects."),
    count("frames", "Frames ever."),
    count("events", "Liquidations ever; one that arrives twice counts twice."),
    count("rejected", "Frames or rows that were not understood, ever."),
    count("reconnects", "Ever."),
    count("buffered", "Entries that wait for Redis."),
    text("error", "Why it last failed; empty if it did not."),
)
LIVE_VIEW: Final = (
    text("state", "live, reading (the past first), stopped, or not running."),
    time("watermark", "Where the rolling hour ends; null before the first event."),
    time("updated_at", "When this was said."),
    number("lag_ms", "milliseconds", "How long the oldest entry of the last batch had waited."),
    count("events_per_second", "Entries read over the last second."),
    count("events_in_memory", "Events it remembers."),
    count("active_cascades", "Symbols with an active cascade."),
    count("unrecorded", "Records that wait for the database."),
    text("error", "Why the database or Redis refuses its writing; empty if they do not."),
)


def price_levels(store: Store, *, symbol: str | None = None, limit: int | None = None) -> pl.DataFrame:
    """Price levels of the rolling hour.

    Most events first; of all symbols where none is named.
    """
    pattern = f"{LEVELS_PREFIX}{'*' if symbol is None else symbol.translate(_SPECIAL)}:*"
    with store.redis() as client:
        found = [(*_split(key, LEVELS_PREFIX), fields) for key, fields in _hashes(client, pattern)]
    rows = [_level(name, level, side, fields) for name, level, side, fields in found if symbol in (None, name)]
    levels = frame_of(PRICE_LEVELS, rows).sort(
        "event_count", "total_value_usd", "symbol", "price_level", "side", descending=[True, True, False, False, False]
    )
    return levels if limit is None else levels.head(limit)


def active_cascades(store: Store, *, symbol: str | None = None) -> pl.DataFrame:
    """Cascades that are under way now, by USD."""
    with store.redis() as client:
        if symbol is None:
            found = list(_hashes(client, f"{STATUS_PREFIX}*"))
        else:
            key = f"{STATUS_PREFIX}{symbol}"
            found = [(key, fields) for fields in _read(client, [key]) if fields]
    rows = [_cascade(key.removeprefix(STATUS_PREFIX), fields) for key, fields in found]
    return frame_of(ACTIVE_CASCADES, rows).sort("total_value_usd", "symbol", descending=[True, False])


def last_hour(store: Store, *, symbol: str | None = None) -> pl.DataFrame:
    """The rolling hour by minute and symbol."""
    pattern = f"{MINUTES_PREFIX}{'*' if symbol is None else symbol.translate(_SPECIAL)}:60s:*"
    with store.redis() as client:
        found = [(*_split(key, MINUTES_PREFIX), fields) for key, fields in _hashes(client, pattern)]
    rows = [_minute(name, minute, fields) for name, _, minute, fields in found if symbol in (None, name)]
    return frame_of(LAST_HOUR, rows).sort("minute", "symbol")


def last_hour_venues(store: Store) -> pl.DataFrame:
    """The rolling hour by exchange and side."""
    pairs = [(exchange, side.value) for exchange in EXCHANGES for side in Side]
    with store.redis() as client:
        found = _read(client, [f"{TOTALS_PREFIX}{exchange}:{side}" for exchange, side in pairs])
    rows = [_venue(exchange, side, fields) for (exchange, side), fields in zip(pairs, found, strict=True) if fields]
    return frame_of(LAST_HOUR_VENUES, rows)


def last_hour_largest(store: Store, *, limit: int | None = None) -> pl.DataFrame:
    """The largest liquidations of the rolling hour, 20 at most, the largest first."""
    with store.redis() as client:
        (fields,) = _read(client, [LARGEST_KEY])
    shown: list[dict[str, Any]] = json.loads(fields.get("events", "[]"))
    rows = [
        {
            **one,
            "time": _at(one["time"]),
            "value_usd": Decimal(one["value_usd"]),
            **{name: float(one[name]) for name in ("price", "quantity")},
        }
        for one in shown[:limit]
    ]
    return frame_of(LAST_HOUR_LARGEST, rows)


def feeds(store: Store) -> pl.DataFrame:
    """How each feed is now.

    Of those that are configured or were ever collected.
    """
    with store.redis() as client:
        hashes = _read(client, [feed_key(feed) for feed in FEEDS])
        pipeline = client.pipeline(transaction=False)
        for feed in FEEDS:
            pipeline.exists(lease_key(feed))
        leased = pipeline.execute()
    rows = [
        _feed(feed, fields, bool(held))
        for feed, fields, held in zip(FEEDS, hashes, leased, strict=True)
        if fields or feed in store.settings.exchanges
    ]
    return frame_of(FEED_HEALTH, rows)


def live_view(store: Store) -> pl.DataFrame:
    """How the keeper of the rolling hour is.

    One row. Its watermark is where the hour ends.
    """
    with store.redis() as client:
        said = standing(client)
    row = {
        "state": said.state,
        "watermark": _at(said.watermark),
        "updated_at": _at(said.updated_at),
        "lag_ms": float(said.lag_ms),
        "events_per_second": said.rate,
        "events_in_memory": said.memory,
        "active_cascades": said.active,
        "unrecorded": said.unrecorded,
        "error": said.database or said.redis,
    }
    return frame_of(LIVE_VIEW, [row])


def why_quiet(store: Store, symbol: str | None = None) -> str:
    """Why there may be nothing of now, and what would change that: a sentence."""
    with store.redis() as client:
        said = standing(client)
    if not said.runs:
        return "No live view runs, which keeps the rolling hour: start `liq up`, or `liq live`."
    if said.watermark is None:
        return "The live view has seen no event yet: `liq query feeds` shows whether any feed delivers."
    end = datetime.fromtimestamp(said.watermark / 1000, UTC)
    of, hour = f" of {symbol}" if symbol else "", f"its hour, which ends at {end:%H:%M:%S} UTC,"
    if known := last_hour(store, symbol=symbol)["event_count"].sum():
        return f"The live view runs, and shows nothing of this kind now: {hour} holds {known:,} liquidations{of}."
    return f"The live view runs: {hour} holds no liquidations{of}."


def _level(symbol: str, level: str, side: str, fields: _Hash) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "price_level": float(level),
        "side": side,
        "event_count": int(fields["count"]),
        "total_value_usd": Decimal(fields["total_value"]),
        "total_quantity": float(fields["total_quantity"]),
        **{name: _at(int(fields[name])) for name in ("first_seen", "last_seen")},
    }


def _cascade(symbol: str, fields: _Hash) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "cascade_id": fields["cascade_id"],
        "cascade_start": _at(int(fields["start_time"])),
        "event_count": int(fields["event_count"]),
        "total_value_usd": Decimal(fields["total_value"]),
        "risk_score": float(fields["risk_score"]),
        "exchanges_involved": _words(fields["exchanges"]),
        "supersedes": _words(fields["supersedes"]),
    }


def _minute(symbol: str, minute: str, fields: _Hash) -> dict[str, Any]:
    counts = ("long_count", "short_count", "institutional_count", *(f"{name}_count" for name in EXCHANGES))
    return {
        "symbol": symbol,
        "minute": _at(int(minute)),
        "event_count": int(fields["count"]),
        "total_value_usd": Decimal(fields["total_value"]),
        **{name: int(fields.get(name, 0)) for name in counts},
    }


def _venue(exchange: str, side: str, fields: _Hash) -> dict[str, Any]:
    return {
        "exchange": exchange,
        "side": side,
        "event_count": int(fields["count"]),
        "total_value_usd": Decimal(fields["total_value"]),
        **{name: _at(int(fields[name])) for name in ("first_seen", "last_seen")},
    }


def _feed(feed: str, fields: _Hash, held: bool) -> dict[str, Any]:
    times = ("connected_since", "last_frame_at", "last_event_at", "updated_at")
    counts = ("frames", "events", "rejected", "reconnects", "buffered")
    return {
        "feed": feed,
        "state": state_of(fields, held),
        "collected": held,
        "complete": adapter(feed).complete,
        **{name: _at(int(fields[name])) if fields.get(name) else None for name in times},
        **{name: int(fields.get(name) or 0) for name in counts},
        "error": fields.get("error", ""),
    }


def _hashes(client: redis.Redis, pattern: str) -> Iterator[tuple[str, _Hash]]:
    """The hashes whose keys fit, each once; one that goes while it is read is left out."""
    found = client.scan_iter(match=pattern, count=_SCANNED)
    keys = sorted({key.decode("utf-8", "replace") for key in found})
    for start in range(0, len(keys), _ASKED):
        some = keys[start : start + _ASKED]
        yield from ((key, fields) for key, fields in zip(some, _read(client, some), strict=True) if fields)


def _read(client: redis.Redis, keys: Iterable[str]) -> list[_Hash]:
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(key)
    return list(map(as_text, pipeline.execute()))


def _split(key: str, prefix: str) -> tuple[str, str, str]:
    """The symbol, which may hold colons itself, and the two parts behind it."""
    symbol, second, third = key.removeprefix(prefix).rsplit(":", 2)
    return symbol, second, third


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _at(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
