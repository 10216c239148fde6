"""Everything that goes wrong on a wire, planted among good frames and noted in the ledger.

Nothing true is lost: good frames all stay, possibly later, twice, or in company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from liq_pipeline.simulate import peculiar
from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.draws import Draws
from liq_pipeline.simulate.ledger import Ledger, Line, Outcome, Row

_EVERY: Final = 12
"""One frame in so many of a venue gets a defect."""
_NON_ASCII: Final = "币安人生USDT"


def with_defects(lines: Iterable[Line], ledger: Ledger, seed: int) -> Iterator[Line]:
    """``lines`` with defects among them, in order of arrival except where disorder is the defect."""
    venues = {venue: _Venue(venue, ledger, seed) for venue in VENUES}
    for line in lines:
        yield from venues[line.venue].pass_on(line)
    for venue in venues.values():
        yield from venue.rest()


class _Venue:
    def __init__(self, venue: str, ledger: Ledger, seed: int) -> None:
        self._venue = venue
        self._ledger = ledger
        self._draws = Draws(f"defects {venue} {seed}")
        self._kinds = self._all_kinds()
        self._next = 0
        self._held: Line | None = None
        self._echo: list[tuple[int, Line]] = []
        self._count = 0

    def pass_on(self, line: Line) -> Iterator[Line]:
        """The line, after or before whatever defect is due."""
        self._count += 1
        if self._held is not None:
            held, self._held = self._held, None
            # The frame behind overtakes; arrival times stay in order, as a clock would show them.
            yield line
            yield self._arriving(held, line.received_at)
        elif self._draws.chance(1 / _EVERY):
            kind = self._kinds[self._next % len(self._kinds)]
            self._next += 1
            yield from kind(line)
        else:
            yield line
        while self._echo and self._echo[0][0] <= self._count:
            yield self._arriving(self._repeat(self._echo.pop(0)[1]), line.received_at)

    def rest(self) -> Iterator[Line]:
        """What is still held back when the input ends."""
        if self._held is not None:
            yield self._held
        for _, line in self._echo:
            yield self._repeat(line)

    def _all_kinds(self) -> list[Callable[[Line], Iterator[Line]]]:
        kinds: list[Callable[[Line], Iterator[Line]]] = [
            self._repeated,
            self._overtaken,
            self._repeated_later,
            self._truncated,
            self._with_unknown_keys,
            self._refusal,
            lambda line: self._beside(line, "unknown_quote", peculiar.foreign_quote(self._venue, line.text)),
        ]
        if self._venue == "okx":
            kinds.append(lambda line: self._beside(line, "unlisted_contract", peculiar.unlisted(line.text)))
        else:
            kinds.append(self._non_ascii)
        kinds += [self._chatter(text) for text in peculiar.CHATTER[self._venue]]
        kinds += [self._broken_value(name) for name in peculiar.BROKEN_VALUES]
        kinds += [self._missing(name) for name in ("contract", "quantity", "time")]
        kinds += [self._foreign_text(name) for name in peculiar.TEXTS]
        return kinds

    def _repeated(self, line: Line) -> Iterator[Line]:
        yield line
        yield self._repeat(line)

    def _repeated_later(self, line: Line) -> Iterator[Line]:
        self._echo.append((self._count + 25, line))
        yield line

    def _repeat(self, line: Line) -> Line:
        rows = tuple(self._ledger.again(row) for row in line.rows if row.outcome is not Outcome.SUPPRESSED)
        return Line(line.venue, line.received_at, line.text, rows)

    def _overtaken(self, line: Line) -> Iterator[Line]:
        self._held = line
        return iter(())

    def _truncated(self, line: Line) -> Iterator[Line]:
        yield line
        yield self._rejected(line, "truncated", line.text[: self._draws.integer(2, len(line.text) - 1)])

    def _with_unknown_keys(self, line: Line) -> Iterator[Line]:
        yield Line(line.venue, line.received_at, peculiar.with_unknown_keys(self._venue, line.text), line.rows)

    def _non_ascii(self, line: Line) -> Iterator[Line]:
        yield line
        first = line.rows[0]
        # A bundle's price is per coin in the ledger: only a contract of single coins can lend its numbers.
        if first.contract is not None and "1000" not in first.contract:
            row = self._ledger.relabelled(first, "non_ascii_symbol", contract=_NON_ASCII, symbol=_NON_ASCII)
            yield Line(line.venue, line.received_at, peculiar.renamed(self._venue, line.text, _NON_ASCII), (row,))

    def _refusal(self, line: Line) -> Iterator[Line]:
        yield line
        yield self._rejected(line, "refusal", peculiar.REFUSALS[self._venue])

    def _beside(self, line: Line, defect: str, broken: str) -> Iterator[Line]:
        """A broken row: in a frame of its own on Binance, half of the time in the good row's frame elsewhere."""
        if self._venue == "binance" or self._draws.chance(0.5):
            yield line
            yield self._rejected(line, defect, broken)
        else:
            text = peculiar.joined(self._venue, line.text, broken)
            yield Line(line.venue, line.received_at, text, (*line.rows, self._reject_row(defect)))

    def _chatter(self, text: str) -> Callable[[Line], Iterator[Line]]:
        def plant(line: Line) -> Iterator[Line]:
            yield line
            row = self._ledger.frame(self._venue, Outcome.IGNORED, "chatter")
            yield Line(line.venue, line.received_at, text, (row,))

        return plant

    def _broken_value(self, name: str) -> Callable[[Line], Iterator[Line]]:
        field, value = peculiar.BROKEN_VALUES[name]
        return lambda line: self._beside(line, name, peculiar.with_value(self._venue, line.text, field, value))

    def _missing(self, field: str) -> Callable[[Line], Iterator[Line]]:
        return lambda line: self._beside(line, f"missing_{field}", peculiar.without(self._venue, line.text, field))

    def _foreign_text(self, name: str) -> Callable[[Line], Iterator[Line]]:
        def plant(line: Line) -> Iterator[Line]:
            yield line
            yield self._rejected(line, name, peculiar.TEXTS[name])

        return plant

    def _rejected(self, line: Line, defect: str, text: str) -> Line:
        return Line(line.venue, line.received_at, text, (self._reject_row(defect),))

    def _reject_row(self, defect: str) -> Row:
        return self._ledger.frame(self._venue, Outcome.REJECTED, defect)

    @staticmethod
    def _arriving(line: Line, received_at: int) -> Line:
        return Line(line.venue, max(line.received_at, received_at), line.text, line.rows)
