"""Broken frames of every feed through the real parsers and feeds, against a second, naive reading of each."""

from __future__ import annotations

import json
import tracemalloc
from random import Random
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from liq_pipeline import exchanges
from liq_pipeline.collector.feed import Feed
from liq_pipeline.collector.landing import Landing
from liq_pipeline.collector.timing import Timing
from liq_pipeline.exchanges import FEEDS
from liq_pipeline.exchanges.base import FrameKind, Parsed, Rejection
from liq_pipeline.exchanges.frames import MAX_APART, MAX_ROWS
from liq_pipeline.liquidation import FUTURE_GRACE_MS
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows, prepare
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.fuzz import corpus, judge, mutation, naive_frames

FRAMES = 800
NOW = 1_798_761_600_000


def broken(feed: str, count: int, seed: str = "") -> list[bytes]:
    known = corpus.frames(feed)
    return [mutation.frame(Random(f"{feed}:{seed}{number}"), known) for number in range(count)]


@pytest.mark.parametrize("feed", FEEDS)
def test_every_row_of_a_broken_frame_has_one_outcome_and_lands_as_what_it_says(feed: str) -> None:
    """By hand a million of each: ``python -m benchmarks.fuzz``. Here the corpus itself and some of the same."""
    outcomes = {judge.frame(feed, frame)[0] for frame in corpus.frames(feed)}
    assert "landed" in outcomes
    entries = []
    for frame in broken(feed, FRAMES):
        outcome, landed = judge.frame(feed, frame)
        outcomes.add(outcome)
        entries += [Entry(item.liquidation, NOW, "stream", item.raw) for item in landed]
    assert {"landed", "invalid", "some rows landed"} <= outcomes
    # The loader encodes whatever a parser gave.
    assert not prepare(entries).refused


