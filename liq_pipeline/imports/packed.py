"""Files as the text they hold: gzip and zip are told by their first bytes, and every damage is said in words.

All functions raise ImportRefusedError, with the fix, for what cannot be opened or holds no text.
"""

from __future__ import annotations

import gzip
import io
import stat
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from liq_pipeline.errors import ImportRefusedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER: Final = 2**20
_HEAD: Final = 4096
_MOST_TIMES: Final = 200
"""Bytes of text per byte on disk. Archives of liquidations have up to 40, a bomb of one layer a thousand."""
_ALWAYS: Final = 2**30
"""Bytes of text that any file may hold."""
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


class Counted(io.FileIO):
    """A file that counts the bytes read from it, so that progress is known beneath any packing."""

    count = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        size = super().readinto(buffer)
        self.count += size or 0
        return size


def open_file(path: Path) -> Counted:
    """The file's bytes on disk."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImportRefusedError(f"{path} is a directory; name one file in it")
        if not stat.S_ISREG(mode):
            # A pipe would be waited for, and cannot be read twice.
            raise ImportRefusedError(f"{path} is a pipe or device; write what comes from it to a file first")
        return Counted(path)
    except FileNotFoundError:
        raise ImportRefusedError(f"{path} does not exist; name the file to import") from None
    except OSError as error:
        raise ImportRefusedError(f"{path} cannot be read: {error.strerror}; check its permissions") from None


def buffered(raw: io.RawIOBase) -> io.BufferedReader:
    """``raw`` with a buffer large enough that reading lines costs little."""
    return io.BufferedReader(raw, _BUFFER)


def is_zip(path: Path, file: io.BufferedReader) -> bool:
    """Whether a file, opened at its start, is a zip."""
    return _peek(str(path), file).startswith((_ZIP, _EMPTY_ZIP))


def open_zip(path: Path, file: io.BufferedReader) -> zipfile.ZipFile:
    """The zip in an open file."""
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise ImportRefusedError(f"{path} is damaged: {error}; download it again") from None


def open_member(path: Path, member: str, archive: zipfile.ZipFile) -> io.BufferedReader:
    """What a member of a zip holds, unpacked while it is read."""
    name = f"{path}/{member}"
    try:
        size = archive.getinfo(member).compress_size
        return buffered(_Unpacked(name, cast(BinaryIO, archive.open(member)), size))
    except KeyError:
        raise ImportRefusedError(f"{path} no longer holds {member}; import it again") from None
    except RuntimeError:
        raise ImportRefusedError(f"{name} is encrypted; unpack it first") from None
    except NotImplementedError as error:
        raise ImportRefusedError(f"{name} cannot be unpacked: {error}; unpack it first") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise ImportRefusedError(f"{name} is damaged: {error}; download it again") from None


class _Unpacked(io.RawIOBase):
    """What a decompressor gives of ``size`` bytes on disk; damage is said in words that name the file."""

    def __init__(self, name: str, stream: BinaryIO, size: int) -> None:
        self._name = name
        self._stream = stream
        self._most = max(_ALWAYS, _MOST_TIMES * size)
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
        if self._count > self._most:
            raise ImportRefusedError(
                f"{self._name} unpacks to more than {self._most:,} bytes, over {_MOST_TIMES} times what it takes on "
                "disk: no archive of liquidations does; if it is one, unpack it first"
            )
        return len(data)


def open_text(name: str, packed: io.BufferedReader, size: int) -> io.BufferedReader:
    """The text in a file of ``size`` bytes on disk that may be compressed."""
    head = _peek(name, packed)
    if head.startswith(_GZIP):
        packed = buffered(_Unpacked(name, cast(BinaryIO, gzip.GzipFile(fileobj=packed)), size))
        head = _peek(name, packed)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and head.startswith((b"\xff\xfe", b"\xfe\xff")):
        kind = "UTF-16 text"
    if kind is None and head.count(b"\0") > len(head) // 10:
        kind = "binary"
    if kind is not None:
        raise ImportRefusedError(f"{name} is {kind}; unpack or convert it to plain UTF-8 text first")
    return packed


def _peek(name: str, file: io.BufferedReader) -> bytes:
    try:
        return file.peek(_HEAD)[:_HEAD]
    except OSError as error:
        raise ImportRefusedError(f"{name} cannot be read: {error.strerror}; check the disk it is on") from None
