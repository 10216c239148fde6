"""The picture of a moment: it fits, whatever venues call their symbols, and says in words what it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len

from liq_pipeline.top.ink import Ink
from liq_pipeline.top.moment import (
    Cascade,
    Document,
    Feed,
    Large,
    Level,
    LiveView,
    Moment,
    Symbol,
    Tables,
    Venue,
    as_json,
)
from liq_pipeline.top.picture import picture, waiting
from liq_pipeline.top.screen import following

NOW = 1_764_143_412_000
SYMBOLS = ("BTCUSDT", "1000000狗狗币币币币币USDT", "<b>[red]\x1b[2J\n\r:*", "é" * 40)
QUIET = Moment(NOW, LiveView("live", None, NOW, 0, 0, 0, ""))


def busy() -> Document:
    """A moment with more of everything than fits."""
    feeds = [
        Feed(name, state, complete, NOW - 200, NOW - ago, 12_345, 10**9, 10**6, 10**5, error)
        for name, state, complete, ago, error in (
            ("binance", "live", False, 12_000, ""),
            ("binance:inverse", "not collected", False, 90_000_000, ""),
            ("bybit", "live", True, 500, ""),
            ("okx:inverse", "backing_off", False, 700_000, "the server said " + "no " * 50),
        )
    ]
    venues = [
        Venue(exchange, side, 10**7 + number, Decimal(10) ** (4 + 2 * number))
        for number, (exchange, side) in enumerate(
            (e, s) for e in ("binance", "bybit", "okx") for s in ("LONG", "SHORT")
        )
    ]
    largest = [
        Large(
            NOW - 1000 * n,
            "binance",
            SYMBOLS[n % 4],
            ("LONG", "SHORT")[n % 2],
            Decimal("0.00000123"),
            Decimal(1),
            Decimal(10**9 - n),
            "x",
        )
        for n in range(20)
    ]
    levels = [
        Level(Decimal("0.000001") * n, side, 3, Decimal(n * (7 if side == "LONG" else 2)))
        for n in range(1, 200)
        for side in ("LONG", "SHORT")
    ]
    cascades = [
        Cascade(
            SYMBOLS[n % 4],
            "id",
            NOW - 60_000 * n,
            10**6,
            Decimal(10**8),
            Decimal("0.999999"),
            ["binance", "bybit", "okx"],
        )
        for n in range(9)
    ]
    moment = Moment(
        NOW,
        LiveView("reading", NOW - 10_000, NOW, 3, 4, 5, "disk full"),
        feeds,
        venues,
        largest,
        [Symbol(symbol, Decimal(1)) for symbol in SYMBOLS],
        SYMBOLS[1],
        levels,
        cascades,
    )
    return Document("/a/home/" + "far/" * 30, True, moment, Tables(NOW, 3, ["a" * 100], "PostgreSQL is away"))


def words(document: Document, width: int = 80, height: int = 24, *, is_ascii: bool = False) -> list[str]:
    return [line.plain for line in picture(document, Ink(is_ascii), width, height)]


@pytest.mark.parametrize("width", [40, 79, 80, 81, 100, 237])
@pytest.mark.parametrize("height", [8, 24, 25, 60])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_no_line_is_wider_and_there_are_no_more_than_the_terminal_has(width: int, height: int, is_ascii: bool) -> None:
    for document in (busy(), Document("/home", False, QUIET, Tables())):
        lines = words(document, width, height, is_ascii=is_ascii)
        assert max(map(cell_len, lines)) <= width
        assert len(lines) <= height
        assert all(letter.isprintable() for line in lines for letter in line)
        if is_ascii:
            assert "".join(lines).isascii()
    assert max(line.cell_len for line in waiting("Redis is away: " * 50, Ink(is_ascii), width)) <= width


def test_at_80_columns_everything_that_was_asked_for_is_there() -> None:
    moment = replace(busy().moment, feeds=busy().moment.feeds[:3])
    lines = words(Document("/home", True, moment, Tables(NOW)))
    text = "\n".join(lines)
    assert len(lines) == 24
    assert "demo" in lines[0] and lines[0].endswith("2025-11-26 07:50:12 UTC")
    assert "reading" in lines[1] and "07:50:02" in lines[1]
    for title in ("Feeds", "Last hour", "Largest", "Levels", "Active cascades", "q quit"):
        assert title in text
    # Sides are words where there is one of them, and glyphs that the legend explains where both are in one bar.
    (legend,) = (line for line in lines if "Levels" in line)
    assert "█ LONG" in legend and "▒ SHORT" in legend
    assert any(" LONG " in line for line in lines if line.startswith("07:50"))
    rows = [line.split() for line in lines]
    assert ["bybit", "live", "all", "0", "s", "0", "s", "12,345", "1,000,000", "100,000"] in rows
    assert any(row[:3] == ["binance:inverse", "not", "collected"] for row in rows)
    assert any(row[:2] == ["07:50", "binance"] for row in rows)
    assert any(row[0] == "BTCUSDT" and row[1] == "1.00" for row in rows)


@pytest.mark.parametrize(
    ("long", "short", "shown"),
    [
        ("0", "0", ""),
        ("10", "0", "██████████"),
        ("0", "0.001", "▒"),
        ("5", "5", "█████▒▒▒▒▒"),
        ("9.99", "0.01", "█████████▒"),
        ("0.01", "4.99", "█▒▒▒▒"),
        ("0.01", "0.01", "█▒"),
    ],
)
def test_both_sides_of_a_level_show_in_its_bar_however_small_one_is(long: str, short: str, shown: str) -> None:
    assert Ink().bars(Decimal(long), Decimal(short), Decimal(10), 10).plain == shown


def test_taller_terminals_show_more_levels_and_the_highest_price_comes_first() -> None:
    def prices(height: int) -> list[float]:
        lines = words(replace(busy(), moment=replace(busy().moment, largest=[])), 120, height)
        return [float(cell) for line in lines for cell in line.split() if cell.startswith("0.000")]

    assert len(prices(60)) > len(prices(30)) > 0
    assert prices(60) == sorted(prices(60), reverse=True)
    assert max(prices(60)) == pytest.approx(0.000199)


def test_what_is_wrong_is_a_sentence_and_what_is_empty_says_so() -> None:
    text = "\n".join(words(busy(), 200, 60))
    for said in (
        "live view: disk full",
        "okx:inverse: the server said no",
        "database: PostgreSQL is away",
        "3 past days are stale",
    ):
        assert said in text
    stopped = replace(QUIET, live=LiveView("not running", NOW - 5_000, NOW - 90_000, 0, 0, 0, ""))
    lines = words(Document("/home", False, stopped, Tables()), 120)
    assert any("no live view runs since 2025-11-26 07:48:42" in line and "start `liq up`" in line for line in lines)
    assert sum(line.split() == ["none"] for line in lines) == 1
    assert any(line.split() == ["none", "none"] for line in lines)
    assert "real exchanges" in lines[0]


def test_json_has_exact_amounts_and_sorted_fields() -> None:
    text = as_json(busy())
    document = json.loads(text, parse_float=Decimal)
    assert list(document) == sorted(document) == ["demo", "home", "moment", "tables"]
    assert list(document["moment"]) == sorted(document["moment"])
    assert document["moment"]["largest"][0]["price"] == Decimal("0.00000123")
    assert document["moment"]["cascades"][0]["risk_score"] == Decimal("0.999999")
    assert document["moment"]["venues"][5]["total_value_usd"] == Decimal(10) ** 14
    assert document["moment"]["symbol"] == SYMBOLS[1]


def test_the_next_symbol_is_the_one_with_the_next_most_usd_and_behind_the_last_the_first() -> None:
    moment = busy().moment
    assert following(moment) == SYMBOLS[2]
    assert following(replace(moment, symbol=SYMBOLS[3])) == SYMBOLS[0]
    assert following(replace(moment, symbol="GONEUSDT")) == SYMBOLS[0]
    assert following(QUIET) is None
