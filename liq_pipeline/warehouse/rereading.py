"""Landed or rejected, read again by today's parsers: frames by the venues' adapters, archive rows by their formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from liq_pipeline import exchanges
from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges.base import FrameKind, Instruments, Rejection
from liq_pipeline.exchanges.frames import UNREADABLE
from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.record import Format, Origin, Reader, Record, feed_of
from liq_pipeline.imports.window import Window
from liq_pipeline.liquidation import Market, Source, in_the_future
from liq_pipeline.streams import Entry

_FRAMES: Final = "frames"
_IMPORT: Final = "import:"


class Stored(NamedTuple):
    """Something kept, and what was kept of its origin. ``received_at`` is UTC milliseconds.

    ``market`` and ``contract`` are None where the origin did not say.
    """

    exchange: str
    market: Market | None
    contract: str | None
    source: str
    ordinal: int
    received_at: int
    data: bytes


class _Named(msgspec.Struct):
    format: str = ""


class Rereader:
    """Reads again. ``instruments`` gives an exchange's contract sizes; ``symbols`` are those feeds collect, or all."""

    def __init__(self, instruments: Callable[[str], Instruments], symbols: Sequence[str] = ()) -> None:
        self._instruments = instruments
        self._symbols = symbols
        self._readers: dict[tuple[str, bool, str, Market, str | None], Reader | None] = {}

    def landed(self, row: Stored) -> Record:
        """What a row's ``raw_data`` is today; its entries are received and from where the row was."""
        assert row.market is not None
        if (format_ := _format_of(row)) is not None:
            reader = self._reader(format_, row, row.market, stored=True)
            record = reader(row.data) if reader else Record()
        else:
            record = self._frame(row, row.market)
        return record._replace(entries=[_again(entry, row) for entry in record.entries])

    def rejected(self, row: Stored) -> Record:
        """What a rejected frame or line is today: of its feed's market if known, or of any that understands it.

        Empty if it is understood and holds nothing to land.
        """
        records = []
        # A line is kept as rejected once, by the first import of whichever market.
        imported = row.source.startswith(_IMPORT)
        for market in Market if row.market is None or imported else (row.market,):
            format_ = _format_of(row)
            if format_ is None and not imported:
                records.append(self._wanted(self._frame(row, market), row, market))
                continue
            # A line as it was in the file, unless it is a row that was already read once and then refused.
            stored = format_ is not None and row.data.startswith(b"{")
            if reader := self._reader(format_ or format_named(_FRAMES), row, market, stored=stored):
                record = reader(row.data)
                entries = [entry._replace(source=row.source) for entry in record.entries]
                records.append(record._replace(entries=entries))
        understood = [record for record in records if not record.rejections or record.entries]
        best = max(understood or records, key=lambda record: len(record.entries), default=None)
        if best is None:
            return Record(rejections=(Rejection("nothing of today reads it", row.data),))
        return best._replace(entries=[entry for record in records for entry in record.entries])

    def _frame(self, row: Stored, market: Market) -> Record:
        adapter = exchanges.adapter(feed_of(row.exchange, market))
        instruments = self._instruments(row.exchange)
        try:
            parsed = adapter.parse(row.data, instruments, ordinal=row.ordinal)
        except Exception as error:
            # As while collecting: a parser with a defect keeps the frame for the day it is mended, and stops nothing.
            return Record((), [Rejection(f"the parser failed: {type(error).__name__}: {error}", row.data)])
        entries = [Entry(item.liquidation, row.received_at, row.source, item.raw) for item in parsed.landed]
        if parsed.kind in (FrameKind.INVALID, FrameKind.REFUSED):
            return Record((), parsed.rejections)
        return Record(entries, parsed.rejections)

    def _wanted(self, record: Record, row: Stored, market: Market) -> Record:
        """What the feed would have landed, of all its topic carried."""
        adapter = exchanges.adapter(feed_of(row.exchange, market))
        symbols = () if row.source == Source.REPLAY else self._symbols
        entries = [entry for entry in record.entries if adapter.wants(entry.liquidation, symbols)]
        return record._replace(entries=entries)

    def _reader(self, format_: Format, row: Stored, market: Market, *, stored: bool) -> Reader | None:
        key = (format_.name, stored, row.exchange, market, row.contract)
        if key not in self._readers:
            origin = Origin(row.exchange, market, self._instruments(row.exchange), row.contract)
            try:
                self._readers[key] = (format_.rereader if stored else format_.reader)(origin)
            except ImportRefusedError:
                self._readers[key] = None
        return self._readers[key]


def unfit(entry: Entry, window: Window) -> str | None:
    """Why an entry's time may not be landed, with the fix; None if it may."""
    time = entry.liquidation.time
    return in_the_future(time, window.now) or window.refusal(time)


def _format_of(row: Stored) -> Format | None:
    """The archive format of a row, whether imported or replayed; None for a venue's frame."""
    if row.source in exchanges.HISTORY_SOURCES:
        return None
    name = row.source.removeprefix(_IMPORT) if row.source.startswith(_IMPORT) else ""
    if not name and b'"format"' in row.data:
        try:
            name = msgspec.json.decode(row.data, type=_Named).format
        except UNREADABLE:
            name = ""
    return format_named(name) if name not in ("", _FRAMES) else None


def _again(entry: Entry, row: Stored) -> Entry:
    return entry._replace(received_at=row.received_at, source=row.source, raw=row.data)
