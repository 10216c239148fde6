import gzip
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import sources
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.sources import Source

TEXT = b"".join(b"line %d of a file\n" % number for number in range(200_000))


def _plain(folder: Path) -> Path:
    (folder / "f.csv").write_bytes(TEXT)
    return folder / "f.csv"


def _gzipped(folder: Path) -> Path:
    half = len(TEXT) // 2
    # Two compressed parts one after another are one file, as log rotation and cat make them.
    (folder / "f.csv.gz").write_bytes(gzip.compress(TEXT[:half]) + gzip.compress(TEXT[half:]))
    return folder / "f.csv.gz"


def _zipped(folder: Path, members: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(folder / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members or {"f.csv": TEXT}).items():
            archive.writestr(name, content)
    return folder / "f.zip"


def _gzip_in_a_zip(folder: Path) -> Path:
    return _zipped(folder, {"f.csv.gz": gzip.compress(TEXT)})


def _read(source: Source) -> bytes:
    with source.open() as opened:
        return opened.file.read()


def _names(path: Path, format_: str | None = "forceorder_csv") -> list[str]:
    return [found.name for found in sources.find(path, format_ and FORMATS[format_])]


@pytest.mark.parametrize("pack", [_plain, _gzipped, _zipped, _gzip_in_a_zip])
def test_the_text_is_read_whatever_it_is_packed_in_and_consumed_rises_to_the_size_on_disk(
    tmp_path: Path, pack: Callable[[Path], Path]
) -> None:
    (source,) = sources.find(pack(tmp_path), FORMATS["forceorder_csv"])
    seen, text = [0], b""
    with source.open() as opened:
        while block := opened.file.read(100_000):
            text += block
            seen.append(opened.consumed())
    assert text == TEXT
    assert seen == sorted(seen)
    assert seen[-1] == source.size
    assert source.size <= source.path.stat().st_size


def test_packing_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    _gzipped(tmp_path).rename(tmp_path / "f.csv")
    assert _read(Source(tmp_path / "f.csv", 1)) == TEXT


def test_a_folder_is_searched_at_any_depth_sorted_and_holds_what_ends_as_the_formats_files_do(tmp_path: Path) -> None:
    for name in (
        "b/2.csv.gz",
        "b/1.CSV",
        "a.csv",
        "notes.txt",
        "a.csv.CHECKSUM",
        "x.jsonl",
        ".hidden.csv",
        ".git/c.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"text")
    _zipped(tmp_path, {"z/2.csv": b"", "z/1.csv": b"", "z/readme.txt": b"", "__MACOSX/z/._1.csv": b"", "z/.DS": b""})
    csv = ["a.csv", "b/1.CSV", "b/2.csv.gz", "f.zip/z/1.csv", "f.zip/z/2.csv"]
    assert _names(tmp_path) == [f"{tmp_path}/{name}" for name in csv]
    assert _names(tmp_path, None) == [f"{tmp_path}/{name}" for name in [*csv, "x.jsonl"]]


def test_links_to_folders_are_followed_and_those_that_lead_back_are_not(tmp_path: Path) -> None:
    inside, elsewhere = tmp_path / "inside", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.csv").write_bytes(b"text")
    (inside / "b.csv").write_bytes(b"text")
    (inside / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(inside)
    assert _names(inside) == [f"{inside}/b.csv", f"{inside}/linked/a.csv"]


def test_a_file_and_a_zips_only_member_count_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "recording.of.mine").write_bytes(TEXT)
    assert _names(tmp_path / "recording.of.mine") == [f"{tmp_path}/recording.of.mine"]
    assert _names(_zipped(tmp_path, {"strange": b"x"})) == [f"{tmp_path}/f.zip/strange"]


def test_a_folder_or_zip_with_nothing_of_the_kind_is_refused_with_the_endings_that_count(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text")
    with pytest.raises(ImportRefusedError, match=r"holds no file of the kind: names end in \.jsonl or \.ndjson"):
        sources.find(tmp_path, FORMATS["frames"])
    with pytest.raises(ImportRefusedError, match=r"f\.zip holds no file of the kind"):
        sources.find(_zipped(tmp_path, {"a.txt": b"", "b.txt": b""}), FORMATS["frames"])


def test_a_source_goes_to_another_process(tmp_path: Path) -> None:
    (source,) = sources.find(_zipped(tmp_path))
    assert _read(pickle.loads(pickle.dumps(source))) == TEXT


def test_the_digest_is_of_what_the_file_holds_and_of_the_member(tmp_path: Path) -> None:
    members = {"1.csv": b"same", "2.csv": b"same"}
    first, second = (source.digest() for source in sources.find(_zipped(tmp_path, members)))
    assert first != second
    (tmp_path / "f.zip").rename(tmp_path / "renamed.zip")
    assert [source.digest() for source in sources.find(tmp_path / "renamed.zip")] == [first, second]
    plain = _plain(tmp_path)
    assert Source(plain, 1).digest() == hashlib.sha256(TEXT).hexdigest()
    plain.write_bytes(b"changed")
    assert Source(plain, 1).digest() == hashlib.sha256(b"changed").hexdigest()


def test_a_checksum_beside_the_file_is_held_against_it(tmp_path: Path) -> None:
    path = _zipped(tmp_path)
    (source,) = sources.find(path)
    source.verify()
    checksum = tmp_path / "f.zip.CHECKSUM"
    checksum.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  f.zip\n")
    source.verify()
    checksum.write_text(f"{'0' * 64}  f.zip\n")
    with pytest.raises(ImportRefusedError, match=r"f\.zip is damaged: its SHA-256 is .*CHECKSUM says 0000"):
        source.verify()
    checksum.write_text("<Error>NoSuchKey</Error>")
    with pytest.raises(ImportRefusedError, match="does not begin with a SHA-256; download it again, or remove it"):
        source.verify()


@pytest.mark.parametrize("pack", [_gzipped, _zipped])
def test_a_damaged_archive_is_refused_by_name_when_the_damage_is_reached(
    tmp_path: Path, pack: Callable[[Path], Path]
) -> None:
    path = pack(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    (source,) = sources.find(path)
    with pytest.raises(ImportRefusedError, match=r"f\.\S+ is damaged after [\d,]+ bytes of text: .*download it again"):
        _read(source)


def test_a_file_that_ends_too_soon_is_refused(tmp_path: Path) -> None:
    path = _gzipped(tmp_path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImportRefusedError, match=r"f\.csv\.gz is damaged after"):
        _read(Source(path, 1))
    archive = _zipped(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(ImportRefusedError, match=r"f\.zip is damaged: .*; download it again"):
        sources.find(archive)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x28\xb5\x2f\xfdrest", "zstd-compressed"),
        # Without the time of packing, which would give each test process other names for the same tests.
        (gzip.compress(b"PK\x03\x04rest", mtime=0), "a zip archive"),
        (gzip.compress(b"\x1f\x8brest", mtime=0), "gzip-compressed"),
        ("symbol,side".encode("utf-16"), "UTF-16 text"),
        (bytes(range(9)) * 3 + b"\0" * 9, "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_its_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ImportRefusedError, match=f"f is {kind}; unpack or convert"):
        _read(Source(tmp_path / "f", 1))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = _zipped(tmp_path, {"f.csv": b"text"})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    (source,) = sources.find(path)
    with pytest.raises(ImportRefusedError, match=r"f\.zip/f\.csv is encrypted; unpack it first"):
        _read(source)


def test_what_cannot_be_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="nowhere does not exist; name the file to import"):
        sources.find(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImportRefusedError, match="pipe is a pipe or device; write what comes from it to a file first"):
        sources.find(tmp_path / "pipe")
    with pytest.raises(ImportRefusedError, match="is a directory"):
        _read(Source(tmp_path, 1))
