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
        events = sorted((row for row in rows if row["symbol"] == symbol), key=lambda row: row["time"])
        spans: list[list[int]] = []
        for event in events:
            window = [other for other in events if event["time"] - WINDOW_MS < other["time"] <= event["time"]]
            if len(window) < MIN_EVENTS or sum(Decimal(other["value_usd"]) for other in window) < MIN_USD:
                continue
            if spans and event["time"] - spans[-1][1] < WINDOW_MS:
                spans[-1][1] = event["time"]
            else:
                spans.append([window[0]["time"], event["time"]])
        for start, end in spans:
            venues = frozenset(row["exchange"] for row in events if start <= row["time"] <= end)
            found.append(Cascade(symbol, start, end, venues))
    return found
