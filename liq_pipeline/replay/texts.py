"""The lines of many files by position: plain files where they lie, compressed ones unpacked into a temporary file."""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from liq_pipeline.errors import ReplayError
from liq_pipeline.imports.blocks import CUT_BYTES
from liq_pipeline.imports.lines import MAX_LINE, Line, bare, read_lines
from liq_pipeline.imports.sources import Source

ENDLESS: Final = MAX_LINE + 1
"""The size of a line that is too long to be one."""

_OPEN_FILES: Final = 64
_GZIP: Final = b"\x1f\x8b"


class Place(NamedTuple):
    """Where a line is: in which source, from which byte on, and how many bytes (ENDLESS: too many)."""

    source: int
    start: int
    size: int


class Texts:
    """Reads the lines of ``sources`` once in order, then those that were kept at will. To be closed."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._plain = [_is_plain(source) for source in sources]
        self._spool = tempfile.TemporaryFile(prefix="liq-replay-")  # noqa: SIM115 - closed by close
        self._open: OrderedDict[int, int] = OrderedDict()

    def close(self) -> None:
        self._spool.close()
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def lines(self, source: int) -> Iterator[tuple[Line, int, int]]:
        """Each line with the byte it may start at, and how many bytes on disk were read by then."""
        start = 0
        with self._sources[source].open() as opened:
            for line in read_lines(opened.file):
                yield line, start, opened.consumed()
                start = line.end

    def keep(self, source: int, line: Line, start: int) -> Place:
        """Make it possible to read a line again; of one that is too long, its first CUT_BYTES bytes."""
        size = ENDLESS if line.too_long else min(line.end - start, ENDLESS - 1)
        if self._plain[source]:
            return Place(source, start, size)
        text = line.text[:CUT_BYTES] if line.too_long else line.text
        place = Place(source, self._spool.tell(), ENDLESS if line.too_long else len(text))
        self._spool.write(text)
        return place

    def text(self, place: Place) -> bytes:
        """A line that was kept, without its end; raises ReplayError if its file was changed meanwhile."""
        if self._plain[place.source]:
            descriptor = self._descriptor(place.source)
        else:
            self._spool.flush()
            descriptor = self._spool.fileno()
        size = CUT_BYTES if place.size == ENDLESS else place.size
        text = os.pread(descriptor, size, place.start)
        if len(text) < size:
            name = self._sources[place.source].name
            raise ReplayError(f"{name} became shorter while it was replayed: copy it, and replay the copy")
        return bare(text, first=place.start == 0)

    def _descriptor(self, source: int) -> int:
        descriptor = self._open.pop(source, None)
        if descriptor is None:
            path = self._sources[source].path
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise ReplayError(f"{path} cannot be read any more: {error.strerror}") from None
        self._open[source] = descriptor
        if len(self._open) > _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])
        return descriptor


def _is_plain(source: Source) -> bool:
    with source.open(), source.path.open("rb") as file:
        return source.member is None and file.read(len(_GZIP)) != _GZIP
