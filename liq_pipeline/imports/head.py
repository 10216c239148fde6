"""The first lines of a file tell whether it is what it is said to be, before anything of it lands."""

from __future__ import annotations

import itertools
from typing import Final

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.blocks import Position, numbered_lines, read_blocks
from liq_pipeline.imports.formats import recognise
from liq_pipeline.imports.record import Reader
from liq_pipeline.imports.sources import Source

_LINES: Final = 100
"""Enough to tell a wrong ``--format`` or ``--exchange`` from some bad lines."""


def check(source: Source, format_name: str, reader: Reader) -> None:
    """Refuse a file of which nothing is understood, rather than record all of it as rejected rows.

    Raises ImportRefusedError, naming the format the file looks like if there is one.
    """
    head = _first_lines(source)
    records = [(number, reader(text)) for number, text in head]
    rejected = [(number, record.rejections[0].reason) for number, record in records if record.rejections]
    understood = [record for _, record in records if record.entries or not record.rejections]
    # A single line with nothing in it is a header, which files of other exchanges, or of trades, have too.
    if not rejected or len(understood) > 1 or any(record.entries or record.elsewhere for record in understood):
        return
    if _recognised(source, format_name, head) is None or len(head) == _LINES:
        number, reason = rejected[0]
        raise ImportRefusedError(
            f"{source.name}: none of the first {len(head)} lines is understood as {format_name}, line {number}: "
            f"{reason}; check --format, --exchange and --market"
        )


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
