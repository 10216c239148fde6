"""Contract sizes: what a venue's list says now, on top of a dated snapshot for when it cannot be asked.

A contract in neither is unknown: its liquidations are rejected with that reason and come back through a reparse once
the list is there. A size is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Final

import msgspec

from liq_pipeline.exchanges.base import Contract
from liq_pipeline.liquidation import Market

_SNAPSHOTS: Final = {"okx": "instruments_okx.json"}


class _Snapshot(msgspec.Struct):
    as_of: str
    sources: list[str]
    linear: dict[str, str]
    inverse: dict[str, str]


class StaticInstruments:
    """A dict of contracts by name; the Instruments that adapters ask."""

    def __init__(self, contracts: Mapping[str, Contract] | Iterable[Contract] = ()) -> None:
        listed = contracts.values() if isinstance(contracts, Mapping) else contracts
        self._contracts = {contract.name: contract for contract in listed}

    def get(self, contract: str) -> Contract | None:
        """The contract of this name, or None where its size is unknown."""
        return self._contracts.get(contract)

    def merged(self, contracts: Iterable[Contract]) -> StaticInstruments:
        """These contracts over the ones already known; neither operand changes."""
        return StaticInstruments({**self._contracts, **{contract.name: contract for contract in contracts}})

    def __len__(self) -> int:
        return len(self._contracts)


@lru_cache
def snapshot(exchange: str) -> StaticInstruments:
    """The contract sizes shipped with the package; empty for venues that trade in coins."""
    if exchange not in _SNAPSHOTS:
        return StaticInstruments()
    text = resources.files("liq_pipeline.exchanges").joinpath(_SNAPSHOTS[exchange]).read_bytes()
    listed = msgspec.json.decode(text, type=_Snapshot)
    return StaticInstruments(
        Contract(name, market, Decimal(size))
        for market, sizes in ((Market.LINEAR, listed.linear), (Market.INVERSE, listed.inverse))
        for name, size in sizes.items()
    )
