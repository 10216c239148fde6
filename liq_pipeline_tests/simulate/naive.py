"""Cascades straight from their definition, as slowly as it reads; and ledger files as plain dictionaries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

WINDOW_MS, MIN_EVENTS, MIN_USD = 60_000, 5, Decimal(100_000)


@dataclass(frozen=True)
class Cascade:
    symbol: str
    start: int
    end: int
    exchanges: frozenset[str]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def landed(ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in ledger if row["outcome"] == "landed"]


def cascades(rows: list[dict[str, Any]]) -> list[Cascade]:
    found = []
    for symbol in sorted({row["symbol"] for row in rows}):
        events = sorted(
            (int(row["time"]), Decimal(row["value_usd"]), str(row["exchange"]))
            for row in rows
            if row["symbol"] == symbol
        )
        spans: list[list[int]] = []
        for time, _, _ in events:
            window = [other for other in events if time - WINDOW_MS < other[0] <= time]
            if len(window) < MIN_EVENTS or sum(value for _, value, _ in window) < MIN_USD:
                continue
            if spans and time - spans[-1][1] < WINDOW_MS:
                spans[-1][1] = time
            else:
                spans.append([window[0][0], time])
        for start, end in spans:
            venues = frozenset(venue for time, _, venue in events if start <= time <= end)
            found.append(Cascade(symbol, start, end, venues))
    return found
