from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liq_pipeline.imports import lines
from liq_pipeline.imports.lines import Line, read_lines


def _read(path: Path, content: bytes) -> list[Line]:
    path.write_bytes(content)
    with path.open("rb") as file:
        return list(read_lines(file))


def test_byte_order_mark_crlf_and_blank_lines_are_taken_away_and_numbers_stay_the_files_own(tmp_path: Path) -> None:
    read = _read(tmp_path / "f", b"\xef\xbb\xbfone\r\n\r\n  \n\ttwo \r\nlast")
    assert [(line.number, line.text) for line in read] == [(1, b"one"), (4, b"two"), (5, b"last")]
    assert read[-1].end == (tmp_path / "f").stat().st_size


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert _read(tmp_path / "f", b"") == []


def test_bytes_that_are_no_utf8_are_passed_on(tmp_path: Path) -> None:
    assert _read(tmp_path / "f", b"a\xff\xfeb\n")[0].text == b"a\xff\xfeb"


def test_an_endless_line_is_cut_and_the_next_line_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 10)
    read = _read(tmp_path / "f", b"x" * 35 + b"\nnext\n" + b"y" * 10)
    assert [(line.number, line.text, line.too_long) for line in read] == [
        (1, b"x" * 10, True),
        (2, b"next", False),
        (3, b"y" * 10, False),
    ]
    assert read[-1].end == 51


def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 10)
    assert [line.too_long for line in _read(tmp_path / "f", b"123456789\nabcdefghij")] == [False, False]


@given(st.lists(st.binary(min_size=1).filter(lambda text: b"\n" not in text and text.strip(b" \t\r\n") == text)))
def test_lines_survive_the_file(tmp_path_factory: pytest.TempPathFactory, texts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / "f"
    path.write_bytes(b"x\n" + b"\n".join(texts))
    with path.open("rb") as file:
        read = list(read_lines(file))
    assert [line.text for line in read][1:] == texts
