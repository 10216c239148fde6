"""Healing a feed: fetch a span of the venue's history, land what is missing, write down which gaps that filled.

Nothing here is remembered between two calls, and every step may be repeated: rows have the same ``event_id`` as those
of the socket, and a gap counts as healed only when Redis has acknowledged everything the answers held of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Final

from liq_pipeline import exchanges
from liq_pipeline.collector.instruments import ListUnavailableError
from liq_pipeline.collector.instruments import fetch as fetch_instruments
from liq_pipeline.collector.landing import Landing
from liq_pipeline.errors import ServerError, VenueError
from liq_pipeline.exchanges.base import Contract, FrameKind, History, Instruments, Landed, Parsed, Rejection
from liq_pipeline.healing.asking import Patience, Venue
from liq_pipeline.healing.fetching import Fetched, fetch
from liq_pipeline.healing.gaps import Gap, known, recorded, unhealed
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import contract_sizes, coverage
from liq_pipeline.warehouse.connection import LOADER, READER, connect
from liq_pipeline.warehouse.day_state import kept_from

_FLUSH_SECONDS: Final = 60.0
_NAMED: Final = 5


@dataclass(frozen=True)
class Span:
    """Of what to ask, UTC milliseconds, the end excluded."""

    start: int
    end: int


@dataclass
class HealReport:
    """What was asked of a venue's history, and what came of it. Times are UTC milliseconds."""

    feed: str
    span: Span
    requests: int = 0
    rows: int = 0
    """Liquidations within the span that the history holds."""
    in_gaps: int = 0
    """Of those, landed now and within a gap."""
    missed: int = 0
    """Of those, landed now and within time that counts as covered."""
    rejected: int = 0
    """Rows that could not be read and were not known to be so."""
    healed: list[Gap] = field(default_factory=list)
    """What is written down as healed, parts of gaps included."""
    waiting: list[Gap] = field(default_factory=list)
    """Gaps that are not wholly healed."""
    problems: list[str] = field(default_factory=list)
    """Why not, where it is not a matter of time."""


