"""The first lines of a file tell whether it is what it is said to be, before anything of it lands."""

from __future__ import annotations

import itertools
from typing import Final

from liq_pipeline import exchanges
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges import instruments
from liq_pipeline.imports.blocks import Position, numbered_lines, read_blocks
from liq_pipeline.imports.formats import FORMATS, recognise
from liq_pipeline.imports.ledger import File
from liq_pipeline.imports.record import Origin, Reader
from liq_pipeline.imports.sources import Source
from liq_pipeline.liquidation import Market

_LINES: Final = 100
"""Enough to tell a wrong ``--format`` or ``--exchange`` from some bad lines."""


def check(file: File, reader: Reader) -> None:
    """Refuse a file of which nothing is understood, rather than record all of it as rejected rows.

    A short one is only refused if it is somebody else's: all its rows of the right kind may be bad, or of contracts
    of a size that is not known yet. Raises ImportRefusedError, naming the format, exchange and market it looks like if
    there are any.
    """
    source, format_name = file.source, file.format_name
    head = _first_lines(source)
    records = [(number, reader(text)) for number, text in head]
    rejected = [(number, record.rejections[0].reason) for number, record in records if record.rejections]
    understood = [record for _, record in records if record.entries or not record.rejections]
    # A single line with nothing in it is a header, which files of other exchanges, or of trades, have too.
    if not rejected or len(understood) > 1 or any(record.entries or record.elsewhere for record in understood):
        return
    recognised = _recognised(source, format_name, head)
    if recognised and (owner := _owner(file, head)):
        exchange, market = owner
        raise ImportRefusedError(
            f"{source.name}: this file looks like {exchange} {market}, not {file.exchange} {file.market}; "
            f"use --exchange {exchange} --market {market}"
        )
    if recognised is None or len(head) == _LINES:
        number, reason = rejected[0]
        raise ImportRefusedError(
            f"{source.name}: none of the first {len(head)} lines is understood as {format_name}, line {number}: "
            f"{reason}; check --format, --exchange and --market"
        )


def _owner(file: File, head: list[tuple[int, bytes]]) -> tuple[str, Market] | None:
    """The exchange and market that understand something of the file."""
    for feed in exchanges.FEEDS:
        adapter = exchanges.adapter(feed)
        origin = Origin(adapter.exchange, adapter.market, instruments.snapshot(adapter.exchange), file.contract)
        try:
            reader = FORMATS[file.format_name].reader(origin)
        except ImportRefusedError:
            continue
        if any(reader(text).entries for _, text in head):
            return adapter.exchange, adapter.market
    return None


def refuse_other(source: Source, format_name: str) -> None:
    """Raise ImportRefusedError if the file can only be of another format, which is named."""
    _recognised(source, format_name, _first_lines(source))


def _first_lines(source: Source) -> list[tuple[int, bytes]]:
    with source.open() as opened:
        blocks = read_blocks(opened.file, Position())
        lines = itertools.chain.from_iterable(numbered_lines(block) for block in blocks)
        return list(itertools.islice(lines, _LINES))


def _recognised(source: Source, format_name: str, head: list[tuple[int, bytes]]) -> str | None:
    """The format the file can only be of; raises ImportRefusedError if that is another."""
    recognised = recognise(text for _, text in head)
    if recognised not in (None, format_name):
        raise ImportRefusedError(f"{source.name}: this file looks like {recognised}, not {format_name}")
    return recognised
