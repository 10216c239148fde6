"""Who judges the seeds sees what is wrong: broken promises of every kind, planted in a line's servers."""

from __future__ import annotations

import time
from itertools import takewhile
from pathlib import Path

import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.ledger import Line
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import coverage, loader
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.faults.ledger import Ledger, Sending
from liq_pipeline_tests.faults.market import frames
from liq_pipeline_tests.faults.oracle import Evidence, Verdict, judge, judge_events
from liq_pipeline_tests.faults.play import now_ms
from liq_pipeline_tests.line.bad_day import with_other_id, with_other_side
from liq_pipeline_tests.line.expected import at, day_of
from liq_pipeline_tests.warehouse.making import add

SECOND = 1_000


class Scene:
    """Ten seconds of a market, every frame sent on a connection of its own, and all but a second of Bybit seen."""

    def __init__(self, database_url: str, redis_url: str, home: Path) -> None:
        migrate(database_url, plain=True)
        self.began = now_ms() - 30 * SECOND
        self.unseen = range(self.began + 3 * SECOND, self.began + 4 * SECOND)
        market = frames(1, self.began, throttle=False)
        self.lines = list(takewhile(lambda line: line.received_at < self.began + 10 * SECOND, market))
        ledger = Ledger()
        for number, line in enumerate(self.lines):
            ledger.note(line, Sending(line.received_at, (number,)))
            ledger.note_ended(line.venue, [number], line.received_at + 50)
        variables = {"LIQ_HOME": str(home), "LIQ_CASCADE_WINDOW_SECONDS": "2", "LIQ_CASCADE_MIN_EVENTS": "4"}
        ended = self.began + 20 * SECOND
        self.evidence = Evidence(database_url, redis_url, variables, ledger, self.began, ended, lag_ms=10_000)
        self.redis_url = redis_url
        self._claim("binance", self.began, ended)
        self._claim("okx", self.began, ended)
        # What comes in that second happened in it, or within the second before.
        self._claim("bybit", self.began, self.unseen.start - SECOND)
        self._claim("bybit", self.unseen.stop, ended)

    @property
    def hidden(self) -> list[Line]:
        """Frames that were sent where nobody saw them."""
        return [line for line in self.lines if line.venue == "bybit" and line.received_at in self.unseen]

    @property
    def seen(self) -> list[Line]:
        """Frames of one event that everybody saw, a second and more after nobody did."""
        return [line for line in self.lines if len(line.rows) == 1 and line.received_at > self.unseen.stop + SECOND]

    def _claim(self, feed: str, start: int, end: int) -> None:
        fields = {"connection": f"c{start}", "from": start, "to": end, "part": 0, "parts": 1}
        with redis.Redis.from_url(self.redis_url) as client:
            client.xadd(streams.coverage_key(feed), fields)


@pytest.fixture
def scene(database_url: str, redis_url: str, tmp_path: Path) -> Scene:
    return Scene(database_url, redis_url, tmp_path)


def landed(*lines: Line) -> list[Entry]:
    return [
        Entry(item.liquidation, line.received_at, "stream", item.raw)
        for line in lines
        for item in adapter(line.venue).parse(line.text.encode(), snapshot(line.venue)).landed
    ]


def test_what_is_missing_is_lost_unless_it_was_sent_in_a_gap(scene: Scene) -> None:
    longs = [line for line in scene.seen if line.rows[0].side == "LONG"]
    lost, doubled, wrong = longs[:3]
    there = [line for line in scene.lines if line not in (lost, wrong, *scene.hidden)]
    add(
        scene.redis_url,
        [*landed(*there), with_other_id(landed(doubled)[0]), with_other_side(landed(wrong)[0])],
    )
    evidence, verdict, settings = scene.evidence, Verdict(), Settings(retention_days=0)
    loader.drain(evidence.database_url, evidence.redis_url, settings)
    for day in {day_of(line.received_at) for line in scene.lines}:
        later = time.time_ns() // 1_000_000 + 120 * SECOND
        coverage.materialize(evidence.database_url, evidence.redis_url, day, settings, later)

    judge_events(evidence, verdict)
    assert len(scene.hidden) > 0
    assert (verdict.excused, verdict.lost, verdict.doubled) == (len(landed(*scene.hidden)), 1, 1)
    (event,) = (sent.event for sent in evidence.ledger.sent.values() if sent.frame == lost.text)
    said = "\n".join(verdict.failures)
    assert f"1 missing outside every recorded gap: {event.exchange} {event.contract}" in said
    assert f"sent {at(lost.received_at):%T.%f}; it is not in the stream: sent on connection" in said
    assert "1 counted twice" in said
    # The one under another id is one that nobody sent, and so is the one with the other side.
    assert "2 never sent, or landed as something else" in said


def test_rejected_frames_failing_checks_and_what_the_live_view_lacks_are_found(scene: Scene) -> None:
    add(scene.redis_url, landed(*scene.lines))
    with redis.Redis.from_url(scene.redis_url) as client:
        client.xadd(streams.REJECTED, {"received_at": scene.began, "exchange": "okx", "reason": "odd", "frame": "{}"})
    verdict = judge(scene.evidence)
    assert (verdict.landed, verdict.lost, verdict.doubled, verdict.rejected) == (verdict.sent, 0, 0, 1)
    live, rejected = verdict.failures
    assert f"{verdict.cascades} cascades the live view has otherwise than the tables" in live
    assert "only in the tables" in live
    assert rejected == "1 rejected, though well formed: odd: {}"