class Recording:
    """In place of the buffer before Redis: what a feed queued."""

    full = False

    def __init__(self) -> None:
        self.parsed = Parsed(FrameKind.CONTROL)

    def land(self, parsed: Parsed, **_: Any) -> None:
        self.parsed = parsed


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_queues_every_row_of_its_market_or_why_not(feed: str) -> None:
    landing = Recording()
    adapter = exchanges.adapter(feed)
    collecting = Feed(
        feed, adapter, Settings(), cast(Landing, landing), cast(Redis, None), Timing(), "stream"
    )  # fmt: skip
    for frame in broken(feed, FRAMES // 4, "feed"):
        landing.parsed = Parsed(FrameKind.CONTROL)
        collecting.receive(frame, NOW)
        reading = naive_frames.read(feed, frame)
        queued = landing.parsed
        if queued.rejections and queued.rejections[0].frame == frame and not queued.landed:
            continue
        own = [row for row in reading.expected if row["market"] == adapter.market]
        early = [row for row in own if row["time"] <= NOW + FUTURE_GRACE_MS]
        assert [judge.columns(item.liquidation) for item in queued.landed] == early, frame
        late = len([row for row in reading.expected if row["time"] > NOW + FUTURE_GRACE_MS])
        assert len(queued.rejections) == len(reading.rows) - len(reading.expected) + late, frame


def test_frames_that_wait_for_a_contracts_size_take_little_memory() -> None:
    collecting = Feed(
        "okx", exchanges.adapter("okx"), Settings(), cast(Landing, Recording()), cast(Redis, None), Timing(), "stream"
    )
    small, large = (
        wire.okx(wire.okx_listed("NOBODY-USDT-SWAP", wire.okx_detail(new="x" * size))) for size in (10, 100_000)
    )
    tracemalloc.start()
    try:
        for number in range(300):
            collecting.receive(small if number % 2 else large + b" " * number, NOW)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000


def _reason(feed: str, frame: bytes) -> str:
    (rejection,) = wire.parse(feed, frame).rejections
    assert rejection.frame == frame
    return rejection.reason


@pytest.mark.parametrize("feed", ["binance", "bybit", "okx"])
def test_a_frame_of_more_rows_than_any_venue_sends_is_rejected_once(feed: str) -> None:
    rows = b",".join([b"0"] * (MAX_ROWS + 1))
    frame = {
        "binance": b'{"stream":"x","data":[' + rows + b"]}",
        "bybit": b'{"topic":"allLiquidation.X","data":[' + rows + b"]}",
        "okx": b'{"arg":{"channel":"liquidation-orders"},"data":[' + rows + b"]}",
    }[feed]
    assert f"more than {MAX_ROWS}" in _reason(feed, frame)


def _stuffed(feed: str, stuffing: str) -> bytes:
    if feed == "bybit":
        return wire.encode({"topic": "allLiquidation.X", "new": stuffing, "data": [wire.BYBIT_ROW] * 400})
    if feed == "binance":
        order = {"e": "forceOrder", "o": wire.BINANCE_ORDER}
        return wire.encode({"stream": "x", "new": stuffing, "data": [order] * 400})
    listed = {"instId": "BTC-USDT-SWAP", "new": stuffing, "details": [wire.OKX_DETAIL] * 400}
    return wire.encode({"arg": {"channel": "liquidation-orders"}, "data": [listed]})


@pytest.mark.parametrize("feed", ["binance", "bybit", "okx"])
def test_what_surrounds_many_rows_is_not_repeated_until_memory_is_full(feed: str) -> None:
    frame = _stuffed(feed, "x" * (MAX_APART // 390))
    tracemalloc.start()
    try:
        reason = _reason(feed, frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"over {MAX_APART}" in reason
    assert most < MAX_APART // 2
    assert len(wire.parse(feed, _stuffed(feed, "x" * 1000)).landed) == 400


@pytest.mark.parametrize("event", ["subscribe", "notice", "channel-conn-count"])
def test_an_answer_that_holds_rows_is_not_dropped_as_an_answer(event: str) -> None:
    rows = json.loads(wire.okx(wire.okx_listed("BTC-USDT-SWAP", wire.OKX_DETAIL, wire.OKX_DETAIL)))
    assert len(wire.parse("okx", wire.encode({"event": event, **rows})).landed) == 2


@pytest.mark.parametrize("contract", ["BTC-76DEC25", "BTC-0DEC25", "BTC-30FEB26", "BTCUSDT-31APR26"])
def test_an_expiry_that_is_no_day_is_rejected(contract: str) -> None:
    assert "is not a day" in wire.reason("bybit", wire.bybit(wire.bybit_row(s=contract)))


@pytest.mark.parametrize("average", [[], {}, False, [0], "x"])
def test_an_average_price_that_is_none_is_not_taken_for_an_absent_one(average: Any) -> None:
    assert "average price" in wire.reason("binance", wire.binance(ap=average))


@pytest.mark.parametrize("average", [None, "", "0", "0.000", 0, 0.0])
def test_an_absent_average_price_gives_way_to_the_limit(average: Any) -> None:
    assert wire.one("binance", wire.binance(ap=average)).price_kind == "order"


@pytest.mark.parametrize(
    ("contract", "price", "size"),
    [
        ("1" + "0" * 50 + "PEPEUSDT", "1", "1"),
        ("1000PEPEUSDT", "0.000000000000000001", "1000000000000000000"),
        ("BTCUSDT", "0." + "0" * 10 + "123456789" * 5, "0." + "0" * 10 + "123456789" * 5),
    ],
)
def test_numbers_that_conversion_makes_too_long_for_a_column_are_rejected_before_they_land(
    contract: str, price: str, size: str
) -> None:
    parsed = wire.parse("binance", wire.binance(s=contract, ap=price, p=price, z=size))
    for liquidation, _ in parsed.landed:
        assert not prepare([Entry(liquidation, NOW, "stream", b"{}")]).refused
    assert parsed.landed or isinstance(parsed.rejections[0], Rejection)
    if contract != "BTCUSDT":
        assert "out of any range" in parsed.rejections[0].reason


def test_the_database_takes_whatever_a_parser_lands(database_url: str) -> None:
    migrate(database_url, plain=True)
    entries = [
        Entry(item.liquidation, NOW, "stream", item.raw)
        for feed in FEEDS
        for frame in broken(feed, FRAMES // 4, "database")
        for item in judge.frame(feed, frame)[1]
    ]
    with connect(database_url) as connection:
        report = insert_rows(connection, entries)
    assert report.new > 100
    # Looking for exponents in what no parser reads would cost every frame; such a row is recorded as refused.
    assert all(b"999999" in entries[position].raw for position, _ in report.refused)
