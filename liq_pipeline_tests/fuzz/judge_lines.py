"""The verdict on what became of lines of an archive: each is accounted for once, and means what it says."""

from __future__ import annotations

from functools import cache
from typing import Any

from liq_pipeline.exchanges import adapter, instruments
from liq_pipeline.imports.blocks import Block
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.lines import bare
from liq_pipeline.imports.reading import Parser, Piece, Reading
from liq_pipeline.imports.record import Origin, Reader
from liq_pipeline.imports.window import Window
from liq_pipeline.liquidation import FUTURE_GRACE_MS
from liq_pipeline.replay.shift import BY_FORMAT
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline_tests.fuzz import naive_files
from liq_pipeline_tests.fuzz.judge import FoundError, columns

NOW = 1_798_761_600_000
"""2027-01-01: later events have not happened yet."""
READ = (
    ("frames", "binance"), ("frames", "bybit"), ("frames", "okx"), ("frames", "okx:inverse"),
    ("binance_vision", "binance:inverse"), ("tardis", "binance"), ("tardis", "bybit"), ("tardis", "okx"),
    ("forceorder_csv", "binance"),
)  # fmt: skip
"""What is read: formats, and the feeds they hold."""


def text(format_name: str, feed: str, lines: bytes) -> tuple[str, list[Entry]]:
    """Parse lines as an import does and judge them; what kind of outcome it is, and the rows.

    Raises FoundError with what is wrong.
    """
    try:
        piece = _parser(format_name, feed).read(_contract(format_name), Block(lines, 1, lines.count(b"\n") + 1, 0))
        FORMATS[format_name].recognises(lines)
        BY_FORMAT[format_name](lines, 86_400_000)
    except Exception as error:
        raise FoundError(f"{format_name} {feed}: {type(error).__name__}: {error}: {lines[:2000]!r}") from error
    try:
        _judge(format_name, feed, lines, piece)
    except AssertionError as error:
        raise FoundError(f"{format_name} {feed}: {error}: {lines[:2000]!r}") from error
    entries = [*piece.matched.entries, *piece.unmatched.entries]
    if piece.account.rejected:
        return ("some rows landed" if entries else "rejected"), entries
    return ("landed" if entries else "elsewhere" if piece.account.elsewhere else "nothing to land"), entries


def _contract(format_name: str) -> str | None:
    return naive_files.VISION_CONTRACT if format_name == "binance_vision" else None


@cache
def _parser(format_name: str, feed: str) -> Parser:
    own = adapter(feed)
    settings = Settings(start_date="2019-01-01", retention_days=0)
    window = Window(settings, NOW)
    return Parser(Reading(format_name, own.exchange, own.market, instruments.snapshot(own.exchange), window))


@cache
def _rereader(format_name: str, feed: str) -> Reader:
    own = adapter(feed)
    origin = Origin(own.exchange, own.market, instruments.snapshot(own.exchange), _contract(format_name))
    return FORMATS[format_name].rereader(origin)


def _judge(format_name: str, feed: str, lines: bytes, piece: Piece) -> None:
    account = piece.account
    expected, rejected, elsewhere, other, unsure, count = [], 0, 0, 0, False, 0
    before: bytes | None = None
    repeatable = False
    for number, raw in enumerate(lines.split(b"\n")):
        if not (line := bare(raw, first=number == 0)):
            continue
        count += 1
        if line == before and repeatable:
            continue
        before, meant = line, naive_files.read(format_name, feed, line)
        ahead = [row for row in meant.rows if row["time"] > NOW + FUTURE_GRACE_MS]
        repeatable = len(meant.rows) == 1 and not (ahead or meant.rejected or meant.elsewhere)
        expected += [row for row in meant.rows if row not in ahead]
        rejected += meant.rejected + len(ahead)
        elsewhere += meant.elsewhere
        other += not (meant.rows or meant.rejected or meant.elsewhere)
        unsure |= meant.unsure
    entries = [*piece.matched.entries, *piece.unmatched.entries]
    assert account.lines == count, f"{count} lines, {account.lines} counted"
    for _, _, (reason, frame), _ in account.rejected:
        assert reason and reason.isascii() and len(reason) < 600 and frame, f"reason {reason[:700]!r}"
    for entry in entries:
        again = _rereader(format_name, feed)(entry.raw).entries
        if format_name != "frames":
            assert [item.liquidation for item in again] == [entry.liquidation], f"raw reads as {again}"
    if unsure:
        assert entries or account.rejected or account.other or account.elsewhere, "nothing became of it"
        return
    landed = sorted((columns(entry.liquidation) for entry in entries), key=_identity)
    assert landed == sorted(expected, key=_identity), f"landed {landed}, meant {expected}, rejected {account.rejected}"
    found = (len(account.rejected), account.elsewhere, account.other)
    assert found == (rejected, elsewhere, other), f"rejected, elsewhere, other: {found}"
    assert not account.refused, f"refused {account.refused}"


def _identity(row: dict[str, Any]) -> tuple[str, int]:
    return row["event_id"], row["time"]
