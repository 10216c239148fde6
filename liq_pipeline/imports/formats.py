"""The formats `liq import` knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import binance_vision, forceorder_csv, frames, tardis
from liq_pipeline.imports.record import Format

FORMATS: Final = {
    format_.name: format_ for format_ in (frames.FORMAT, binance_vision.FORMAT, tardis.FORMAT, forceorder_csv.FORMAT)
}


def format_named(name: str) -> Format:
    """The format of that name; raises ImportRefusedError listing the known ones."""
    try:
        return FORMATS[name]
    except KeyError:
        raise ImportRefusedError(f"{name!r} is not a known format; use one of: {', '.join(FORMATS)}") from None


def recognise(head: Iterable[bytes]) -> str | None:
    """The format the first lines of a file can only be of, by name; None if none of them tells."""
    texts = list(head)
    votes = {name: sum(map(format_.recognises, texts)) for name, format_ in FORMATS.items()}
    name = max(votes, key=lambda name: votes[name])
    return name if votes[name] else None
