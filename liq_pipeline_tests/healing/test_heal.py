from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import redis

from liq_pipeline import exchanges, streams
from liq_pipeline.errors import ServerError, VenueError
from liq_pipeline.exchanges import okx_history
from liq_pipeline.healing import heal
from liq_pipeline.healing.asking import Patience
from liq_pipeline.healing.gaps import Gap
from liq_pipeline.healing.heal import HealReport, heal_gaps, heal_span
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.venues.protocol import Reply
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.loader import drain
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline.warehouse.reparse import reparse
from liq_pipeline.warehouse.windows import utc
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.healing.okx import NOW, Venue, frame, serving

HOUR = 3_600_000
DAY = 24 * HOUR
GAP = Gap("okx", NOW - 3 * HOUR, NOW - 2 * HOUR)
OLD = GAP.start - HOUR


@dataclasses.dataclass
class Line:
    """Everything one healing needs."""

    venue: Venue
    database_url: str
    redis_url: str

    def settings(self, **changed: Any) -> Settings:
        urls = dict.fromkeys(("okx", "okx:inverse"), self.venue.rest_url)
        return Settings(exchanges=("okx",), rest_urls=urls, retention_days=0, **changed)

    def gap(self, start: int, end: int, feed: str = "okx", reason: str = "down") -> None:
        with psycopg.connect(self.database_url) as connection:
            row = (feed, utc(start), utc(end), reason)
            connection.execute(
                "INSERT INTO feed_gaps (exchange, started_at, ended_at, reason) VALUES (%s, %s, %s, %s)", row
            )

    def heal(self, feed: str = "okx", now: int = NOW, **changed: Any) -> HealReport:
        report = heal_gaps(
            feed, self.settings(**changed), self.database_url, self.redis_url, now=now, patience=Patience(2, 0.01)
        )
        assert report is not None
        return report

    def rows(self, what: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(what).fetchall()

    def healed(self) -> list[Gap]:
        spans = self.rows("SELECT feed, started_at, ended_at FROM feed_heals ORDER BY started_at")
        return [Gap(feed, *(int(at.timestamp() * 1000) for at in span)) for feed, *span in spans]

    def landed(self) -> list[Entry]:
        with redis.Redis.from_url(self.redis_url) as client:
            return [streams.decode_entry(fields) for _, fields in client.xrange(streams.events_key("okx"))]

    def drain(self) -> None:
        drain(self.database_url, self.redis_url, self.settings())


@pytest.fixture
def line(database_url: str, redis_url: str, venue: Venue, monkeypatch: pytest.MonkeyPatch) -> Line:
    quick = dataclasses.replace(okx_history.LINEAR, requests_per_second=1e6)
    inverse = dataclasses.replace(okx_history.INVERSE, requests_per_second=1e6)
    monkeypatch.setattr(exchanges, "_HISTORIES", {"okx": quick, "okx:inverse": inverse})
    migrate(database_url, plain=True)
    return Line(venue, database_url, redis_url)


@pytest.fixture
def venue() -> Iterator[Venue]:
    with serving() as venue:
        yield venue


def test_a_gap_is_filled_with_the_events_the_socket_would_have_given_each_once(line: Line, warehouse_url: str) -> None:
    line.database_url = warehouse_url
    seen, missed, besides = (frame(at, sz=str(n)) for n, at in ((1, GAP.start - 5), (2, GAP.start), (3, GAP.end + 5)))
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD), seen, missed, besides, frame(GAP.end - 1, "ETH-USDT-SWAP")])
    by_socket = Entry(wire.one("okx", seen.encode()), GAP.start, "stream", seen.encode())
    with connect(line.database_url) as connection:
        insert_rows(connection, [by_socket])
    report = line.heal()
    assert (report.rows, report.in_gaps, report.missed, report.rejected) == (2, 2, 0, 0)
    assert report.healed == line.healed() == [GAP]
    assert (report.waiting, report.problems) == ([], [])
    assert {entry.source for entry in line.landed()} == {"import:okx_rest"}
    assert [entry.liquidation for entry in line.landed() if entry.liquidation.symbol == "BTCUSDT"] == [
        wire.one("okx", missed.encode())
    ]
    # The socket brings one of them late, and the history is asked a second time.
    with connect(line.database_url) as connection:
        insert_rows(connection, [Entry(wire.one("okx", missed.encode()), NOW, "stream", missed.encode())])
    line.drain()
    line.heal()
    line.drain()
    stored = line.rows("SELECT time, source FROM liquidations_raw ORDER BY time")
    assert stored == [
        (utc(GAP.start - 5), "stream"),
        (utc(GAP.start), "stream"),
        (utc(GAP.end - 1), "import:okx_rest"),
    ]
    assert line.rows("SELECT count(*) FROM day_state WHERE raw_version > 0") == [(1,)]
    assert line.rows("SELECT day FROM coverage_state WHERE version > 0") == [(utc(GAP.start).date(),)]


def test_a_row_of_the_history_is_read_again_as_the_frame_it_is(line: Line) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD), frame(GAP.start), frame(GAP.start + 1)])
    line.heal()
    line.drain()
    report = reparse(line.database_url, [utc(GAP.start).date()], line.settings(), exchanges=["okx"], now=NOW)
    (day,) = report.days.values()
    assert (day.rows, day.changed, day.rejected) == (2, 0, 0)


def test_what_may_still_be_late_in_the_history_lands_and_is_not_healed_yet(line: Line) -> None:
    late = Gap("okx", NOW - 2 * HOUR, NOW - 60_000)
    line.gap(late.start, late.end)
    line.venue.published([frame(OLD), frame(late.start), frame(late.end - 1)])
    report = line.heal()
    assert report.in_gaps == 2
    assert line.healed() == [late._replace(end=NOW - okx_history.LINEAR.late_ms)]
    assert (report.waiting, report.problems) == ([late], [])
    line.heal(now=late.end + okx_history.LINEAR.late_ms)
    assert line.healed()[-1] == late


