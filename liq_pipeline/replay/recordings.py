"""What a recording is: its format, whose it is and of which market. Where a file says so itself, nobody is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, NamedTuple

from liq_pipeline import exchanges
from liq_pipeline.errors import ImportRefusedError, ReplayError
from liq_pipeline.exchanges.base import Instruments
from liq_pipeline.imports.formats import FORMATS, format_named, recognise
from liq_pipeline.imports.lines import read_lines
from liq_pipeline.imports.record import Format, Origin, Reader
from liq_pipeline.imports.sources import Source
from liq_pipeline.liquidation import Market

_HEAD: Final = 10_000
"""Lines looked at: a feed can be quiet for hours and say nothing but, every second, that it is there."""
_CHUNK: Final = 100
"""Lines read in every way at once; the first chunk of which anything is understood decides."""


class Wanted(NamedTuple):
    """What was said of the recordings; None is to be found out."""

    exchange: str | None = None
    market: Market | None = None
    format_name: str | None = None
    contract: str | None = None


class Recording(NamedTuple):
    """A source and how to read it."""

    source: Source
    format: Format
    origin: Origin

    @property
    def kind(self) -> str:
        """In words: ``binance linear, frames``."""
        return f"{self.origin.exchange} {self.origin.market}, {self.format.name}"


class _Candidate(NamedTuple):
    recording: Recording
    reader: Reader


def identify(source: Source, wanted: Wanted, instruments_of: Callable[[str], Instruments]) -> Recording | None:
    """The one way in which a source can be read; None if there is nothing in it.

    ``instruments_of`` gives the contract sizes of an exchange. Raises ReplayError, or ImportRefusedError, naming the
    options to give, if nothing of it is understood or more than one reading is possible.
    """
    with source.open() as opened:
        head = [line.text for line in itertools.islice(read_lines(opened.file), _HEAD)]
    candidates = _candidates(source, head, wanted, instruments_of)
    for start in range(0, len(head), _CHUNK):
        chunk = head[start : start + _CHUNK]
        found = [one.recording for one in candidates if any(one.reader(line).entries for line in chunk)]
        if len(found) == 1:
            return found[0]
        if found:
            kinds = " or ".join(recording.kind for recording in found)
            raise ReplayError(f"{source.name} can be read as {kinds}: say which with --exchange, --market and --format")
    return _without_rows(source, head, candidates)


def _candidates(
    source: Source, head: list[bytes], wanted: Wanted, instruments_of: Callable[[str], Instruments]
) -> list[_Candidate]:
    """Every reading that what was said allows; raises ImportRefusedError if there is none."""
    name = wanted.format_name or recognise(head)
    refusals: list[ImportRefusedError] = []
    candidates = []
    for format_ in FORMATS.values() if name is None else [format_named(name)]:
        contract = format_.contract_in(source.name) if format_.contract_in else None
        for exchange, market in _markets(wanted):
            origin = Origin(exchange, market, instruments_of(exchange), wanted.contract or contract)
            try:
                reader = format_.reader(origin)
            except ImportRefusedError as error:
                refusals.append(error)
            else:
                candidates.append(_Candidate(Recording(source, format_, origin), reader))
    if not candidates:
        raise ImportRefusedError(f"{source.name}: {refusals[0]}")
    return candidates


def _markets(wanted: Wanted) -> list[tuple[str, Market]]:
    known = [(adapter.exchange, adapter.market) for adapter in map(exchanges.adapter, exchanges.FEEDS)]
    return [
        (exchange, market)
        for exchange, market in known
        if wanted.exchange in (None, exchange) and wanted.market in (None, market)
    ]


def _without_rows(source: Source, head: list[bytes], candidates: list[_Candidate]) -> Recording | None:
    """What to make of a source with no rows at its beginning."""
    quiet = [one for one in candidates if not any(one.reader(line).rejections for line in head[:_CHUNK])]
    if quiet and len(head) < _HEAD:
        return None
    if len(candidates) == 1 and quiet:
        return quiet[0].recording
    if len(candidates) == 1:
        rejections = (rejection for line in head for rejection in candidates[0].reader(line).rejections)
        reason = next(rejections).reason
        raise ReplayError(
            f"{source.name}: none of its first {len(head):,} lines is understood as {candidates[0].recording.kind}: "
            f"{reason}; check --exchange, --market and --format"
        )
    raise ReplayError(
        f"{source.name}: none of its first {len(head):,} lines is understood in any format: leave the file out, "
        "or say what it is with --exchange, --market and --format"
    )
