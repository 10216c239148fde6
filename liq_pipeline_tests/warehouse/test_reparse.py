"""What was landed wrongly is mended from the venue's own frames, and what was not understood comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
import redis

from liq_pipeline import exchanges
from liq_pipeline.collector.landing import Landing
from liq_pipeline.errors import DayRefusedError, InvalidLiquidationError
from liq_pipeline.exchanges import binance, bybit, okx
from liq_pipeline.exchanges.base import Contract, Parsed
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.record import Origin
from liq_pipeline.liquidation import Liquidation, Market, Side
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.simulation import simulate
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import contract_sizes, loader, rejected, rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.days import materialize_events, stale_days
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline.warehouse.rejected import RejectedFrame
from liq_pipeline.warehouse.reparse import ReparseReport, reparse
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.line import tables
from liq_pipeline_tests.warehouse.making import KEEP, query, raw_versions

DAY = date(2026, 10, 9)  # of the frames in wire
NEXT = date(2026, 10, 10)
NOW = 1_795_000_000_000  # 2026-11-18
BINANCE = wire.binance()
BYBIT_TWINS = wire.bybit(wire.BYBIT_ROW, wire.BYBIT_ROW)
ALL_COLUMNS = (
    "time, event_id::text, exchange, market, contract, symbol, side, price::text, price_kind, quantity::text,"
    " value_usd::text, limit_price::text, received_at, source, feed_semantics, ordinal, raw_data::text"
)


def again(url: str, *days: date, settings: Settings = KEEP, **options: Any) -> ReparseReport:
    given = {"exchanges": ("binance", "bybit", "okx"), "now": NOW, **options}
    return reparse(url, days or (DAY,), settings, **given)


def entries(feed: str, frame: bytes, source: str = "stream") -> list[Entry]:
    return [Entry(item.liquidation, NOW - 5, source, item.raw) for item in wire.parse(feed, frame).landed]


def changed(given: Entry, **fields: Any) -> Entry:
    """As a parser of before may have read it."""
    return given._replace(liquidation=msgspec.structs.replace(given.liquidation, **fields, parser_version=0))


def land(url: str, given: Iterable[Entry], *, matched: bool = True) -> None:
    with connect(url) as connection:
        report = insert_rows(connection, given, matched=matched)
        assert not report.refused and not report.conflicts


def reject(url: str, frame: bytes, exchange: str = "okx", source: str = "stream", **origin: Any) -> None:
    stream_id = f"liq:rejected/{hash((frame, source))}"
    row = RejectedFrame(stream_id, datetime.fromtimestamp(NOW / 1000, UTC), exchange, "?", frame.decode(), source)
    with connect(url) as connection:
        rejected.record(connection, [row._replace(**origin)])


def raw(url: str) -> list[tuple[Any, ...]]:
    return query(url, f"SELECT {ALL_COLUMNS} FROM liquidations_raw ORDER BY time, event_id")


def compress(url: str) -> None:
    """What a policy does after some days; nothing on plain PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone():
            chunks = connection.execute("SELECT compress_chunk(c) FROM show_chunks('liquidations_raw') AS c").fetchall()
            assert chunks


def settle(url: str) -> None:
    while stale := stale_days(url, KEEP):
        for day, _ in stale:
            materialize_events(url, day, KEEP)
            for table in rollups.TABLES:
                rollups.materialize(url, table, day, KEEP)


# A parser that inverts every side, and the same without the mistake.


def invert_sides(patch: pytest.MonkeyPatch) -> None:
    for venue in (binance, bybit):
        patch.setattr(venue, "_LONG", Side.SHORT)
        patch.setattr(venue, "_SHORT", Side.LONG)
    other = {Side.LONG: Side.SHORT, Side.SHORT: Side.LONG}
    patch.setattr(okx, "_SIDES", {words: other[side] for words, side in okx._SIDES.items()})


