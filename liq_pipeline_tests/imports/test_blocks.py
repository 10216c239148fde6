import io
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.imports import blocks
from liq_pipeline.imports.blocks import Block, Position, numbered_lines, read_blocks


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits small enough to be met."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 20)
    monkeypatch.setattr(blocks, "BLOCK_LINES", 3)
    monkeypatch.setattr(blocks, "MAX_LINE", 50)
    monkeypatch.setattr(blocks, "CUT_BYTES", 10)


def _blocks(text: bytes, after: Position | None = None) -> list[Block]:
    return list(read_blocks(io.BytesIO(text), after or Position()))


def _lines(text: bytes) -> list[tuple[int, bytes]]:
    return list(itertools.chain.from_iterable(map(numbered_lines, _blocks(text))))


def test_byte_order_mark_crlf_and_blank_lines_are_taken_away_and_numbers_stay_the_files_own() -> None:
    assert _lines(b"\xef\xbb\xbfone\r\n\r\n  \n\ttwo \r\nlast") == [(1, b"one"), (4, b"two"), (5, b"last")]


def test_an_empty_text_has_no_blocks() -> None:
    assert _blocks(b"") == []


@pytest.mark.usefixtures("small")
def test_a_block_holds_few_bytes_and_few_lines_however_they_are_shaped() -> None:
    found = _blocks(b"a line of fifteen\n" * 20 + b"\n" * 500)
    assert max(len(block.text) for block in found) < 20 + 18
    assert max(block.lines for block in found) <= 3
    assert found[-1].first + found[-1].lines - 1 == 520


@pytest.mark.usefixtures("small")
def test_an_endless_line_is_cut_and_the_next_line_is_still_found() -> None:
    first, second, third = _blocks(b"x" * 135 + b"\nnext\n" + b"y" * 90)
    assert (first.text, first.first, first.end, first.too_long) == (b"x" * 10, 1, 136, True)
    assert (second.text, second.first, second.end, second.too_long) == (b"next\n", 2, 141, False)
    assert (third.text, third.first, third.end, third.too_long) == (b"y" * 10, 3, 231, True)


@pytest.mark.usefixtures("small")
def test_a_line_of_exactly_the_limit_is_whole() -> None:
    assert [block.too_long for block in _blocks(b"a" * 49 + b"\n" + b"b" * 50)] == [False, False]


_TEXTS = st.lists(st.sampled_from([b"", b" ", b"row", b"a longer row", b"r" * 30, b"\xff\x00"]), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("small")
@given(lines=_TEXTS, ended=st.booleans())
def test_going_on_after_any_block_gives_the_blocks_that_follow(lines: list[bytes], ended: bool) -> None:
    text = b"\n".join(lines) + b"\n" * ended
    found = _blocks(text)
    assert b"".join(block.text for block in found) == text
    assert [number for number, _ in _lines(text)] == [
        number for number, line in enumerate(text.split(b"\n"), 1) if line.strip()
    ]
    for index, block in enumerate(found):
        rest = _blocks(text, Position(block.end, block.first + block.lines - 1))
        assert list(itertools.chain(*map(numbered_lines, rest))) == list(
            itertools.chain(*map(numbered_lines, found[index + 1 :]))
        )
