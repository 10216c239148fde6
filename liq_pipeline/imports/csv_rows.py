"""What formats of comma-separated text share: a line is a row of named texts, and so is what is stored of it.

A format's row is a tagged struct of texts, in the order of its columns. ``raw_data`` is that struct as JSON, with the
format's name first, so that a stored row can be read again however it was landed. No format here quotes its fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges.base import Rejection
from liq_pipeline.exchanges.frames import UNREADABLE
from liq_pipeline.imports.record import Reader, Record

RowT = TypeVar("RowT", bound=msgspec.Struct)
Build = Callable[[RowT], Record]
"""Understands a row, or raises InvalidLiquidationError."""

encode = msgspec.json.Encoder().encode
"""A row as ``raw_data``."""


def reader(
    row: type[RowT],
    build: Build[RowT],
    *,
    exact: bool = True,
    is_header: Callable[[bytes], bool] = lambda line: False,
) -> Reader:
    """The reader of lines of rows. A header is no row; columns beyond those of ``row`` are ignored unless ``exact``."""
    name, columns = str(row.__struct_config__.tag), len(row.__struct_fields__)
    most = -1 if exact else columns

    def parse(line: bytes) -> RowT | None:
        if is_header(line):
            return None
        try:
            values = line.decode().split(",", most)
        except UnicodeDecodeError as error:
            raise InvalidLiquidationError(f"byte {line[error.start]:#04x} at {error.start} is not UTF-8") from None
        if len(values) < columns or (exact and len(values) > columns):
            raise InvalidLiquidationError(
                f"{len(values)} columns where {name} has {'' if exact else 'at least '}{columns}"
            )
        if b"\0" in line:
            raise InvalidLiquidationError("the row holds a NUL character")
        if b" " in line or b"\t" in line:
            values = [value.strip() for value in values]
        return row(*values[:columns])

    return _reader(parse, build)


def rereader(row: type[RowT], build: Build[RowT]) -> Reader:
    """The reader of stored rows."""
    name = row.__struct_config__.tag
    decode = msgspec.json.Decoder(row).decode

    def parse(raw: bytes) -> RowT:
        try:
            return decode(raw)
        except UNREADABLE as error:
            raise InvalidLiquidationError(f"raw_data is no row of {name}: {error}") from None

    return _reader(parse, build)


def _reader(parse: Callable[[bytes], RowT | None], build: Build[RowT]) -> Reader:
    def read(line: bytes) -> Record:
        try:
            row = parse(line)
            return Record() if row is None else build(row)
        except InvalidLiquidationError as error:
            return Record(rejections=(Rejection(str(error), line),))

    return read