def test_a_gap_that_the_answers_do_not_reach_stays_and_the_report_says_how_far_they_do(line: Line) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(GAP.start + 1000), frame(GAP.start + 2000)])
    report = line.heal()
    assert report.in_gaps == 2
    assert line.healed() == [GAP._replace(start=GAP.start + 1000)]
    assert report.waiting == [GAP]
    assert "reaches back to" in report.problems[0]


def test_a_family_that_fails_leaves_the_gap_unhealed_and_what_the_others_hold_lands(line: Line) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD, "XRP-USDT-SWAP"), frame(GAP.start, "XRP-USDT-SWAP")])
    line.venue.okx.faults.append(Reply(400, '{"code":"51000","msg":"Parameter error","data":[]}'))
    report = line.heal()
    assert (report.in_gaps, line.healed(), report.waiting) == (1, [], [GAP])
    assert "1 could not be asked" in report.problems[0]
    assert "Parameter error" in report.problems[0]


def test_nothing_is_written_down_before_redis_has_it(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD), frame(GAP.start)])
    monkeypatch.setattr(heal, "_FLUSH_SECONDS", 0.3)
    with redis.Redis.from_url(line.redis_url) as client:
        client.config_set("maxmemory", "1mb")
        try:
            with pytest.raises(ServerError, match="Redis did not take 1 of 1 liquidations of okx"):
                line.heal()
        finally:
            client.config_set("maxmemory", "0")
    assert line.healed() == []
    assert line.heal().healed == [GAP]


def test_throttled_healed_and_forgotten_gaps_are_not_asked_for(line: Line) -> None:
    line.gap(GAP.start, GAP.end, reason="throttled")
    line.gap(NOW - 9 * DAY, NOW - 8 * DAY)
    line.gap(GAP.start, GAP.end, feed="bybit")
    settings = line.settings()
    assert heal_gaps("okx", settings, line.database_url, line.redis_url, now=NOW) is None
    assert line.venue.families == []


def test_only_the_symbols_that_are_collected_are_asked_for(line: Line) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD, "ETH-USDT-SWAP"), frame(GAP.start), frame(GAP.start, "ETH-USDT-SWAP")])
    assert line.heal(symbols=("ETHUSDT",)).healed == [GAP]
    assert set(line.venue.families) == {"ETH-USDT"}
    assert [entry.liquidation.symbol for entry in line.landed()] == ["ETHUSDT"]


def test_inverse_contracts_are_a_feed_of_their_own(line: Line) -> None:
    line.gap(GAP.start, GAP.end, feed="okx:inverse")
    line.venue.published([frame(at, "BTC-USD-SWAP") for at in (OLD, GAP.start)])
    assert line.heal("okx:inverse").healed == [GAP._replace(feed="okx:inverse")]
    assert set(line.venue.families) == {"BTC-USD"}
    (entry,) = line.landed()
    assert (entry.liquidation.symbol, entry.liquidation.value_usd) == ("BTCUSD", "855")


def test_rows_that_cannot_be_read_are_recorded_once(line: Line) -> None:
    line.gap(GAP.start, GAP.end)
    line.venue.published([frame(OLD), frame(GAP.start, side="hold")])
    assert line.heal().rejected == 1
    line.drain()
    line.gap(GAP.start - 5, GAP.end)
    assert line.heal().rejected == 0
    line.drain()
    assert line.rows("SELECT exchange, source, reason LIKE '%hold%' FROM frames_rejected") == [
        ("okx", "import:okx_rest", True)
    ]


def test_a_whole_day_shows_what_was_missed_while_it_counted_as_covered(line: Line) -> None:
    midnight = NOW - NOW % DAY
    start, end = midnight - DAY, midnight
    gap = Gap("okx", start + HOUR, start + 2 * HOUR)
    line.gap(gap.start, gap.end)
    line.venue.published([frame(at) for at in (start - 1, start, gap.start, end - 1, end)])
    report = heal_span(
        "okx", line.settings(), line.database_url, line.redis_url, start, end, now=NOW, patience=Patience(2, 0.01)
    )
    assert (report.rows, report.in_gaps, report.missed) == (3, 1, 2)
    assert line.healed() == [gap]


def test_what_no_history_can_hold_is_refused_with_the_reason(line: Line) -> None:
    settings = line.settings()
    with pytest.raises(VenueError, match="keeps its history for 7 days"):
        heal_span("okx", settings, line.database_url, line.redis_url, NOW - 9 * DAY, NOW - 8 * DAY, now=NOW)
    with pytest.raises(VenueError, match=r"binance publishes no history.*okx, okx:inverse"):
        heal_gaps("binance", settings, line.database_url, line.redis_url, now=NOW)
    line.gap(GAP.start, GAP.end)
    gone = settings.model_copy(update={"rest_urls": {"okx": "http://127.0.0.1:9"}})
    with pytest.raises(VenueError, match="okx: its contracts are not known"):
        heal_gaps("okx", gone, line.database_url, line.redis_url, now=NOW)


def test_days_that_may_not_land_are_not_fetched(line: Line) -> None:
    today = datetime.fromtimestamp(NOW / 1000, UTC).date()
    midnight = NOW - NOW % DAY
    line.gap(midnight - HOUR, midnight + 60_000)
    line.venue.published([frame(OLD), frame(midnight - 1), frame(midnight)])
    report = line.heal(start_date=today)
    assert [entry.liquidation.time for entry in line.landed()] == [midnight]
    assert report.span.start == midnight
