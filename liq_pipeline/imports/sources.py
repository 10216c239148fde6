"""Where archives lie: a file, compressed or not, the members of a zip, everything of that in a folder.

A Source is opened as the text it holds, whatever it is packed in: gzip and zip are told by their first bytes, not by
their names. It is small and picklable, so that processes can share the work of many files.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.record import Format

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER: Final = 2**20
_HEAD: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_MAGIC: Final = {
    _GZIP: "gzip-compressed",
    _ZIP: "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"\xfd7zXZ\x00": "xz-compressed",
    b"BZh": "bzip2-compressed",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
}
_PACKINGS: Final = ("", ".gz")
_CHECKSUM: Final = ".CHECKSUM"
"""Beside a file of Binance's archive, with its SHA-256: ``<64 hexadecimal digits>  <name>``."""


class Opened:
    """An open source. ``file`` is its text as bytes, buffered, and can be read once from the start."""

    def __init__(self, file: BinaryIO, raw: _Counted, before: int, size: int) -> None:
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
            raw = stack.enter_context(_open(self.path))
            packed: BinaryIO = stack.enter_context(io.BufferedReader(raw, _BUFFER))
            before = 0
            if self.member is not None:
                archive = stack.enter_context(_archive(self.path, packed))
                # What was read until now is the zip's directory at its end.
                before = raw.count
                packed = _buffered(self.name, stack.enter_context(_member(self, archive)))
            yield Opened(_text(self.name, packed), raw, before, self.size)

    def digest(self) -> str:
        """What the source holds, in hexadecimal: another copy of the same file has the same, whatever its name."""
        digest = _sha256_of(self.path)
        return digest if self.member is None else hashlib.sha256(f"{digest}/{self.member}".encode()).hexdigest()

    def verify(self) -> None:
        """Raise ImportRefusedError unless the file is what a ``.CHECKSUM`` beside it says, if there is one."""
        beside = self.path.with_name(self.path.name + _CHECKSUM)
        try:
            with beside.open(encoding="ascii", errors="replace") as file:
                words = file.read(_HEAD).split()
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
    with _open(path) as raw, io.BufferedReader(raw) as file:
        if not _peek(str(path), file).startswith((_ZIP, _EMPTY_ZIP)):
            return [Source(path, os.fstat(raw.fileno()).st_size)]
        with _archive(path, file) as archive:
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


class _Counted(io.FileIO):
    """A file that counts the bytes read from it, so that progress is known beneath any packing."""

    count = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        size = super().readinto(buffer)
        self.count += size or 0
        return size


def _open(path: Path) -> _Counted:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImportRefusedError(f"{path} is a directory; name one file in it")
        if not stat.S_ISREG(mode):
            # A pipe would be waited for, and cannot be read twice.
            raise ImportRefusedError(f"{path} is a pipe or device; write what comes from it to a file first")
        return _Counted(path)
    except FileNotFoundError:
        raise ImportRefusedError(f"{path} does not exist; name the file to import") from None
    except OSError as error:
        raise ImportRefusedError(f"{path} cannot be read: {error.strerror}; check its permissions") from None


def _archive(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise ImportRefusedError(f"{path} is damaged: {error}; download it again") from None


def _member(source: Source, archive: zipfile.ZipFile) -> BinaryIO:
    assert source.member is not None
    try:
        return cast(BinaryIO, archive.open(source.member))
    except KeyError:
        raise ImportRefusedError(f"{source.path} no longer holds {source.member}; import it again") from None
    except RuntimeError:
        raise ImportRefusedError(f"{source.name} is encrypted; unpack it first") from None
    except NotImplementedError as error:
        raise ImportRefusedError(f"{source.name} cannot be unpacked: {error}; unpack it first") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise ImportRefusedError(f"{source.name} is damaged: {error}; download it again") from None


class _Unpacked(io.RawIOBase):
    """What a decompressor gives; damage is said in words that name the file."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self._name = name
        self._stream = stream
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:
            raise ImportRefusedError(
                f"{self._name} is damaged after {self._count:,} bytes of text: {error}; download it again"
            ) from None
        view[: len(data)] = data
        self._count += len(data)
        return len(data)


def _buffered(name: str, stream: BinaryIO) -> BinaryIO:
    return io.BufferedReader(_Unpacked(name, stream), _BUFFER)


def _text(name: str, packed: BinaryIO) -> BinaryIO:
    """The text in a file that may be compressed; raises ImportRefusedError, with the fix, for what holds none."""
    head = _peek(name, packed)
    if head.startswith(_GZIP):
        packed = _buffered(name, cast(BinaryIO, gzip.GzipFile(fileobj=packed)))
        head = _peek(name, packed)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        kind = "UTF-16 text"
    if kind is None and head.count(b"\0") > len(head) // 10:
        kind = "binary"
    if kind is not None:
        raise ImportRefusedError(f"{name} is {kind}; unpack or convert it to plain UTF-8 text first")
    return packed


def _peek(name: str, file: BinaryIO) -> bytes:
    assert isinstance(file, io.BufferedReader)
    try:
        return file.peek(_HEAD)[:_HEAD]
    except OSError as error:
        raise ImportRefusedError(f"{name} cannot be read: {error.strerror}; name a regular file") from None


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