def collect(url: str, redis_url: str, parser_version: int) -> None:
    """Simulated frames through the parsers, the collector's landing, Redis and the loader."""

    async def run() -> None:
        landing = Landing(redis_url)
        await landing.start()
        for number, line in enumerate(simulate(3_000, 1, defects=True)):
            adapter = exchanges.adapter(line.venue)
            parsed = adapter.parse(line.text.encode(), snapshot(line.venue))
            landed = [
                item._replace(liquidation=msgspec.structs.replace(item.liquidation, parser_version=parser_version))
                for item in parsed.landed
            ]
            landing.land(
                Parsed(parsed.kind, landed, parsed.rejections),
                exchange=adapter.exchange, received_at=NOW + number, source="stream", market=adapter.market,
            )  # fmt: skip
        assert await landing.close(30) == 0

    asyncio.run(run())
    loader.drain(url, redis_url, KEEP)


def test_days_of_a_parser_that_inverted_sides_become_what_the_right_one_makes(
    warehouse_url: str, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url, plain=True)
    collect(database_url, redis_url, parser_version=1)
    settle(database_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with monkeypatch.context() as patch:
        invert_sides(patch)
        collect(warehouse_url, redis_url, parser_version=0)
    settle(warehouse_url)
    wrong, clean = raw(warehouse_url), raw(database_url)
    assert [row[1] for row in wrong] == [row[1] for row in clean] and wrong != clean
    assert tables.contents(warehouse_url) != tables.contents(database_url)
    compress(warehouse_url)

    days = sorted(raw_versions(warehouse_url))
    would = again(warehouse_url, *days, dry_run=True)
    assert raw(warehouse_url) == wrong and stale_days(warehouse_url, KEEP) == []
    report = again(warehouse_url, *days)
    assert report == would
    assert sum(day.changed for day in report.days.values()) == len(clean)
    assert sum(day.new_ids + day.rejected for day in report.days.values()) == 0
    assert [day for day, _ in stale_days(warehouse_url, KEEP)] == days == sorted(report.stale)
    marked = query(warehouse_url, "SELECT day FROM day_state WHERE reparsed_at IS NOT NULL ORDER BY day")
    assert marked == [(day,) for day in days]

    settle(warehouse_url)
    assert raw(warehouse_url) == clean
    assert tables.contents(warehouse_url) == tables.contents(database_url)
    assert query(warehouse_url, "SELECT DISTINCT parser_version FROM liquidations_raw") == [(1,)]
    once_more = again(warehouse_url, *days)
    assert not once_more.stale and sum(day.changed for day in once_more.days.values()) == 0


# What happens to single rows.


def test_rows_that_read_the_same_are_not_touched(warehouse_url: str) -> None:
    given = entries("binance", BINANCE) + entries("bybit", BYBIT_TWINS)
    land(warehouse_url, [changed(entry) for entry in given])
    physical = "SELECT tableoid, ctid::text, xmin::text, parser_version FROM liquidations_raw ORDER BY 2"
    before = query(warehouse_url, physical), raw_versions(warehouse_url)
    report = again(warehouse_url)
    assert (report.days[DAY].rows, report.days[DAY].changed, report.stale) == (3, 0, set())
    assert (query(warehouse_url, physical), raw_versions(warehouse_url)) == before


def test_a_row_keeps_when_it_was_received_where_from_and_its_frame(warehouse_url: str) -> None:
    (right,) = entries("binance", BINANCE, "replay")
    land(warehouse_url, [changed(right, price="1", value_usd="0.19", symbol="ETHUSDT")])
    wrong = raw(warehouse_url)[0]
    assert again(warehouse_url).days[DAY].changed == 1
    (mended,) = raw(warehouse_url)
    assert mended[5:12] == ("BTCUSDT", "LONG", "82651.9", "fill", "0.19", "15703.861", "82338.3")
    assert mended[12:] == wrong[12:]


@pytest.mark.parametrize("hours", [-18, 12])
def test_a_corrected_time_moves_a_row_to_its_day_and_both_days_are_stale(warehouse_url: str, hours: int) -> None:
    (right,) = entries("binance", BINANCE)
    shifted = right.liquidation.time + hours * 3_600_000
    other = datetime.fromtimestamp(shifted / 1000, UTC).date()
    assert other != DAY
    land(warehouse_url, [changed(right, time=shifted, event_id="0" * 32)])
    compress(warehouse_url)
    report = again(warehouse_url, other)
    assert (report.days[other].changed, report.days[other].new_ids) == (1, 1)
    assert report.stale == {DAY, other} and raw_versions(warehouse_url) == {DAY: 1, other: 2}
    assert [row[1] for row in raw(warehouse_url)] == [right.liquidation.event_id]


def test_rows_that_had_each_others_ids_change_places(warehouse_url: str) -> None:
    first, second = entries("bybit", wire.bybit(wire.bybit_row(p="80000"), wire.bybit_row(p="81000")))
    ids = first.liquidation.event_id, second.liquidation.event_id
    land(warehouse_url, [changed(first, event_id=ids[1]), changed(second, event_id=ids[0])])
    assert again(warehouse_url).days[DAY].new_ids == 2
    prices = dict(query(warehouse_url, "SELECT event_id::text, price::text FROM liquidations_raw"))
    assert prices == {ids[0]: "80000", ids[1]: "81000"}


def test_two_rows_that_turn_out_to_be_one_liquidation_become_one(warehouse_url: str) -> None:
    (right,) = entries("binance", BINANCE)
    land(warehouse_url, [right, changed(right, event_id="1" * 32), changed(right, event_id="2" * 32)])
    report = again(warehouse_url)
    assert (report.days[DAY].changed, report.merged) == (2, 2)
    assert [row[1] for row in raw(warehouse_url)] == [right.liquidation.event_id]


def test_identical_rows_of_one_frame_stay_two(warehouse_url: str) -> None:
    twins = entries("bybit", BYBIT_TWINS)
    land(warehouse_url, [changed(twin, side=Side.SHORT) for twin in twins])
    assert (again(warehouse_url).days[DAY].changed, again(warehouse_url).days[DAY].new_ids) == (2, 0)
    assert [(row[6], row[15]) for row in sorted(raw(warehouse_url), key=lambda row: row[15])] == [
        ("LONG", 0),
        ("LONG", 1),
    ]


def test_a_row_that_todays_parser_rejects_is_kept_with_its_reason_and_comes_back_as_it_was(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(warehouse_url, entries("bybit", BYBIT_TWINS, "replay") + entries("binance", BINANCE))
    compress(warehouse_url)
    before = raw(warehouse_url)
    with monkeypatch.context() as patch:
        patch.setattr(bybit, "from_row", _refuses)
        report = again(warehouse_url)
    assert (report.days[DAY].rows, report.days[DAY].rejected, report.days[DAY].changed) == (3, 2, 0)
    assert report.stale == {DAY} and len(raw(warehouse_url)) == 1
    kept = query(warehouse_url, "SELECT exchange, reason, source, market, contract, ordinal FROM frames_rejected")
    assert sorted(kept) == [("bybit", "no longer understood", "replay", "linear", "BTCUSDT", n) for n in (0, 1)]
    back = again(warehouse_url)
    assert (back.retried, back.recovered, back.new, back.stale) == (2, 2, 2, {DAY})
    assert raw(warehouse_url) == before
    assert query(warehouse_url, "SELECT id FROM frames_rejected") == []


def test_a_parser_with_a_defect_stops_nothing_and_loses_nothing(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(warehouse_url, entries("bybit", BYBIT_TWINS) + entries("binance", BINANCE))
    reject(warehouse_url, wire.bybit(wire.bybit_row(T=1791565600993)), "bybit")
    before = raw(warehouse_url)
    with monkeypatch.context() as patch:
        patch.setattr(bybit, "from_row", _breaks)
        report = again(warehouse_url)
    assert (report.days[DAY].rejected, report.recovered, len(raw(warehouse_url))) == (2, 0, 1)
    reasons = query(warehouse_url, "SELECT reason FROM frames_rejected WHERE stream_id LIKE 'liquidations_raw/%'")
    assert reasons == [("the parser failed: RuntimeError: a defect",)] * 2
    assert again(warehouse_url).recovered == 3
    assert [row for row in raw(warehouse_url) if row in before] == before


def _breaks(*_: object, **__: object) -> Liquidation:
    raise RuntimeError("a defect")


def _refuses(*_: object, **__: object) -> Liquidation:
    raise InvalidLiquidationError("no longer understood")


def test_only_the_exchange_asked_for_is_read(warehouse_url: str) -> None:
    given = entries("binance", BINANCE) + entries("bybit", wire.bybit(wire.BYBIT_ROW))
    land(warehouse_url, [changed(entry, side=Side.SHORT) for entry in given])
    report = again(warehouse_url, exchanges=("bybit",))
    assert (report.days[DAY].rows, report.days[DAY].changed) == (1, 1)
    assert {row[2]: row[6] for row in raw(warehouse_url)} == {"binance": "SHORT", "bybit": "LONG"}


def test_rows_of_archives_are_read_by_their_format(warehouse_url: str) -> None:
    line = b"BTC,SELL,LIMIT,IOC,0.190,82338.30,82651.90,FILLED,0.155,0.190,1791565602120"
    origin = Origin("binance", Market.LINEAR, snapshot("binance"))
    (imported,) = FORMATS["forceorder_csv"].reader(origin)(line).entries
    replayed = imported._replace(source="replay")
    wrong = changed(replayed, event_id="3" * 32, quantity="9", side=Side.SHORT)
    land(warehouse_url, [changed(imported, side=Side.SHORT), wrong])
    report = again(warehouse_url)
    assert (report.days[DAY].changed, report.merged) == (2, 1)
    (row,) = raw(warehouse_url)
    assert (row[1], row[6], row[9]) == (imported.liquidation.event_id, "LONG", "0.19")


def test_rows_that_cannot_be_matched_keep_other_sources_out_while_they_are_there(
    warehouse_url: str,
) -> None:
    origin = Origin("okx", Market.LINEAR, snapshot("okx"))
    line = b"okex-swap,BTC-USDT-SWAP,1791565600771000,1791565600861123,,sell,82655.7,8.55"
    record = FORMATS["tardis"].reader(origin)(line)
    assert not record.matched
    land(warehouse_url, [changed(entry, side=Side.SHORT) for entry in record.entries], matched=False)
    claim = [("okx", "BTC-USDT-SWAP", DAY, "import:tardis")]
    assert again(warehouse_url).days[DAY].changed == 1
    assert query(warehouse_url, "SELECT * FROM unmatched_days") == claim
    assert [(row[1], row[6]) for row in raw(warehouse_url)] == [(record.entries[0].liquidation.event_id, "LONG")]


def test_a_contract_and_day_are_free_again_once_their_rows_can_be_matched(warehouse_url: str) -> None:
    (entry,) = entries("binance", BINANCE)
    land(warehouse_url, [changed(entry, side=Side.SHORT)], matched=False)
    assert len(query(warehouse_url, "SELECT day FROM unmatched_days")) == 1
    again(warehouse_url)
    assert query(warehouse_url, "SELECT day FROM unmatched_days") == []


# Which days.


def test_days_that_settings_exclude_are_refused_and_nothing_is_changed(warehouse_url: str) -> None:
    land(warehouse_url, [changed(entry, side=Side.SHORT) for entry in entries("binance", BINANCE)])
    for settings, named in ((Settings(retention_days=3), "LIQ_RETENTION_DAYS=3"), (KEEP, "LIQ_START_DATE")):
        days = (DAY, NEXT) if settings.retention_days else (DAY, date(2020, 1, 1))
        with pytest.raises(DayRefusedError, match=named):
            again(warehouse_url, *days, settings=settings)
    assert [row[6] for row in raw(warehouse_url)] == ["SHORT"]


def test_a_day_whose_events_retention_took_is_refused(warehouse_url: str) -> None:
    query(warehouse_url, "INSERT INTO day_state (day, raw_version, events_dropped_at) VALUES (%s, 1, now())", DAY)
    with pytest.raises(DayRefusedError, match="dropped by retention"):
        again(warehouse_url)


# Frames that were rejected.


def test_a_frame_of_an_unknown_contract_lands_once_its_size_is_listed(warehouse_url: str) -> None:
    frame = wire.okx(wire.okx_listed("NEW-USDT-SWAP", wire.OKX_DETAIL))
    reject(warehouse_url, frame, market="linear")
    assert (again(warehouse_url).retried, again(warehouse_url).recovered) == (1, 0)
    with connect(warehouse_url) as connection:
        contract_sizes.record(connection, "okx", [Contract("NEW-USDT-SWAP", Market.LINEAR, Decimal(10))], NOW)
    report = again(warehouse_url, NEXT)
    assert (report.recovered, report.new, report.stale) == (1, 1, {DAY})
    ((*_, quantity, _, _, received_at, source, _, _, _),) = raw(warehouse_url)
    assert (quantity, received_at, source) == ("85.5", datetime.fromtimestamp(NOW / 1000, UTC), "stream")
    assert query(warehouse_url, "SELECT id FROM frames_rejected") == []


def test_a_frame_that_landed_all_the_same_is_a_duplicate_and_rejected_no_more(warehouse_url: str) -> None:
    land(warehouse_url, entries("binance", BINANCE))
    reject(warehouse_url, BINANCE, "binance")
    report = again(warehouse_url)
    assert (report.recovered, report.new, report.duplicate, report.stale) == (1, 0, 1, set())


def test_what_is_still_not_understood_stays(warehouse_url: str) -> None:
    for frame in (b"nonsense", b"\\xff", wire.bybit(wire.bybit_row(S="Both"))):
        reject(warehouse_url, frame, "bybit")
    reject(warehouse_url, BINANCE, "mtgox")
    report = again(warehouse_url)
    assert (report.retried, report.recovered, report.new) == (3, 0, 0)
    assert query(warehouse_url, "SELECT count(*) FROM frames_rejected") == [(4,)]


def test_of_a_frame_understood_in_part_the_rest_stays_behind(warehouse_url: str) -> None:
    frame = wire.bybit(wire.BYBIT_ROW, wire.bybit_row(S="Both"))
    reject(warehouse_url, frame, "bybit")
    report = again(warehouse_url)
    assert (report.recovered, report.new) == (1, 1)
    ((reason, kept),) = query(warehouse_url, "SELECT reason, frame FROM frames_rejected")
    assert "neither Buy nor Sell" in reason and [row["S"] for row in json.loads(kept)["data"]] == ["Both"]
    assert (again(warehouse_url).recovered, again(warehouse_url).new) == (0, 0)


INVERSE = wire.okx(wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="5", bkPx="80000")))


@pytest.mark.parametrize(("market", "new"), [("linear", 0), ("inverse", 1), (None, 1)])
def test_a_feed_lands_its_own_market_and_both_are_tried_where_the_feed_is_not_known(
    warehouse_url: str, market: str | None, new: int
) -> None:
    reject(warehouse_url, INVERSE, market=market)
    report = again(warehouse_url)
    assert (report.recovered, report.new) == (1, new)
    assert [row[5] for row in raw(warehouse_url)] == ["BTCUSD"] * new


@pytest.mark.parametrize("first", ["linear", "inverse"])
def test_a_line_that_imports_of_both_markets_rejected_comes_back_whichever_was_first(
    warehouse_url: str, first: str
) -> None:
    both = wire.okx(
        wire.okx_listed("BTC-USD-SWAP", wire.okx_detail(sz="5", bkPx="80000")),
        wire.okx_listed("BTC-USDT-SWAP", wire.OKX_DETAIL),
    )
    for frame in (INVERSE, both):
        reject(warehouse_url, frame, source="import:frames", market=first)
    report = again(warehouse_url)
    assert (report.recovered, report.new, report.duplicate) == (2, 2, 1)
    assert sorted(row[5] for row in raw(warehouse_url)) == ["BTCUSD", "BTCUSDT"]


def test_symbols_that_are_not_collected_do_not_land_by_the_back_door(warehouse_url: str) -> None:
    reject(warehouse_url, BINANCE, "binance")
    reject(warehouse_url, BINANCE, "binance", "replay")
    report = again(warehouse_url, settings=Settings(retention_days=0, symbols=("ETHUSDT",)))
    assert (report.recovered, report.new) == (2, 1)
    assert [row[13] for row in raw(warehouse_url)] == ["replay"]


def test_a_frame_of_an_excluded_day_stays_with_the_reason_said(warehouse_url: str) -> None:
    reject(warehouse_url, BINANCE, "binance")
    report = again(warehouse_url, date(2026, 11, 17), settings=Settings(retention_days=3))
    assert (report.recovered, report.excluded, report.new) == (0, 1, 0)
    assert "LIQ_RETENTION_DAYS=3" in "".join(report.exclusions)
    future = again(warehouse_url, date(2026, 1, 1), now=1_780_000_000_000)
    assert future.excluded == 1 and "in the future" in "".join(future.exclusions)


CSV = "BTC,SELL,LIMIT,IOC,0.190,82338.30,82651.90,FILLED,0.155,0.190,1791565602120"


@pytest.mark.parametrize("market", ["linear", None])
def test_a_rejected_line_of_an_archive_is_read_by_its_format(warehouse_url: str, market: str | None) -> None:
    reject(warehouse_url, CSV.encode(), "binance", "import:forceorder_csv", market=market)
    enveloped = json.dumps({"received_at": NOW - 77, "frame": json.loads(wire.binance(T=1791565602121))})
    reject(warehouse_url, enveloped.encode(), "binance", "import:frames", market=market)
    report = again(warehouse_url)
    assert (report.recovered, report.new) == (2, 2)
    landed = [(row[13], row[12].timestamp() * 1000) for row in raw(warehouse_url)]
    assert landed == [("import:forceorder_csv", 1791565602120), ("import:frames", NOW - 77)]


def test_a_dry_run_says_what_would_come_back_and_leaves_it(warehouse_url: str) -> None:
    reject(warehouse_url, BINANCE, "binance")
    would = again(warehouse_url, dry_run=True)
    assert (would.recovered, would.new, would.stale) == (1, 1, {DAY}) and raw(warehouse_url) == []
    assert again(warehouse_url) == would


def test_many_rows_are_read_in_batches(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liq_pipeline.warehouse.reparse._BATCH", 7)
    monkeypatch.setattr("liq_pipeline.warehouse.reparse_rejected._BATCH", 3)
    given: Sequence[Entry] = [entries("binance", wire.binance(T=1791565602120 + n))[0] for n in range(50)]
    land(warehouse_url, [changed(entry, side=Side.SHORT) if n % 3 else entry for n, entry in enumerate(given)])
    for n in range(20):
        reject(warehouse_url, wire.binance(T=1791565702120 + n), "binance")
    report = again(warehouse_url)
    assert (report.days[DAY].rows, report.days[DAY].changed, report.recovered) == (50, 33, 20)
    assert [row[6] for row in raw(warehouse_url)] == ["LONG"] * 70
