"""A text file as numbered lines, in memory one at a time. What the lines mean is the formats' subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from liq_pipeline.errors import ImportRefusedError

MAX_LINE: Final = 16 * 2**20
"""Bytes. The longest frames of any venue are about 1 MB; beyond this a file simply has no line ends."""

_BOM: Final = b"\xef\xbb\xbf"
_MAGIC: Final = {
    b"\x1f\x8b": "gzip-compressed",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
}


class Line(NamedTuple):
    """A line without its end. ``number`` counts from 1, ``end`` is the file offset of the byte after it."""

    number: int
    text: bytes
    end: int
    too_long: bool = False
    """The line was longer than MAX_LINE, and ``text`` is only its beginning."""


def open_text(path: Path) -> BinaryIO:
    """The file, opened for reading; raises ImportRefusedError, with the fix, for what is no text file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise ImportRefusedError(f"{path} does not exist; name the file to import") from None
    except IsADirectoryError:
        raise ImportRefusedError(f"{path} is a directory; name one file in it") from None
    except OSError as error:
        raise ImportRefusedError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    try:
        head = file.read(4096)
        file.seek(0)
    except OSError as error:
        file.close()
        raise ImportRefusedError(f"{path} cannot be read: {error.strerror}; name a regular file") from None
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        kind = "UTF-16 text"
    if kind is None and head.count(b"\0") > len(head) // 10:
        kind = "binary"
    if kind is not None:
        file.close()
        raise ImportRefusedError(f"{path} is {kind}; unpack or convert it to plain UTF-8 text first")
    return file


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
        if number == 1:
            text = text.removeprefix(_BOM)
        text = text.strip(b" \t\r\n")
        if text:
            yield Line(number, text, offset, too_long)
