"""Finding the archive's files."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from liq_pipeline.archive.scan import of_day, scan
from liq_pipeline.errors import SettingsError
from liq_pipeline_tests.archive.test_layout import PLACES


def put(root: Path, path: str, text: str = "x", modified: float | None = None) -> Path:
    """A file of the archive, long settled unless ``modified`` (seconds UTC) says otherwise."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (1_700_000_000, 1_700_000_000 if modified is None else modified))
    return file


def test_every_file_is_placed_or_a_problem_in_order_of_path(tmp_path: Path) -> None:
    for path in [*PLACES, "readme.md", "frames/okx/linear/undated.jsonl"]:
        put(tmp_path, path, "four")
    put(tmp_path, f"{next(iter(PLACES))}.CHECKSUM")
    put(tmp_path, "frames/okx/linear/.2026-11-20.jsonl.part")
    put(tmp_path, ".cache/2026-11-20.jsonl")
    found = scan(tmp_path)
    assert [file.path for file in found.files] == sorted(PLACES)
    assert {file.path: file.place for file in found.files} == PLACES
    assert {(file.size, file.modified_ns) for file in found.files} == {(4, 1_700_000_000 * 10**9)}
    assert [problem.path for problem in found.problems] == ["frames/okx/linear/undated.jsonl", "readme.md"]


def test_the_files_of_a_day_are_those_of_the_whole_scan(tmp_path: Path) -> None:
    for path in [*PLACES, "frames/okx/linear/2026-11-20_2026-11-21.jsonl", "frames/okx/linear/.2026-11-20.jsonl"]:
        put(tmp_path, path)
    # A folder that is called like a day is no file of it.
    put(tmp_path, "frames/okx/linear/2026-11-20/2026-11-21.jsonl")
    everything = scan(tmp_path).files
    for day in {file.place.day for file in everything}:
        assert of_day(tmp_path, day) == [file for file in everything if file.place.day == day]
    assert of_day(tmp_path, date(2020, 1, 1)) == []


def test_links_to_folders_are_named_and_not_followed_but_the_archive_may_be_one(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "2026-11-20.jsonl")
    put(tmp_path / "disk", "frames/okx/linear/2026-11-20.jsonl")
    (tmp_path / "disk/frames/bybit").mkdir()
    (tmp_path / "disk/frames/bybit/linear").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "disk/frames/okx/linear/2026-11-21.jsonl").symlink_to(tmp_path / "nowhere")
    root = tmp_path / "archive"
    root.symlink_to(tmp_path / "disk")
    found = scan(root)
    assert [file.path for file in found.files] == ["frames/okx/linear/2026-11-20.jsonl"]
    assert [problem.path for problem in found.problems] == [
        "frames/bybit/linear",
        "frames/okx/linear/2026-11-21.jsonl",
    ]
    assert of_day(root, date(2026, 11, 20)) == found.files
    assert of_day(root, date(2026, 11, 21)) == []


def test_a_name_that_is_no_text_is_a_problem_that_can_be_printed(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"frames/okx/linear/2026-11-20\xff.jsonl"))
    found = scan(tmp_path)
    assert found.files == []
    assert found.problems == [("frames/okx/linear/2026-11-20\\xff.jsonl", "its name is not UTF-8: rename it")]
    assert of_day(tmp_path, date(2026, 11, 20)) == []


def test_a_file_that_changed_just_now_may_still_be_written(tmp_path: Path) -> None:
    put(tmp_path, "frames/okx/linear/2026-11-20.jsonl", modified=2_000_000_000)
    (file,) = scan(tmp_path).files
    assert not file.settled(2_000_000_005)
    assert file.settled(2_000_000_060)
    # A clock that ran ahead must not keep a file out for ever.
    assert file.settled(1_999_999_000)


def test_an_archive_that_is_not_there_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    for look in (scan, lambda root: of_day(root, date(2026, 11, 20))):
        with pytest.raises(SettingsError, match=r"LIQ_ARCHIVE_DIR=.*none is no folder: make or mount it"):
            look(tmp_path / "none")
