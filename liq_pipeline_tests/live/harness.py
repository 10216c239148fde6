"""A live view running against a real Redis, a database that is none, and what they have to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import redis

from liq_pipeline.collector.timing import Timing
from liq_pipeline.errors import ServerError
from liq_pipeline.live.health import LiveReport
from liq_pipeline.live.records import CascadeState, Correction, FinalCascade, Levels, Record, SeedEvent
from liq_pipeline.live.run import follow
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry, encode_event, events_key
from liq_pipeline_tests.collector.harness import QUICK
from liq_pipeline_tests.live.naive import Shown

PREFIXES = ("liq:levels:", "liq:agg:", "liq:hour:", "liq:cascade:status:")


def fields(entry: Entry) -> dict[str, str | bytes | int]:
    """An entry as the collector writes it."""
    return {
        "event_id": entry.liquidation.event_id,
        "event": encode_event(entry.liquidation),
        "received_at": entry.received_at,
        "source": entry.source,
        "raw": entry.raw,
    }


def land(client: redis.Redis, entries: Iterable[Entry]) -> None:
    """Put entries into their streams now."""
    pipeline = client.pipeline(transaction=False)
    for entry in entries:
        pipeline.xadd(events_key(entry.liquidation.exchange), fields(entry))  # type: ignore[arg-type]
    pipeline.execute()


def shown(client: redis.Redis) -> Shown:
    """All hashes of levels, minutes, totals and statuses."""
    found: Shown = {}
    for key in client.scan_iter(match="liq:*", count=1000):
        name = key.decode()
        if name.startswith(PREFIXES):
            found[name] = {field.decode(): value.decode() for field, value in client.hgetall(key).items()}
    return {name: values for name, values in found.items() if values}


@dataclass
class Memory:
    """A recorder that keeps what it is told, as the database would; ``away`` makes it raise."""

    away: bool = False
    known: list[SeedEvent] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    last: int | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)

    def record(self, items: Sequence[Record], *, watermark: int | None, landed: int) -> None:
        self._refuse()
        self.records += items
        self.last = max(self.last or 0, landed)

    def landed(self) -> int | None:
        self._refuse()
        return self.last

    def seed(self, start: int, end: int) -> list[SeedEvent]:
        self._refuse()
        self.asked.append((start, end))
        return [event for event in self.known if start <= event.time < end]

    def commit(self, entries: Iterable[Entry]) -> None:
        """What the loader brought to the database."""
        for event, received_at, source, _ in entries:
            self.known.append(
                SeedEvent(
                    *(event.time, event.event_id, event.exchange, event.symbol, event.side == "LONG", event.price),
                    *(event.quantity, int(float(event.value_usd) * 1_000_000), received_at, source),
                )
            )

    def standing(self) -> dict[str, CascadeState]:
        """Finals, corrections applied; the same may be told by several."""
        found: dict[str, CascadeState] = {}
        for record in self.records:
            if isinstance(record, FinalCascade):
                told = (record,)
            elif isinstance(record, Correction):
                told = record.standing
                for replaced in record.replaced:
                    found.pop(replaced, None)
            else:
                continue
            for final in told:
                known = found.get(final.cascade.cascade_id)
                if known is None or known.event_count < final.cascade.event_count:
                    found[final.cascade.cascade_id] = final.cascade
        return found

    def _refuse(self) -> None:
        if self.away:
            raise ServerError("PostgreSQL at nowhere: gone: start it")


class Live:
    """One running view; ``report`` is what it said last."""

    def __init__(self) -> None:
        self.report: LiveReport | None = None
        self.stop = asyncio.Event()
        self.task: asyncio.Task[LiveReport] | None = None

    def watch(self, report: LiveReport) -> None:
        self.report = report

    def has(self, events: int) -> bool:
        """Whether it counted so many events, shows them, and told the recorder."""
        assert self.task is not None
        if self.task.done():
            self.task.result()
        report = self.report
        return report is not None and report.state == "live" and report.events == events and not report.unrecorded

    async def kill(self) -> None:
        """End it without a chance to say anything more than its process had."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def running(
    redis_url: str,
    recorder: Memory | None = None,
    settings: Settings | None = None,
    levels: Levels | None = None,
    timing: Timing = QUICK,
) -> AsyncIterator[Live]:
    """A view until the end of the block."""
    view = Live()
    view.task = asyncio.create_task(
        follow(
            settings or Settings(),
            recorder,
            levels or Levels(),
            redis_url=redis_url,
            until_ms=None,
            stop=view.stop,
            watch=view.watch,
            timing=timing,
        )
    )
    try:
        yield view
    finally:
        view.stop.set()
        await asyncio.wait({view.task}, timeout=30)
        await view.kill()
