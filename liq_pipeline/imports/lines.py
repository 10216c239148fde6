"""A text file as numbered lines, in memory one at a time. What the lines mean is the formats' subject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

MAX_LINE: Final = 16 * 2**20
"""Bytes. The longest frames of any venue are about 1 MB; beyond this a file simply has no line ends."""

_BOM: Final = b"\xef\xbb\xbf"


def bare(line: bytes, *, first: bool) -> bytes:
    """A line without its end, blanks around it, and the byte order mark that the first of a file may have."""
    return (line.removeprefix(_BOM) if first else line).strip(b" \t\r\n")


class Line(NamedTuple):
    """A line without its end. ``number`` counts from 1, ``end`` is the file offset of the byte after it."""

    number: int
    text: bytes
    end: int
    too_long: bool = False
    """The line was longer than MAX_LINE, and ``text`` is only its beginning."""


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """The lines that hold something, CRLF and a byte order mark removed; bytes are not decoded."""
    number, offset = 0, 0
    while chunk := file.readline(MAX_LINE):
        number += 1
        offset += len(chunk)
        text, too_long = chunk, False
        while not chunk.endswith(b"\n") and (chunk := file.readline(MAX_LINE)):
            offset += len(chunk)
            too_long = True
        if text := bare(text, first=number == 1):
            yield Line(number, text, offset, too_long)
