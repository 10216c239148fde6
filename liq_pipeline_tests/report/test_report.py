"""The report of a day: what is in it equals the tables, whatever the day was."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from liq_pipeline import queries, report
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests import browser
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.report.making import HOUR, MIDNIGHT, STRANGE, made, market, rendered, seen
from liq_pipeline_tests.warehouse.making import NOON, entry, query

DOM = "Object.fromEntries([...document.querySelectorAll('data[data-name]')].map(one => [one.dataset.name, one.value]))"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """[...document.querySelectorAll('.hbar b')].filter(b => b.offsetWidth > b.parentElement.clientWidth)
.map(b => b.innerText)"""
SUMS = """
SELECT 'events', count(*)::text FROM liquidations
UNION ALL SELECT 'usd', sum(value_usd)::text FROM liquidations
UNION ALL SELECT 'largest_usd', max(value_usd)::text FROM liquidations
UNION ALL SELECT 'significant', count(*)::text FROM liquidations WHERE value_usd >= 100000
UNION ALL SELECT 'symbols', count(DISTINCT symbol)::text FROM liquidations
UNION ALL SELECT 'exchanges', count(DISTINCT exchange)::text FROM liquidations
UNION ALL SELECT 'cascades', count(*)::text FROM liquidation_cascades
UNION ALL SELECT 'cascade_events', count(*)::text FROM liquidations WHERE is_cascade
UNION ALL SELECT lower(side) || '_usd', sum(value_usd)::text FROM liquidations GROUP BY side
UNION ALL SELECT lower(side) || '_events', count(*)::text FROM liquidations GROUP BY side
UNION ALL SELECT 'exchange.' || exchange || '.usd', sum(value_usd)::text FROM liquidations GROUP BY exchange
UNION ALL SELECT 'venue.' || exchange || '.events', count(*)::text FROM liquidations GROUP BY exchange
UNION ALL SELECT 'symbol.' || symbol || '.usd', sum(value_usd)::text FROM liquidations GROUP BY symbol
UNION ALL SELECT 'sides.' || exchange || '.' || lower(side) || '_usd', sum(value_usd)::text
    FROM liquidations GROUP BY exchange, side
UNION ALL SELECT 'period.' || to_char(extract(hour FROM time)::int / 4 * 4, 'FM00') || '.usd', sum(value_usd)::text
    FROM liquidations GROUP BY extract(hour FROM time)::int / 4
UNION ALL SELECT 'day.2025-12-10.usd', sum(value_usd)::text FROM liquidations
UNION ALL SELECT 'significant.' || exchange || '.' || side || '.events', count(*)::text
    FROM liquidations_significant GROUP BY exchange, side
UNION ALL SELECT 'feed.' || exchange || '.coverage', round(coverage, 6)::text
    FROM feed_coverage WHERE collected OR event_count > 0
