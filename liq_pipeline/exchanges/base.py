"""What every venue's module provides. Nothing here, nor in any adapter, touches a socket, Redis or the clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple, Protocol

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.liquidation import Liquidation, Market


class FrameKind(Enum):
    """What a frame is for the connection that received it."""

    LIQUIDATIONS = auto()
    CONTROL = auto()
    """A frame of the control stream: proof that the path delivers, and nothing else."""
    ACK = auto()
    PONG = auto()
    REFUSED = auto()
    """The venue refused a subscription or reported an error; always comes with a rejection that says why."""
    INVALID = auto()
    """Not understood; always comes with a rejection."""


class Landed(NamedTuple):
    """A liquidation and the venue's frame narrowed to it.

    ``raw`` is a complete frame of the venue that holds just this liquidation: parsed alone it gives the same
    event, but for its ordinal. A frame that held one liquidation is kept byte for byte.
    """

    liquidation: Liquidation
    raw: bytes


class Rejection(NamedTuple):
    """Something that was not understood, whole, and why."""

    reason: str
    frame: bytes


class Parsed(NamedTuple):
    """Everything a frame held: good rows land and bad ones are recorded, side by side."""

    kind: FrameKind
    landed: Sequence[Landed] = ()
    rejections: Sequence[Rejection] = ()
    sent_at: int | None = None
    """When the venue sent it, UTC milliseconds by its clock, where a control frame says so."""


@dataclass(frozen=True)
class Contract:
    """How many coins, or US dollars for inverse contracts, one contract is, from ``since`` (UTC milliseconds) on."""

    name: str
    market: Market
    size: Decimal
    since: int = 0


class Instruments(Protocol):
    """The contract sizes known for a venue; adapters of venues that trade in contracts ask it."""

    def get(self, contract: str, time: int) -> Contract | None:
        """The contract as it was at ``time``, UTC milliseconds; None where its size is unknown."""


class Listing(NamedTuple):
    """One page of a venue's instrument list, and the request parameters of the next page if there is one."""

    contracts: Sequence[Contract]
    next_params: dict[str, str] | None


@dataclass(frozen=True)
class InstrumentsEndpoint:
    """Where a venue lists its instruments: ``rest_url + path``, with query ``params``."""

    path: str
    params: dict[str, str]


class Adapter(Protocol):
    """One venue and market, as pure data and functions.

    ``parse`` never raises for bad input: what it cannot understand comes back as rejections. ``ordinal`` is where the
    counting of identical rows starts: a frame that was narrowed to its second such row is read again with 1.
    """

    @property
    def exchange(self) -> str: ...

    @property
    def market(self) -> Market: ...

    @property
    def ws_url(self) -> str:
        """Scheme and host; ``path`` has the rest. Join them with ``urls.connect_url``."""

    @property
    def rest_url(self) -> str: ...

    @property
    def keepalive_message(self) -> str | None:
        """Text to send every ``keepalive_seconds``; None where protocol-level pings suffice."""

    @property
    def keepalive_seconds(self) -> float: ...

    @property
    def silence_seconds(self) -> float:
        """A connection with no frame of any kind (control, pong, data) for so long is dead."""

    @property
    def publish_seconds(self) -> float:
        """How long after a liquidation happened the venue sends it, at most as a rule."""

    @property
    def renew_seconds(self) -> float:
        """Open the successor connection at this age, before the venue's own limit closes it."""

    @property
    def complete(self) -> bool:
        """True where the venue publishes every liquidation, False where it is throttled."""

    @property
    def instruments_endpoint(self) -> InstrumentsEndpoint | None: ...

    @property
    def needs_symbols(self) -> bool:
        """True where the venue has no wildcard topic, so that all symbols must be listed and refreshed."""

    def path(self, symbols: Sequence[str]) -> str:
        """What to append to the WebSocket URL for these symbols; empty ``symbols`` means all."""

    def subscribe(self, symbols: Sequence[str]) -> list[str]:
        """Messages to send after connecting; ``symbols`` are the venue's contracts, empty means all."""

    def expected_acks(self, symbols: Sequence[str]) -> int:
        """How many acknowledgements ``subscribe`` is answered with."""

    def contract_of(self, symbol: str) -> str:
        """The venue's perpetual contract for a canonical symbol: ``BTCUSDT`` is ``BTC-USDT-SWAP`` on OKX."""

    def semantics(self, time: int) -> str:
        """What the stream published at ``time``, UTC milliseconds, in the words of ``feed_semantics``."""

    def wants(self, liquidation: Liquidation, symbols: Sequence[str]) -> bool:
        """Whether a parsed liquidation is this feed's to land: of its market, and among ``symbols`` if there are any.

        ``symbols`` may be the venue's contracts or canonical symbols.
        """

    def parse(self, frame: bytes, instruments: Instruments, *, ordinal: int = 0) -> Parsed: ...

    def parse_instruments(self, body: bytes) -> Listing:
        """The contracts in a reply of ``instruments_endpoint``; raises InvalidLiquidationError if it is none."""


class BusyError(InvalidLiquidationError):
    """The venue asks for patience: the same request is answered later."""


class HistoryPage(NamedTuple):
    """One answer of a venue's history.

    ``rows`` counts what it held, understood or not; ``oldest`` is the time of its oldest row, UTC milliseconds, None
    if it held none.
    """

    parsed: Parsed
    rows: int
    oldest: int | None


class History(Protocol):
    """What a venue still tells of its past over REST, as pure data and functions.

    It is asked group by group (a group is whatever one request can be about), backwards in time.
    """

    @property
    def source(self) -> str:
        """The ``source`` of its rows: ``import:<name>``. Their raw data are frames of the venue."""

    @property
    def kept_ms(self) -> int:
        """How far back it reaches, as the venue says."""

    @property
    def late_ms(self) -> int:
        """How long after it happened a liquidation may still turn up in it."""

    @property
    def page_rows(self) -> int:
        """How many rows an answer holds at least where there are more."""

    @property
    def requests_per_second(self) -> float: ...

    def groups(self, contracts: Iterable[str]) -> list[str]:
        """What to ask for, to have everything of these contracts."""

    def request(self, group: str, before_ms: int) -> tuple[str, dict[str, str]]:
        """The path and query of the newest page of a group that is older than ``before_ms`` (UTC, excluded)."""

    def read(self, body: bytes, instruments: Instruments) -> HistoryPage:
        """What an answer holds; raises BusyError, or InvalidLiquidationError with what the venue said instead."""
