"""Where archives lie: a file, compressed or not, the members of a zip, everything of that in a folder.

A Source is opened as the text it holds, whatever it is packed in: gzip and zip are told by their first bytes, not by
their names. It is small and picklable, so that processes can share the work of many files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import packed
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.record import Format

_PACKINGS: Final = ("", ".gz")
_CHECKSUM: Final = ".CHECKSUM"
"""Beside a file of Binance's archive, with its SHA-256: ``<64 hexadecimal digits>  <name>``."""


class Opened:
    """An open source. ``file`` is its text as bytes, buffered, and can be read once from the start."""

    def __init__(self, file: BinaryIO, raw: packed.Counted, before: int, size: int) -> None:
        self.file = file
        self._raw = raw
        self._before = before
        self._size = size

    def consumed(self) -> int:
        """How many of the source's bytes on disk have been read, for a progress bar; a little ahead of ``file``."""
        return min(self._raw.count - self._before, self._size)


@dataclass(frozen=True)
class Source:
    """One text to import: a file, or a member of a zip. ``size`` is its bytes on disk, compressed or not."""

    path: Path
    size: int
    member: str | None = None

    @property
    def name(self) -> str:
        """What people are shown: the path, with the member of a zip as if it were a folder."""
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """The source, opened for reading.

        Raises ImportRefusedError, with the fix, for what is no text and, while it is read, for a damaged archive.
        """
        with ExitStack() as stack:
            raw = stack.enter_context(packed.open_file(self.path))
            file = stack.enter_context(packed.buffered(raw))
            before = 0
            if self.member is not None:
                archive = stack.enter_context(packed.open_zip(self.path, file))
                # What was read until now is the zip's directory at its end.
                before = raw.count
                file = stack.enter_context(packed.open_member(self.path, self.member, archive))
            yield Opened(packed.open_text(self.name, file, self.size), raw, before, self.size)

    def digest(self) -> str:
        """What the source holds, in hexadecimal: another copy of the same file has the same, whatever its name."""
        digest = _sha256_of(self.path)
        return digest if self.member is None else hashlib.sha256(f"{digest}/{self.member}".encode()).hexdigest()

    def verify(self) -> None:
        """Raise ImportRefusedError unless the file is what a ``.CHECKSUM`` beside it says, if there is one."""
        beside = self.path.with_name(self.path.name + _CHECKSUM)
        try:
            with beside.open(encoding="ascii", errors="replace") as file:
                words = file.read(4096).split()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ImportRefusedError(f"{beside} cannot be read: {error.strerror}; check its permissions") from None
        expected = words[0].lower() if words else ""
        if len(expected) != 64 or not set(expected) <= set("0123456789abcdef"):
            raise ImportRefusedError(f"{beside} does not begin with a SHA-256; download it again, or remove it")
        actual = _sha256_of(self.path)
        if actual != expected:
            raise ImportRefusedError(
                f"{self.path} is damaged: its SHA-256 is {actual}, {beside.name} says {expected}; download both again"
            )


def find(path: Path, format_: Format | None = None) -> list[Source]:
    """The sources of ``path``, sorted by name: itself, the members of a zip, or what a folder holds at any depth.

    Of a folder, and of a zip with several members, those count whose names end as the format's do (any format's, if
    None), packed or not; a file, or a zip's only member, counts whatever it is called. Hidden files never count.
    Raises ImportRefusedError, with the fix, if there is nothing.
    """
    if not path.is_dir():
        return _sources_in(path, format_)
    suffixes = _suffixes(format_)
    endings = (*(suffix + packing for suffix in suffixes for packing in _PACKINGS), ".zip")
    found = [source for file in _files_below(path, endings) for source in _sources_in(file, format_)]
    if not found:
        raise ImportRefusedError(
            f"{path} holds no file of the kind: names end in {_listed(suffixes)}, or these with .gz or .zip; "
            "name the file itself if it is called otherwise"
        )
    return found


def _suffixes(format_: Format | None) -> tuple[str, ...]:
    if format_ is not None:
        return format_.suffixes
    return tuple(dict.fromkeys(suffix for known in FORMATS.values() for suffix in known.suffixes))


def _listed(suffixes: Iterable[str]) -> str:
    return " or ".join(suffixes)


def _files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise ImportRefusedError(f"{error.filename} cannot be read: {error.strerror}; check its permissions")

    def is_new(path: Path) -> bool:
        # A link to a folder above it would be followed for ever.
        status = path.stat()
        known = len(seen)
        seen.add((status.st_dev, status.st_ino))
        return len(seen) > known

    files: list[Path] = []
    seen: set[tuple[int, int]] = set()
    is_new(folder)
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and is_new(Path(parent, name))]
        files += [Path(parent, name) for name in names if _wanted(name, endings)]
    return sorted(files)


def _wanted(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings) and not name.startswith(".")


def _sources_in(path: Path, format_: Format | None) -> list[Source]:
    with packed.open_file(path) as raw, packed.buffered(raw) as file:
        if not packed.is_zip(path, file):
            return [Source(path, os.fstat(raw.fileno()).st_size)]
        with packed.open_zip(path, file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    if len(members) > 1:
        suffixes = _suffixes(format_)
        endings = tuple(suffix + packing for suffix in suffixes for packing in _PACKINGS)
        members = [info for info in members if _wanted(Path(info.filename).name, endings)]
    if not members:
        raise ImportRefusedError(f"{path} holds no file of the kind; name a zip of {_listed(_suffixes(format_))} files")
    return [Source(path, info.compress_size, info.filename) for info in sorted(members, key=lambda info: info.filename)]


def _is_hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in member.split("/"))


def _sha256_of(path: Path) -> str:
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ImportRefusedError(f"{path} cannot be read: {error.strerror}; check its permissions") from None


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    # Keyed by size and time too: a zip's members share one reading of it, a file that changes is read again.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
