"""Lines of characters: words from anywhere, bars, and columns beside each other, all of a width that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from liq_pipeline.plots.palette import OF_SIDE

LEFT: Final = "<"
RIGHT: Final = ">"
_SIDES: Final = {"LONG": ("█", "#"), "SHORT": ("▒", "=")}


@dataclass(frozen=True)
class Ink:
    """What lines are made of; ``is_ascii`` where the terminal has no other characters."""

    is_ascii: bool = False

    def text(self, words: str, style: str = "", most: int | None = None) -> Text:
        """Words on one line without what a terminal would obey, cut where they take more than ``most`` cells."""
        clean = "".join(letter if letter.isprintable() else "?" for letter in words)
        if self.is_ascii:
            clean = clean.encode("ascii", "replace").decode()
        text = Text(clean, style, no_wrap=True, end="")
        return text if most is None else self.cut(text, most)

    def cut(self, text: Text, width: int) -> Text:
        """As much of it as fits; what was cut ends in a mark."""
        if text.cell_len <= width:
            return text
        mark = "~" if self.is_ascii else "…"
        cut = text.copy()
        cut.truncate(max(width - 1, 0), overflow="crop")
        # A character of two cells may have left one free.
        return cut.append(mark[: max(width - cut.cell_len, 0)])

    def bar(self, side: str, value: Decimal, most: Decimal, width: int) -> Text:
        """``value`` of ``most`` in the glyph of a side, ``width`` cells for all; what is there at all shows."""
        return self._cells(side, _share(value, most, width))

    def bars(self, long: Decimal, short: Decimal, most: Decimal, width: int) -> Text:
        """Both sides behind each other, ``width`` cells, two at least, for ``most`` of both."""
        cells = _share(long + short, most, width)
        if not (long and short):
            return self._cells("LONG" if long else "SHORT", cells)
        cells = max(cells, 2)
        first = max(min(round(cells * long / (long + short)), cells - 1), 1)
        return self._cells("LONG", first).append_text(self._cells("SHORT", cells - first))

    def _cells(self, side: str, count: int) -> Text:
        return self.text(_SIDES[side][self.is_ascii] * count, OF_SIDE[side])

    def columns(self, rows: Sequence[Sequence[Text]], alignment: str) -> list[Text]:
        """Cells beside each other, each column as wide as its widest; ``alignment`` has LEFT or RIGHT for each."""
        widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
        return [self.beside(row, widths, alignment) for row in rows]

    def beside(self, cells: Sequence[Text], widths: Sequence[int], alignment: str) -> Text:
        """One line of cells that have these widths, one blank between them."""
        line = Text(no_wrap=True, end="")
        for number, (cell, width, side) in enumerate(zip(cells, widths, alignment, strict=True)):
            blanks = " " * max(width - cell_len(cell.plain), 0)
            line.append(" " if number else "")
            line.append(blanks if side == RIGHT else "")
            line.append_text(cell)
            line.append(blanks if side == LEFT else "")
        return line


def _share(value: Decimal, most: Decimal, width: int) -> int:
    """How many of ``width`` cells ``value`` takes of ``most``, one at least if it is anything."""
    return max(min(round(width * value / most), width), 1) if value and most else 0
