"""``import_files``: which files were brought in, and how far.

Written in the transaction that lands the rows, so that what it says is done is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

from psycopg.types.json import Jsonb

from liq_pipeline.imports.blocks import Position
from liq_pipeline.imports.sources import Source
from liq_pipeline.liquidation import PARSER_VERSION, Market
from liq_pipeline.warehouse.connection import Connection

_FIND: Final = "SELECT done_bytes, done_lines, counts FROM import_files WHERE file_key = %s AND completed_at IS NULL"
_DAYS: Final = "days"
_RECORD: Final = """
INSERT INTO import_files AS known
    (file_key, path, format, exchange, market, contract, size_bytes, done_bytes, done_lines, counts, completed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END)
ON CONFLICT (file_key) DO UPDATE SET
    path = excluded.path,
    done_bytes = greatest(known.done_bytes, excluded.done_bytes),
    done_lines = greatest(known.done_lines, excluded.done_lines),
    counts = excluded.counts,
    completed_at = coalesce(excluded.completed_at, known.completed_at)"""


class File(NamedTuple):
    """A source, and what it is read as."""

    source: Source
    format_name: str
    exchange: str
    market: Market
    contract: str | None

    def key(self) -> str:
        """The same for the same content read in the same way, wherever it lies."""
        read_as = (self.format_name, self.exchange, self.market, self.contract or "", str(PARSER_VERSION))
        text = "\x1f".join((self.source.digest(), *read_as))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Done(NamedTuple):
    """How far a file is landed, and what became of its rows until there; ``days`` are those they are of."""

    position: Position = Position()
    counts: Mapping[str, int] = {}
    days: frozenset[date] = frozenset()


def interrupted(connection: Connection, key: str) -> Done:
    """How far an import came that did not complete: where the next one goes on.

    A complete one is read again from the start, as rows may have gone since. So is one that left rows aside, as what
    was in their way may have changed.
    """
    row = connection.execute(_FIND, (key,)).fetchone()
    if row is None or row[2].get("refused"):
        return Done()
    offset, lines, counts = row
    days = frozenset(map(date.fromisoformat, counts.pop(_DAYS, ())))
    return Done(Position(offset, lines), counts, days)


def record(connection: Connection, key: str, file: File, done: Done, *, complete: bool) -> None:
    """Note how far a file is landed; two imports of one file at once note the further one."""
    source, position = file.source, done.position
    connection.execute(
        _RECORD,
        (
            key,
            source.name,
            *file[1:],
            source.size,
            position.offset,
            position.lines,
            Jsonb({**done.counts, _DAYS: sorted(map(date.isoformat, done.days))}),
            complete,
        ),
    )
