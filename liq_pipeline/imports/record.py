"""What every format turns a line into, and how a format presents itself to the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from liq_pipeline.exchanges.base import Instruments, Rejection
from liq_pipeline.liquidation import Market
from liq_pipeline.streams import Entry


class Record(NamedTuple):
    """Everything one line held. A line with nothing in it is none of a format's rows: an acknowledgement, a pong."""

    entries: Sequence[Entry] = ()
    rejections: Sequence[Rejection] = ()
    received_at: int | None = None
    """UTC milliseconds, where the line says so."""
    elsewhere: int = 0
    """Liquidations of the exchange's other market, which shares a topic with the one asked for."""
    matched: bool = True
    """False where the format lacks a field of the identity, so that its rows cannot be told from another source's."""


class Origin(NamedTuple):
    """What is known of a file's rows before the first is read."""

    exchange: str
    market: Market
    instruments: Instruments
    contract: str | None = None
    """For formats whose rows do not name their contract."""


Reader = Callable[[bytes], Record]
"""Reads one line, without its end. Never raises for bad input."""


@dataclass(frozen=True)
class Format:
    """An archive format."""

    name: str
    recognises: Callable[[bytes], bool]
    """Whether a line can only be of this format: how a file given with the wrong ``--format`` is named."""
    reader: Callable[[Origin], Reader]
    """The reader of lines of a file; raises ImportRefusedError if it has none of that market."""
    rereader: Callable[[Origin], Reader]
    """The reader of what was stored as ``raw_data``: the same rows again, as today's parser understands them."""
    suffixes: tuple[str, ...] = (".csv",)
    """How names of its files end, packed or not, to tell them from others in a folder."""
    contract_in: Callable[[str], str | None] | None = None
    """The contract named by a file's name, for formats whose rows do not name it; None where rows do."""


def source_of(name: str) -> str:
    """The ``source`` column of rows of a format."""
    return f"import:{name}"


def feed_of(exchange: str, market: Market) -> str:
    """The name adapters know a venue's market by."""
    return exchange if market is Market.LINEAR else f"{exchange}:{market}"
