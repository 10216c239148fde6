"""A block of lines becomes rows ready to land, and an account of every line that did not.

Needs no database, so that processes can do it side by side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from liq_pipeline.exchanges.base import Instruments, Rejection
from liq_pipeline.imports.blocks import CUT_BYTES, Block, numbered_lines
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.lines import MAX_LINE
from liq_pipeline.imports.record import Origin, Reader, Record
from liq_pipeline.imports.window import Window, day_of
from liq_pipeline.liquidation import Market, in_the_future
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.landing import Rows, prepare


class Reading(NamedTuple):
    """How the lines of an import are read, whichever file they are in."""

    format_name: str
    exchange: str
    market: Market
    instruments: Instruments
    window: Window


class Rejected(NamedTuple):
    """What could not be understood, and the line it was in."""

    line: int
    received_at: int
    rejection: Rejection
    ordinal: int = 0
    """That of the liquidation, if it was one."""


@dataclass
class Placed:
    """Entries and the lines they were in; ``repeats`` counts, by position, the lines right after that say the same."""

    entries: list[Entry] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    repeats: Counter[int] = field(default_factory=Counter)


@dataclass
class Account:
    """The lines of a block that are no rows to land."""

    lines: int = 0
    other: int = 0
    elsewhere: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    refused: Counter[date] = field(default_factory=Counter)
    refusals: set[str] = field(default_factory=set)


class Piece(NamedTuple):
    """Everything a block held: entries that have all fields of their identity, those that have not, and the rest."""

    matched: Placed
    unmatched: Placed
    account: Account


class Batch(NamedTuple):
    """Rows ready to land; by position among them their line, their time and how often they are repeated."""

    rows: Rows
    matched: bool
    lines: list[int]
    times: list[int]
    repeats: Counter[int]


class Prepared(NamedTuple):
    """A Piece as it travels from the process that parsed it to the one that lands it."""

    batches: list[Batch]
    account: Account


class Parser:
    """Reads blocks; ``contract`` is the file's, for formats whose rows do not name it."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._readers: dict[str | None, Reader] = {}

    def reader(self, contract: str | None) -> Reader:
        """The reader of a file's lines; raises ImportRefusedError if the format has none of that market."""
        if contract not in self._readers:
            format_name, exchange, market, instruments, _ = self._reading
            origin = Origin(exchange, market, instruments, contract)
            self._readers[contract] = FORMATS[format_name].reader(origin)
        return self._readers[contract]

    def read(self, contract: str | None, block: Block) -> Piece:
        """Parse the lines of a block."""
        return read_block(self.reader(contract), self._reading.window, block)

    def prepare(self, contract: str | None, block: Block) -> Prepared:
        """Parse the lines of a block and make its rows ready to land."""
        piece = self.read(contract, block)
        return Prepared(
            [
                _batch(placed, matched)
                for placed, matched in ((piece.matched, True), (piece.unmatched, False))
                if placed.entries
            ],
            piece.account,
        )


def read_block(reader: Reader, window: Window, block: Block) -> Piece:
    """Parse the lines of a block.

    A line that repeats the one before it is not parsed again: some archives hold every row twice.
    """
    piece = Piece(Placed(), Placed(), Account())
    if block.too_long:
        reason = f"line longer than {MAX_LINE} bytes; its first {CUT_BYTES} are recorded"
        _take(piece, block.first, Record(rejections=(Rejection(reason, block.text),)), window)
        return piece
    before, row_of = b"", None
    for number, text in numbered_lines(block):
        if row_of is not None and text == before:
            piece.account.lines += 1
            row_of.repeats[len(row_of.entries) - 1] += 1
        else:
            before, row_of = text, _take(piece, number, reader(text), window)
    return piece


def _take(piece: Piece, number: int, record: Record, window: Window) -> Placed | None:
    """Put a line's record where it belongs; where its row went if it was one row to land and nothing else."""
    placed, account = piece.matched if record.matched else piece.unmatched, piece.account
    account.lines += 1
    if len(record.entries) == 1 and not record.rejections and not record.elsewhere:
        # Nearly every line there is.
        entry = record.entries[0]
        if window.admits(entry.liquidation.time):
            placed.entries.append(entry)
            placed.lines.append(number)
            return placed
    elif not (record.entries or record.rejections or record.elsewhere):
        account.other += 1
        return None
    received_at = record.received_at or window.now
    account.elsewhere += record.elsewhere
    account.rejected.extend(Rejected(number, received_at, rejection) for rejection in record.rejections)
    for entry in record.entries:
        time = entry.liquidation.time
        if reason := in_the_future(time, window.now):
            ordinal = entry.liquidation.ordinal
            account.rejected.append(Rejected(number, received_at, Rejection(reason, entry.raw), ordinal))
        elif refusal := window.refusal(time):
            account.refused[day_of(time)] += 1
            account.refusals.add(refusal)
        else:
            placed.entries.append(entry)
            placed.lines.append(number)
    return None


def _batch(placed: Placed, matched: bool) -> Batch:
    rows = prepare(placed.entries, matched=matched)
    return Batch(rows, matched, placed.lines, [entry.liquidation.time for entry in placed.entries], placed.repeats)
