"""What the simulated frames mean, stated without the adapters: the truth that tables are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from itertools import count
from typing import Final

import msgspec

from liq_pipeline.liquidation import EXACT, canonical
from liq_pipeline.simulate.frames import Frame
from liq_pipeline.simulate.market import Event

_PRICE_KINDS: Final = {"binance": "fill", "bybit": "bankruptcy", "okx": "bankruptcy"}


class Outcome(StrEnum):
    """What must become of one row of a frame, or of a frame without rows."""

    LANDED = "landed"
    DUPLICATE = "duplicate"
    """The same liquidation as row ``duplicate_of``; landing it again changes nothing."""
    SUPPRESSED = "suppressed"
    """True, yet never sent: the venue's throttle left it out."""
    REJECTED = "rejected"
    """Must be recorded with a reason."""
    IGNORED = "ignored"
    """Acknowledgements, pongs and control frames: neither landed nor rejected."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the ledger; times are UTC milliseconds, numbers exact canonical decimals.

    ``row`` is a stable number. ``line`` is the line of the venue's file that holds the frame, from 1, and
    ``received_at`` when it arrives; both are absent for what was never sent. ``defect`` names the defect that was
    planted, if one was. The event's own columns are those of ``liquidations_raw``.
    """

    row: int
    outcome: Outcome
    exchange: str
    line: int | None = None
    received_at: int | None = None
    defect: str | None = None
    duplicate_of: int | None = None
    market: str | None = None
    contract: str | None = None
    symbol: str | None = None
    side: str | None = None
    price: str | None = None
    price_kind: str | None = None
    quantity: str | None = None
    value_usd: str | None = None
    limit_price: str | None = None
    time: int | None = None


@dataclass(frozen=True)
class Line:
    """One frame as it arrives, and the ledger rows it means. ``text`` need not be JSON."""

    venue: str
    received_at: int
    text: str
    rows: tuple[Row, ...]


class Ledger:
    """Numbers the rows."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def lines(self, frames: Iterator[Frame]) -> Iterator[Line]:
        """Every frame with its rows; suppressed events are rows of the frame that replaced them."""
        for frame in frames:
            landed = [self.event(event, Outcome.LANDED) for event in frame.events]
            suppressed = [self.event(event, Outcome.SUPPRESSED) for event in frame.suppressed]
            yield Line(frame.venue, frame.due + 20, frame.text, (*landed, *suppressed))

    def event(self, event: Event, outcome: Outcome) -> Row:
        """The row of one event, in coins and US dollars."""
        contract = event.contract
        value = EXACT.multiply(EXACT.multiply(event.price, event.quantity), contract.contract_value)
        limit = event.limit_price
        return Row(
            row=next(self._numbers),
            outcome=outcome,
            exchange=contract.venue,
            market="linear",
            contract=contract.name,
            symbol=contract.symbol,
            side=event.side.value,
            price=_per_coin(event.price, contract.multiplier),
            price_kind=_PRICE_KINDS[contract.venue],
            quantity=canonical(EXACT.multiply(event.quantity, contract.coins_per_lot)),
            value_usd=canonical(value.quantize(Decimal("0.000001"), ROUND_HALF_EVEN, EXACT)),
            limit_price=None if limit is None else _per_coin(limit, contract.multiplier),
            time=event.time,
        )

    def again(self, row: Row) -> Row:
        """The row of a repetition."""
        original = row.duplicate_of or row.row
        return msgspec.structs.replace(
            row, row=next(self._numbers), outcome=Outcome.DUPLICATE, duplicate_of=original, defect="repeated"
        )

    def relabelled(self, row: Row, defect: str, **changes: str) -> Row:
        """A new row like ``row`` that lands in spite of a peculiarity."""
        return msgspec.structs.replace(row, row=next(self._numbers), defect=defect, **changes)

    def frame(self, venue: str, outcome: Outcome, defect: str) -> Row:
        """The row of a frame, or of a part of one, that is no event."""
        return Row(row=next(self._numbers), outcome=outcome, exchange=venue, defect=defect)


def _per_coin(price: Decimal, multiplier: int) -> str:
    return canonical(EXACT.divide(price, Decimal(multiplier)))
