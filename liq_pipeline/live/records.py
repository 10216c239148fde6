"""What a live view wants remembered: the finals it saw, their corrections, and what it could not see.

All times are UTC milliseconds, values micro-USD, risks millionths, prices canonical decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

Kind: TypeAlias = Literal["risk", "usd"]


@dataclass(frozen=True, slots=True)
class CascadeState:
    """A cascade as the live view knew it at one moment; the columns are those of ``liquidation_cascades``.

    ``exchanges`` are sorted. ``price_start`` and ``price_end`` are of the first and last member by (time, event_id).
    """

    cascade_id: str
    symbol: str
    start: int
    end: int
    event_count: int
    hot_event_count: int
    total_value: int
    max_event: int
    avg_risk: int
    max_risk: int
    exchanges: tuple[str, ...]
    long_count: int
    short_count: int
    price_start: str
    price_end: str


@dataclass(frozen=True, slots=True)
class FinalCascade:
    """A cascade that became final when the watermark reached its end and a window more.

    ``supersedes`` are the ids that it, or what it absorbed, was shown with before, oldest first. The same final may be
    told again, after a restart and by a second view: ``cascade_id`` makes it the same row.
    """

    cascade: CascadeState
    finalized_at: int
    supersedes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """Events that arrived after finals they belong to: the finals ``replaced`` (ids) do not stand any more, those in
    ``standing``, never empty, do instead.

    A cascade that became active again is told of when it is final again. An id may be in both: the same cascade with
    more events. ``late_event_id`` is the last of the ``late_events`` that arrived since the record before.
    """

    symbol: str
    replaced: tuple[str, ...]
    standing: tuple[FinalCascade, ...]
    late_event_id: str
    late_events: int
    at: int


@dataclass(frozen=True, slots=True)
class LateEvent:
    """An event older than the memory of the live view, seen in a stream at ``arrived``: it changed nothing here.

    It may also be a late duplicate (of a heal, say) of one that was counted in time; only ``liquidations_raw`` knows.
    """

    event_id: str
    exchange: str
    symbol: str
    time: int
    arrived: int


@dataclass(frozen=True, slots=True)
class Blind:
    """Events that landed in [start, end) were never seen; ``start`` is 0 at the first start ever."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Crossed:
    """A cascade reached a level of ``Levels``: ``kind`` and ``level`` (index from 0) say which, ``at`` when.

    Told once per cascade by one view; restarts and second views tell it again.
    """

    kind: Kind
    level: int
    cascade: CascadeState
    at: int


Record: TypeAlias = FinalCascade | Correction | LateEvent | Blind | Crossed


@dataclass(frozen=True)
class Levels:
    """What cascades are watched for: rising scores in millionths (of ``max_risk``) and values in micro-USD."""

    risk: tuple[int, ...] = ()
    usd: tuple[int, ...] = ()


class SeedEvent(NamedTuple):
    """A landed event as the database has it; ``value`` in micro-USD, ``price`` and ``quantity`` canonical decimals."""

    time: int
    event_id: str
    exchange: str
    symbol: str
    is_long: bool
    price: str
    quantity: str
    value: int
    received_at: int
    source: str


class Recorder(Protocol):
    """Where records go. Each method is called from a thread, one at a time, and raises LiqError while the database is
    away; it is called again then, with the same and more. A view that ends does not wait for a call that hangs: its
    last may come beside that one."""

    def record(self, items: Sequence[Record], *, watermark: int | None, landed: int) -> None:
        """Keep ``items``, in their order, and that everything that landed before ``landed`` was seen; one transaction.

        Called about once a second, with no items as well. Idempotent: items may come again. ``watermark`` is None as
        long as there was no event. Two views may tell it both; the greater ``watermark`` and ``landed`` count.
        """

    def landed(self) -> int | None:
        """The ``landed`` last recorded, None before the first."""

    def seed(self, start: int, end: int) -> Iterable[SeedEvent]:
        """The landed events with time in [start, end) that went through the streams: those of files did not.

        By (received_at, time, event_id), as they arrived.
        """
