"""Where a report is written: whole or not at all, and only when it is new."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from liq_pipeline import report
from liq_pipeline.errors import ReportError
from liq_pipeline.report import file
from liq_pipeline.settings import Settings

DAY = date(2025, 12, 10)


def test_a_report_lies_below_the_home_unless_a_folder_is_named(tmp_path: Path) -> None:
    assert report.path_of(Settings(home=tmp_path), DAY) == tmp_path / "reports/2025/12/2025-12-10.html"
    assert report.path_of(Settings(report_dir=tmp_path / "here"), DAY) == tmp_path / "here/2025/12/2025-12-10.html"


def test_a_page_that_is_there_already_is_left_alone_and_another_takes_its_place(tmp_path: Path) -> None:
    settings, path = Settings(report_dir=tmp_path), tmp_path / "2025/12/2025-12-10.html"
    assert report.write(settings, DAY, "one — 一")
    os.utime(path, (1, 1))
    assert not report.write(settings, DAY, "one — 一")
    assert path.stat().st_mtime == 1
    assert report.write(settings, DAY, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named_with_the_setting_and_the_fix(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(ReportError, match=r"LIQ_REPORT_DIR=.*taken: .* cannot be written: .*set LIQ_REPORT_DIR"):
        report.write(Settings(report_dir=tmp_path / "taken"), DAY, "page")


def test_a_disk_that_fills_up_leaves_the_report_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(report_dir=tmp_path)
    report.write(settings, DAY, "one")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.os, "fsync", full)
    with pytest.raises(ReportError, match="No space left on device"):
        report.write(settings, DAY, "two")
    assert (tmp_path / "2025/12/2025-12-10.html").read_text() == "one"
    assert [path.name for path in (tmp_path / "2025/12").iterdir()] == ["2025-12-10.html"]
