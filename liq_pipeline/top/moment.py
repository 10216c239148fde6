"""What happens now, as `liq top` shows it and `liq top --json` prints it.

Names are those of the tables. Times are UTC ms by Redis's clock, amounts exact USD. ``side`` is the side of the
position that was liquidated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec


@dataclass(frozen=True)
class Feed:
    """A feed's health, see ``collector.health``. ``state`` is ``not collected`` where nobody holds the lease.

    ``complete``: the venue publishes every liquidation; otherwise it throttles, and volumes are lower bounds.
    """

    feed: str
    state: str
    complete: bool
    last_frame_at: int | None
    last_event_at: int | None
    events_per_minute: int
    events: int
    rejected: int
    reconnects: int
    error: str


@dataclass(frozen=True)
class LiveView:
    """How the process is that keeps the last hour, see ``live.standing``; ``updated_at`` is when it last said so.

    The hour ends at ``watermark``. ``error`` is why the database or Redis refuses what it writes, else empty.
    """

    state: str
    watermark: int | None
    updated_at: int | None
    lag_ms: int
    events_per_second: int
    events_in_memory: int
    error: str


@dataclass(frozen=True)
class Venue:
    """The last hour of one exchange, all its feeds, and side."""

    exchange: str
    side: str
    event_count: int
    total_value_usd: Decimal


@dataclass(frozen=True)
class Large:
    """One of the largest liquidations of the last hour."""

    time: int
    exchange: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    value_usd: Decimal
    event_id: str


@dataclass(frozen=True)
class Symbol:
    """The last hour of one symbol, some seconds old."""

    symbol: str
    total_value_usd: Decimal


@dataclass(frozen=True)
class Level:
    """The last hour of one price level and side; ``price_level`` is its lower bound in USD per coin."""

    price_level: Decimal
    side: str
    event_count: int
    total_value_usd: Decimal


@dataclass(frozen=True)
class Cascade:
    """A cascade that is under way; ``risk_score`` (0 to 1) is that of its newest hot event."""

    symbol: str
    cascade_id: str
    cascade_start: int
    event_count: int
    total_value_usd: Decimal
    risk_score: Decimal
    exchanges_involved: Sequence[str]


@dataclass(frozen=True)
class Tables:
    """What the database says: when today's tables were last made, how many days are stale, what incidents stand.

    ``error`` is why the database does not answer; the rest is then what it said last.
    """

    materialized_at: int | None = None
    stale_days: int = 0
    incidents: Sequence[str] = ()
    error: str = ""


@dataclass(frozen=True)
class Moment:
    """Everything at one moment, ``time``.

    ``levels`` are those of ``symbol``, highest price first; ``symbols`` and ``largest`` begin with the largest,
    ``cascades`` with the riskiest.
    """

    time: int
    live: LiveView
    feeds: Sequence[Feed] = ()
    venues: Sequence[Venue] = ()
    largest: Sequence[Large] = ()
    symbols: Sequence[Symbol] = ()
    symbol: str | None = None
    levels: Sequence[Level] = ()
    cascades: Sequence[Cascade] = ()


@dataclass(frozen=True)
class Document:
    """What ``--json`` prints. ``demo``: the home is one of `liq up --demo`, nothing in it is of the real world."""

    home: str
    demo: bool
    moment: Moment
    tables: Tables | None
    """None while the database was not asked yet."""


_encoder: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


def as_json(document: Document) -> str:
    """One line; amounts are exact numbers, fields in alphabetical order."""
    return _encoder.encode(document).decode()