UNION ALL (SELECT 'cascade.' || cascade_id || '.usd', total_value_usd::text
    FROM liquidation_cascades ORDER BY total_value_usd DESC LIMIT 25)"""
LEVELS = """
SELECT 'level.' || symbol || '.' || trim_scale(price_level) || '.' || side || '.usd', sum(value_usd)::text
FROM liquidations GROUP BY symbol, price_level, side"""


@pytest.fixture
def database(database_url: str) -> str:
    """A database with our schema, plain; what differs on TimescaleDB is in the queries, which are tested on both."""
    migrate(database_url, plain=True)
    return database_url


def test_a_day_without_events_says_that_there_are_none_and_why(database: str) -> None:
    page = rendered(database)
    found = report.numbers(page)
    assert (found["events"], found["usd"], found["cascades"]) == ("0", "0", "0")
    assert "and no feed was collected: `liq import` brings archives." in page
    assert "<svg" not in page


def test_an_empty_day_that_was_watched_says_so_and_which_gaps_there_were(database: str, redis_url: str) -> None:
    seen(database, redis_url, [("okx", 0, 6), ("okx", 12, 24), ("bybit", 0, 24)])
    page = rendered(database)
    assert "No liquidation of it has landed. What was seen of the day: bybit 100.0 %, okx 75.0 %." in page
    assert report.numbers(page)["feed.okx.coverage"] == "0.750000"
    assert '<td>06:00:00</td><td>12:00:00</td><td class="n">6 h</td><td>down</td>' in page


def test_a_day_that_is_not_over_says_how_far_it_goes_and_draws_no_further(database: str, redis_url: str) -> None:
    made(database, [entry(0, MIDNIGHT + 2 * HOUR, value_usd="1000")])
    seen(database, redis_url, [("binance", 0, 6)], now=5.5)
    page = rendered(database)
    assert "this is what is known of its first 5 h 29 min" in page
    (line,) = re.findall(r'class="trace all" d="([^"]*)"', page)
    assert line.count("h1") == 66
    seen(database, redis_url, [])
    page = rendered(database)
    assert 'id="passed"' not in page
    (line,) = re.findall(r'class="trace all" d="([^"]*)"', page)
    assert line.count("h1") == 288


def test_exchanges_are_called_comparable_only_where_they_are(database: str, redis_url: str) -> None:
    seen(database, redis_url, [("binance", 0, 24), ("bybit", 0, 12)])
    made(database, [entry(0, NOON, exchange="bybit", feed_semantics="complete")])
    seen(database, redis_url, [])
    page = rendered(database)
    assert "Only bybit had liquidations: there is nothing to compare them with." in page
    assert "publishes every liquidation; 50.0 % of the day seen." in page
    made(database, [entry(1, NOON, feed_semantics="throttled-1s-latest")])
    seen(database, redis_url, [])
    page = rendered(database)
    assert "<strong>Volumes of these exchanges are not comparable</strong>" in page
    assert "publishes at most one per symbol and second, the latest; 100.0 % of the day seen." in page


def test_of_a_feed_that_was_not_collected_no_share_and_no_gaps_are_told(database: str, redis_url: str) -> None:
    made(database, [entry(0, NOON)])
    seen(database, redis_url, [])
    page = rendered(database)
    assert "binance: not collected, only imported" in page
    (row,) = re.findall(r'<tr><td>binance</td><td class="n"><data data-name="feed.*</tr>', page)
    assert row.count(">–<") == 5
    assert "24 h" not in row


def test_a_day_of_one_event_has_every_section(database: str) -> None:
    made(database, [entry(0, NOON, value_usd="1234.5")])
    page = rendered(database)
    _assert_equals(report.numbers(page), database)
    for section in ("seen", "course", "exchanges", "sides", "levels", "symbols", "significant", "cascades", "recent"):
        assert f'<section id="{section}">' in page
    assert 'id="why-empty"' not in page
    assert "There was none on this day." in page
    commands = re.findall(r"liq query (\w+)([^<]*)<", page)
    assert len(commands) > 5
    for name, options in commands:
        assert set(queries.QUERIES[name].needs) <= {"span", *("symbol" for _ in re.findall("--symbol", options))}


def test_the_same_events_make_the_same_bytes_in_any_database_and_order(database: str, postgres_server: str) -> None:
    events = market(300)
    made(database, events)
    page = rendered(database)
    assert rendered(database) == page
    with fresh_database(postgres_server) as other:
        migrate(other, plain=True)
        made(other, events[200:])
        made(other, events[:250])
        assert rendered(other) == page
        made(other, [entry(9_999, NOON)])
        assert rendered(other) != page


def test_settings_that_change_the_tables_are_said(database: str) -> None:
    settings = Settings(retention_days=0, significant_usd=Decimal(5000))
    made(database, [entry(0, NOON, value_usd="6000"), entry(1, NOON + HOUR, value_usd="4000")], settings)
    page = rendered(database, settings)
    assert report.numbers(page)["significant"] == "1"
    assert "significant from $5,000;" in page


def test_what_venues_call_their_contracts_is_text(database: str) -> None:
    made(database, _strange())
    page = rendered(database)
    tags = _Tags()
    tags.feed(page)
    assert not {"script", "img"} & tags.found
    assert {f"symbol.{symbol}.usd" for symbol in STRANGE} <= report.numbers(page).keys()


@pytest.mark.skipif(browser.executable() is None, reason="no Chromium on PATH")
def test_a_browser_shows_what_the_tables_hold_on_a_phone_and_a_desk_and_asks_nobody(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    pages = {"empty": rendered(database)}
    made(database, [*market(4000), *_strange()])
    seen(database, redis_url, [("binance", 0, 7), ("binance", 9, 24), ("bybit", 0, 24), ("okx", 2, 24)])
    pages["full"] = rendered(database)
    expected, levels = _sums(database), dict(query(database, LEVELS))
    with browser.chromium() as page:
        page.watch()
        for name, text in pages.items():
            path = tmp_path / f"{name}.html"
            path.write_text(text, "utf-8")
            for width in (390, 1280):
                page.resize(width, 900)
                page.open(path.as_uri(), "Where this comes from")
                assert page.evaluate(TOO_WIDE) <= 0
                assert page.evaluate(CUT) == []
                if name == "full":
                    found: dict[str, str] = page.evaluate(DOM)
                    _assert_same(found, expected)
                    shown = {key: value for key, value in found.items() if key in levels}
                    assert len(shown) > 20
                    _assert_same(shown, {key: levels[key] for key in shown})
                    assert [symbol for symbol in STRANGE if symbol not in page.text()] == []
        assert page.complaints == []
        # Its icon is in the page, too.
        assert [url for url in page.requests if not url.startswith("data:")] == [
            (tmp_path / f"{name}.html").as_uri() for name in pages for _ in range(2)
        ]
    assert len(pages["full"].encode()) < 400_000


def _strange() -> list[Entry]:
    return [
        entry(10_000 + number, MIDNIGHT + number * HOUR, symbol=symbol, contract=symbol, value_usd="2000000")
        for number, symbol in enumerate(STRANGE)
    ]


def _sums(database: str) -> dict[str, str]:
    return dict(query(database, SUMS))  # type: ignore[arg-type]


def _assert_equals(found: dict[str, str], database: str) -> None:
    _assert_same(found, _sums(database))


def _assert_same(found: dict[str, str], expected: dict[str, str]) -> None:
    wrong = {
        name: (found.get(name), value)
        for name, value in expected.items()
        if name not in found or Decimal(found[name]) != Decimal(value)
    }
    assert wrong == {}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)
