"""Contract sizes by date: what a venue's list was seen to say, on top of a dated snapshot in the package.

A contract in neither is unknown: its liquidations are rejected with that reason and come back through ``liq reparse``
once the list is there. A size is never guessed. Of the time before the first list that names a contract nothing is
known; its size is taken to have been that of the first list, as venues change sizes rarely and announce it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec

from liq_pipeline.exchanges.base import Contract
from liq_pipeline.exchanges.dialects import day_ms
from liq_pipeline.liquidation import Market

_SNAPSHOTS: Final = {"okx": "instruments_okx.json"}


class _Snapshot(msgspec.Struct):
    as_of: str
    sources: list[str]
    linear: dict[str, str]
    inverse: dict[str, str]


class StaticInstruments:
    """Contracts by name and date; the Instruments that adapters ask. Never changes, and can be pickled."""

    def __init__(self, contracts: Iterable[Contract] = ()) -> None:
        dated: dict[str, dict[int, Contract]] = {}
        for contract in contracts:
            dated.setdefault(contract.name, {})[contract.since] = contract
        self._contracts = {name: tuple(sizes[since] for since in sorted(sizes)) for name, sizes in dated.items()}

    def get(self, contract: str, time: int) -> Contract | None:
        """The contract as it was at ``time`` (UTC milliseconds): the latest size since before then, else the earliest.

        None where its size is unknown.
        """
        sizes = self._contracts.get(contract)
        if sizes is None:
            return None
        found = sizes[0]
        for later in sizes[1:]:
            if later.since > time:
                break
            found = later
        return found

    def merged(self, contracts: Iterable[Contract]) -> StaticInstruments:
        """These besides the ones already known, and over those of the same name and time; neither operand changes."""
        known = [contract for sizes in self._contracts.values() for contract in sizes]
        return StaticInstruments([*known, *contracts])

    def news(self, listed: Iterable[Contract], seen_ms: int) -> list[Contract]:
        """What a list says that was not known: contracts new or of another size at ``seen_ms``, dated with it.

        A listed contract that has a date of its own keeps it: that is when a kept list was first seen to say so.
        """
        dated = (contract if contract.since else replace(contract, since=seen_ms) for contract in listed)
        return [contract for contract in dated if not self._says(contract)]

    def _says(self, contract: Contract) -> bool:
        known = self.get(contract.name, contract.since)
        return known is not None and (known.market, known.size) == (contract.market, contract.size)

    def __len__(self) -> int:
        return len(self._contracts)


class Listed(msgspec.Struct):
    """A venue's list as it is kept in Redis, each contract with the time (UTC ms) its size was first seen."""

    fetched_at: int
    contracts: list[Contract]


def read_listed(value: bytes | str | None) -> Listed | None:
    """The list in a value of ``liq:instruments:{feed}``; None if there is none that can be read."""
    try:
        return msgspec.json.decode(value, type=Listed) if value else None
    except msgspec.DecodeError:
        return None


def counts_contracts(exchange: str) -> bool:
    """Whether the venue's sizes are numbers of contracts, so that its adapter asks how large those are."""
    return exchange in _SNAPSHOTS


@lru_cache
def snapshot(exchange: str) -> StaticInstruments:
    """The contract sizes shipped with the package; empty for venues that trade in coins."""
    if exchange not in _SNAPSHOTS:
        return StaticInstruments()
    text = resources.files("liq_pipeline.exchanges").joinpath(_SNAPSHOTS[exchange]).read_bytes()
    listed = msgspec.json.decode(text, type=_Snapshot)
    since = day_ms(listed.as_of)
    return StaticInstruments(
        Contract(name, market, Decimal(size), since)
        for market, sizes in ((Market.LINEAR, listed.linear), (Market.INVERSE, listed.inverse))
        for name, size in sizes.items()
    )