def heal_gaps(
    feed: str,
    settings: Settings,
    database_url: str,
    redis_url: str,
    *,
    now: int,
    late_ms: int | None = None,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> HealReport | None:
    """Fill the gaps of a feed that the venue's history may still reach; None if there are none.

    ``now`` is UTC milliseconds; what happened within ``late_ms`` of it may be missing in the history for now, so it
    lands and is not written down as healed (default: what is known of the venue). Raises VenueError when the venue
    cannot be asked at all, ServerError when a server of ours is away.
    """
    history = _history(feed)
    span = _allowed(Span(now - history.kept_ms, now), history, settings, now)
    with connect(database_url, role=READER) as connection:
        gaps = unhealed(connection, feed, span.start, span.end)
    if not gaps:
        return None
    span = Span(max(span.start, min(gap.start for gap in gaps)), min(span.end, max(gap.end for gap in gaps)))
    return _Healing(feed, history, settings, database_url, redis_url, now, late_ms, patience).run(span, gaps)


def heal_span(
    feed: str,
    settings: Settings,
    database_url: str,
    redis_url: str,
    start: int,
    end: int,
    *,
    now: int,
    late_ms: int | None = None,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> HealReport:
    """Compare a whole span with the venue's history, gaps or not; otherwise as ``heal_gaps``.

    Raises VenueError too for a span that the history cannot hold.
    """
    history = _history(feed)
    span = _allowed(Span(start, end), history, settings, now)
    if span.start >= span.end:
        raise VenueError(
            f"{feed}: nothing from {_said(start)} to {_said(end)} can be fetched: the venue keeps its history for "
            f"{history.kept_ms / 86_400_000:g} days, and days before LIQ_START_DATE or beyond LIQ_RETENTION_DAYS do "
            "not land"
        )
    with connect(database_url, role=READER) as connection:
        gaps = unhealed(connection, feed, span.start, span.end)
    return _Healing(feed, history, settings, database_url, redis_url, now, late_ms, patience).run(span, gaps)


def _history(feed: str) -> History:
    history = exchanges.history(feed)
    if history is None:
        having = ", ".join(name for name in exchanges.FEEDS if exchanges.history(name))
        raise VenueError(f"{feed} publishes no history of its liquidations; those that do: {having}")
    return history


def _allowed(span: Span, history: History, settings: Settings, now: int) -> Span:
    """The part of a span that the venue may still know and that may land."""
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    first = max(settings.start_date, kept_from(settings, today) or settings.start_date)
    midnight = int(datetime.combine(first, time(), UTC).timestamp()) * 1000
    return Span(max(span.start, now - history.kept_ms, midnight), min(span.end, now))


@dataclass
class _Healing:
    """One healing of one feed."""

    feed: str
    history: History
    settings: Settings
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    now: int
    late_ms: int | None
    patience: Patience

    def run(self, span: Span, gaps: Sequence[Gap]) -> HealReport:
        report = HealReport(self.feed, span)
        fetched = asyncio.run(self._fetch(span, report))
        with connect(self.database_url, role=LOADER) as connection:
            there = known(connection, [item.liquidation for item in fetched.rows.values()])
            seen = recorded(connection, self.history.source, [item.frame for item in fetched.rejections])
        missing = [item for event_id, item in fetched.rows.items() if event_id not in there]
        rejections = {item.frame: item for item in fetched.rejections if item.frame not in seen}
        asyncio.run(self._land(missing, list(rejections.values())))
        report.rows, report.rejected = len(fetched.rows), len(rejections)
        report.in_gaps = sum(_within(gaps, item.liquidation.time) for item in missing)
        report.missed = len(missing) - report.in_gaps
        report.problems = _problems(fetched)
        self._write_down(gaps, fetched, report)
        return report

    async def _fetch(self, span: Span, report: HealReport) -> Fetched:
        adapter = exchanges.adapter(self.feed)
        url = self.settings.rest_urls.get(self.feed, adapter.rest_url)
        try:
            listed = await fetch_instruments(adapter, url)
        except ListUnavailableError as error:
            raise VenueError(f"{self.feed}: its contracts are not known: {error}") from None
        contracts = [adapter.contract_of(symbol) for symbol in self.settings.symbols] or [
            contract.name for contract in listed if contract.market is adapter.market
        ]
        venue = Venue(url, self.history.requests_per_second, self.patience)
        try:
            return await fetch(
                venue,
                self.history,
                self.history.groups(contracts),
                span.start,
                span.end,
                self.now,
                self._sizes(listed),
                lambda liquidation: adapter.wants(liquidation, self.settings.symbols),
            )
        finally:
            report.requests = venue.requests
            await venue.close()

    def _sizes(self, listed: Iterable[Contract]) -> Instruments:
        """The contract sizes of the time, as the database knows them, and what is listed now."""
        with connect(self.database_url, role=READER) as connection:
            sizes = contract_sizes.known(connection, exchanges.adapter(self.feed).exchange)
        return sizes.merged(sizes.news(listed, self.now))

    async def _land(self, missing: Sequence[Landed], rejections: Sequence[Rejection]) -> None:
        """Return when Redis has acknowledged all of it; raises ServerError if it does not."""
        if not missing and not rejections:
            return
        adapter, landing = exchanges.adapter(self.feed), Landing(self.redis_url)
        await landing.start()
        parsed = Parsed(FrameKind.LIQUIDATIONS, missing, rejections)
        landing.land(
            parsed, exchange=adapter.exchange, received_at=self.now, source=self.history.source, market=adapter.market
        )
        if left := await landing.close(_FLUSH_SECONDS):
            raise ServerError(
                f"Redis did not take {left:,} of {len(missing):,} liquidations of {self.feed} within "
                f"{_FLUSH_SECONDS:g} s: {landing.away}; they are fetched again by the next run"
            )

    def _write_down(self, gaps: Sequence[Gap], fetched: Fetched, report: HealReport) -> None:
        late = self.history.late_ms if self.late_ms is None else self.late_ms
        start, end = fetched.covered_from, min(fetched.end, self.now - late)
        report.healed = [part for gap in gaps if start is not None and (part := gap.within(start, end))]
        report.waiting = [gap for gap in gaps if gap not in report.healed]
        if report.healed:
            with connect(self.database_url, role=LOADER) as connection:
                for gap in report.healed:
                    coverage.record_heal(connection, gap.feed, gap.start, gap.end, self.now)


def _within(gaps: Sequence[Gap], at: int) -> bool:
    return any(gap.start <= at < gap.end for gap in gaps)


def _problems(fetched: Fetched) -> list[str]:
    if fetched.failed:
        shown = "; ".join(f"{group}: {reason}" for group, reason in sorted(fetched.failed.items())[:_NAMED])
        more = f"; and {len(fetched.failed) - _NAMED:,} more" if len(fetched.failed) > _NAMED else ""
        return [f"{len(fetched.failed):,} could not be asked: {shown}{more}"]
    if (start := fetched.covered_from) is None:
        return ["the history holds nothing that would show how far back it reaches"]
    if start > fetched.start:
        return [f"the history reaches back to {_said(start)} only, and {_said(fetched.start)} was asked for"]
    return []


def _said(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
