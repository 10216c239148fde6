"""A text as blocks of whole numbered lines: what one process reads and another parses.

A block is small enough that several fit into memory, and large enough to be a transaction of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from liq_pipeline.imports.lines import MAX_LINE, bare

BLOCK_BYTES: Final = 2 * 2**20
BLOCK_LINES: Final = 20_000
"""However short they are: each may become an event, or a rejection."""
CUT_BYTES: Final = 65_536
"""What is kept of a line longer than MAX_LINE."""


class Block(NamedTuple):
    """Whole lines, with their ends. ``first`` is the number of the first one, from 1."""

    text: bytes
    first: int
    lines: int
    end: int
    """Offset in the text after the last line."""
    too_long: bool = False
    """One line longer than MAX_LINE, of which ``text`` is the beginning."""


class Position(NamedTuple):
    """How far a text is done: bytes and lines of it."""

    offset: int = 0
    lines: int = 0


def read_blocks(file: BinaryIO, after: Position) -> Iterator[Block]:
    """The blocks of a text that is opened at its start, from ``after`` on."""
    _skip(file, after.offset)
    offset, first = after.offset, after.lines + 1
    rest = b""
    while chunk := file.read(BLOCK_BYTES):
        rest += chunk
        whole = rest.rfind(b"\n") + 1
        if not whole and len(rest) > MAX_LINE:
            text, more = rest[:CUT_BYTES], _end_of_line(file)
            offset += len(rest) + more
            yield Block(text, first, 1, offset, too_long=True)
            first, rest = first + 1, b""
            continue
        for text in _cut(rest[:whole]) if whole else ():
            block = Block(text, first, text.count(b"\n"), offset + len(text))
            first, offset = first + block.lines, block.end
            yield block
        rest = rest[whole:]
    if rest:
        yield Block(rest, first, 1, offset + len(rest))


def numbered_lines(block: Block) -> Iterator[tuple[int, bytes]]:
    """Number and text of the lines that hold something, CRLF and a byte order mark removed; bytes are not decoded."""
    for number, line in enumerate(block.text.split(b"\n"), block.first):
        if text := bare(line, first=number == 1):
            yield number, text


def _skip(file: BinaryIO, size: int) -> None:
    """Read past what is done; what is compressed cannot be sought in."""
    while size > 0 and (chunk := file.read(min(size, BLOCK_BYTES))):
        size -= len(chunk)


def _end_of_line(file: BinaryIO) -> int:
    """Read to the end of the line; how many bytes that was."""
    size = 0
    while chunk := file.readline(BLOCK_BYTES):
        size += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return size


def _cut(text: bytes) -> Iterator[bytes]:
    """Whole lines in parts of at most BLOCK_LINES."""
    if text.count(b"\n") <= BLOCK_LINES:
        yield text
        return
    lines = io.BytesIO(text).readlines()
    for start in range(0, len(lines), BLOCK_LINES):
        yield b"".join(lines[start : start + BLOCK_LINES])
