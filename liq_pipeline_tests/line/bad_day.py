"""A line on which things go wrong: its events and claims, its runs, and what whoever is on call receives."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import msgspec
import redis

from liq_pipeline import streams
from liq_pipeline.alerting.delivery import deliver
from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.incidents import State, look
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.liquidation import Side
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.exchanges import wire
from liq_pipeline_tests.fakes.channels import Webhook
from liq_pipeline_tests.warehouse.making import add

FIRST = date(2025, 12, 8)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
FEEDS = ("binance", "bybit", "okx")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def ms(at: date, milliseconds: int = 0) -> int:
    """So long after the day's midnight, UTC milliseconds."""
    return int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp()) * 1000 + milliseconds


def frame(venue: str, at: int, number: int) -> bytes:
    """One small liquidation of a long, as the venue sends it; ``number`` makes it another one than its neighbours."""
    if venue == "binance":
        return wire.binance(T=at, z=f"0.{1000 + number}", q=f"0.{1000 + number}")
    if venue == "bybit":
        return wire.bybit(wire.bybit_row(T=at, v=f"0.{1000 + number}"))
    return wire.okx(wire.okx_listed("BTC-USDT-SWAP", wire.okx_detail(ts=str(at), sz=f"0.{1000 + number}")))


def event(venue: str, at: int, number: int = 0, *, delay: int = 400) -> Entry:
    """The same as the collector lands it, so long after it happened."""
    raw = frame(venue, at, number)
    return Entry(wire.one(venue, raw), at + delay, "stream", raw)


def with_other_id(entry: Entry) -> Entry:
    """The same liquidation under the id that a careless program gave it."""
    other = str(uuid.uuid5(uuid.NAMESPACE_OID, entry.liquidation.event_id))
    return entry._replace(liquidation=msgspec.structs.replace(entry.liquidation, event_id=other), source="replay")


def with_other_side(entry: Entry) -> Entry:
    """As a parser lands it that takes the order's side for the position's."""
    return entry._replace(liquidation=msgspec.structs.replace(entry.liquidation, side=Side.SHORT))


@dataclass
class Line:
    """The line of one test."""

    database_url: str
    redis_url: str
    settings: Settings
    instance: dg.DagsterInstance
    hook: Webhook
    state: State | None = None
    verdicts: dict[str, bool] = field(default_factory=dict)
    sent: float = 0.0
    """How far the clock of deliveries is ahead, so that each look's message goes out and is not kept for a group."""

    def land(self, entries: Iterable[Entry]) -> None:
        """Into the streams, as a collector does."""
        add(self.redis_url, entries)

    def claim(self, feed: str, start: int, end: int) -> None:
        """Say, as a collector does, that a connection covered this time."""
        fields = {"connection": f"{feed}{start}", "from": start, "to": end, "part": 0, "parts": 1}
        with redis.Redis.from_url(self.redis_url) as client:
            client.xadd(streams.coverage_key(feed), fields)  # type: ignore[arg-type]

    def run(self, *days: date) -> None:
        """The daily job for each of the days."""
        for each in days:
            materialize_day(self.instance, each)

    def told(self, *, later: float = 3.0, tables_wait: float = 0.0) -> list[str]:
        """What the one on call is sent when the sensors look ``later`` seconds from now.

        Each message is a line per thing said, without its links. For the checks about now ``tables_wait`` seconds have
        passed instead.
        """
        now, before = time.time(), len(self.hook.received)
        self._pulse(now + tables_wait)
        self._judge_freshness(datetime.fromtimestamp(now + tables_wait, UTC))
        with connect(self.database_url) as connection:
            self.state, _ = look(
                self.instance, connection, self.settings, self.redis_url, self.state, time.time() + later
            )
        self.sent += 1_000.0
        assert deliver(self.database_url, self.settings, datetime.fromtimestamp(now + self.sent, UTC)) == []
        return [_lines(message["message"]) for message in self.hook.received[before:]]

    def _pulse(self, now: float) -> None:
        """A collector and a live view run, and every venue is heard: what goes wrong here is something else."""
        health = {"state": "live", "last_frame_at": int(now * 1000), "updated_at": int(now * 1000)}
        with redis.Redis.from_url(self.redis_url) as client:
            for feed in FEEDS:
                client.hset(streams.feed_key(feed), mapping=health)  # type: ignore[arg-type]
                client.set(streams.lease_key(feed), "collector")
            client.set(streams.lease_key("live"), "live")

    def _judge_freshness(self, now: datetime) -> None:
        """As the sensor ``observed`` does: a verdict is written down when it changes."""
        for finding in freshness.evaluate(self.settings, self.database_url, self.redis_url, now):
            name = f"{finding.asset.to_user_string()}/{finding.check}"
            if self.verdicts.get(name) is not finding.verdict.passed:
                self.verdicts[name] = finding.verdict.passed
                self.instance.report_runless_asset_event(freshness.evaluation(finding))


def _lines(message: str) -> str:
    """The heads of a message's lines: severity or HEALED, and what it is about."""
    heads = [line for line in message.splitlines() if line.startswith(("ERROR", "WARN", "HEALED", "NOTICE"))]
    return "; ".join(sorted(": ".join(head.split(": ")[:2]) for head in heads))
