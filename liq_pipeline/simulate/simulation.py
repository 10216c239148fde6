"""A whole simulation: every venue's frames in order of arrival, with the ledger rows they mean, as files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.defects import with_defects
from liq_pipeline.simulate.frames import dumps, encode
from liq_pipeline.simulate.ledger import Ledger, Line, Outcome
from liq_pipeline.simulate.market import DEFAULT_START_MS, generate

LEDGER_FILE: Final = "ledger.jsonl"


@dataclass
class Summary:
    """What was written: events by venue and symbol, rows by outcome, and the files.

    ``first_ms`` and ``last_ms`` are the times of the first and last landed event, None if there was none.
    """

    files: dict[str, Path]
    venues: Counter[str] = field(default_factory=Counter)
    symbols: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    first_ms: int | None = None
    last_ms: int | None = None


def simulate(
    events: int, seed: int, start_ms: int = DEFAULT_START_MS, *, throttle: bool = False, defects: bool = False
) -> Iterator[Line]:
    """The frames that tell of ``events`` true liquidations. The same arguments give the same bytes."""
    ledger = Ledger()
    lines = ledger.lines(encode(islice(generate(seed, start_ms), events), seed, throttle))
    return with_defects(lines, ledger, seed) if defects else lines


def write(lines: Iterator[Line], out: Path, progress: Callable[[int], None] = lambda landed: None) -> Summary:
    """Write ``<venue>.jsonl`` for every venue and the ledger into the folder ``out``, replacing what was there.

    Every line is ``{"received_at": ms, "frame": …}``: the frame as the venue sent it if it is a JSON object,
    otherwise its text as a JSON string. ``progress`` is told how many events each frame held.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {venue: out / f"{venue}.jsonl" for venue in VENUES} | {"ledger": out / LEDGER_FILE}
    summary = Summary(files)
    numbers = Counter[str]()
    with ExitStack() as stack:
        opened = {name: stack.enter_context(path.open("w", encoding="utf-8")) for name, path in files.items()}
        for line in lines:
            numbers[line.venue] += 1
            opened[line.venue].write(recorded(line) + "\n")
            for row in line.rows:
                if row.outcome is not Outcome.SUPPRESSED:
                    row = msgspec.structs.replace(row, line=numbers[line.venue], received_at=line.received_at)
                opened["ledger"].write(msgspec.json.encode(row).decode() + "\n")
                summary.outcomes[row.outcome] += 1
                if row.outcome is Outcome.LANDED and row.symbol is not None and row.time is not None:
                    summary.venues[row.exchange] += 1
                    summary.symbols[row.symbol] += 1
                    summary.first_ms = row.time if summary.first_ms is None else min(summary.first_ms, row.time)
                    summary.last_ms = row.time if summary.last_ms is None else max(summary.last_ms, row.time)
            progress(sum(row.outcome in (Outcome.LANDED, Outcome.SUPPRESSED) for row in line.rows))
    return summary


def recorded(line: Line) -> str:
    """The line of a ``frames`` recording that holds this frame."""
    frame = line.text if _is_object(line.text) else dumps(line.text)
    return f'{{"received_at":{line.received_at},"frame":{frame}}}'


def _is_object(text: str) -> bool:
    def no_constants(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(text, parse_constant=no_constants), dict)
    except ValueError:
        return False
