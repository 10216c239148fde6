"""Whether tables follow what landed, feeds deliver, and somebody collects: about now, and so about no day.

``evaluate`` remembers nothing: since when a day is behind is in ``day_state`` and ``coverage_state``. Each table is
held against what it is made of alone, so that one that stands still is named, and not all that follow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import dagster as dg

from liq_pipeline import streams
from liq_pipeline.dagster_defs.assets.coverage import TABLES as COVERAGE
from liq_pipeline.dagster_defs.assets.detection import TABLES as DETECTION
from liq_pipeline.dagster_defs.assets.rollups import TABLES as ROLLUPS
from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE, exchange_key
from liq_pipeline.dagster_defs.checks import backlog
from liq_pipeline.dagster_defs.checks.backlog import BACKLOG, Memory, judge_backlog
from liq_pipeline.dagster_defs.checks.rules import Verdict
from liq_pipeline.errors import ServerError
from liq_pipeline.settings import FEEDS, Settings
from liq_pipeline.warehouse.backlog import open_redis
from liq_pipeline.warehouse.connection import READER, connect
from liq_pipeline.warehouse.day_state import refusal
from liq_pipeline.warehouse.landing_zone import hash_text, stream_states, uncommitted_events

FRESH: Final = "fresh"
ALIVE: Final = "alive"
COLLECTED: Final = "collected"
_BEHIND: Final = (Path(__file__).parent / "behind.sql").read_text("utf-8")
_RAW: Final = "liquidations_raw"
_DAILY: Final = (*DETECTION, *ROLLUPS, *COVERAGE)
_GONE_MS: Final = 30_000
"""A collector writes its health every few seconds and its lease every two; a successor needs less than this."""


class Finding(NamedTuple):
    """The verdict of one of these checks."""

    asset: dg.AssetKey
    check: str
    verdict: Verdict


class Behind(NamedTuple):
    """A day of a table that is not made of all there is, and since when."""

    table: str
    day: date
    since: datetime


def evaluate(settings: Settings, database_url: str, redis_url: str, now: datetime | None = None) -> list[Finding]:
    """Every verdict there can be now: without Redis those of feeds and of liquidations_raw are left out.

    Raises ServerError if the database cannot be asked.
    """
    now = now or datetime.now(UTC)
    limit = settings.fresh_seconds
    with connect(database_url, autocommit=True, role=READER) as connection:
        behind = [Behind(*row) for row in connection.execute(_BEHIND, {"rollups": list(ROLLUPS), "today": now.date()})]
    behind = [item for item in behind if refusal(item.day, settings, now.date()) is None]
    tables = [Finding(dg.AssetKey(table), FRESH, judge_table(table, behind, now, limit)) for table in _DAILY]
    return [*tables, *_from_redis(settings, redis_url, now)]


def judge_table(table: str, behind: Iterable[Behind], now: datetime, limit_seconds: float) -> Verdict:
    """Passes while no day of ``table`` has been behind for longer than the limit."""
    own = sorted((item for item in behind if item.table == table), key=lambda item: item.since)
    waited = max((now - own[0].since).total_seconds(), 0) if own else 0.0
    seen = {"days_behind": len(own), "behind_seconds": round(waited)}
    if waited <= limit_seconds:
        return Verdict(True, f"{len(own)} days have news, for {waited:.0f} s at most", seen)
    return Verdict(
        False, f"{own[0].day} lacks for {_duration(waited)} what it is made of, and {len(own) - 1} other days", seen
    )


def judge_landing(waiting_since_ms: int | None, uncommitted: int, now_ms: int, limit_seconds: float) -> Verdict:
    """Passes while nothing has waited in Redis for the database for longer than the limit."""
    waited = max(0.0, (now_ms - waiting_since_ms) / 1000) if waiting_since_ms is not None else 0.0
    seen = {"uncommitted": uncommitted, "behind_seconds": round(waited)}
    if waited <= limit_seconds:
        return Verdict(True, f"{uncommitted} entries wait in Redis, for {waited:.0f} s at most", seen)
    return Verdict(False, f"{uncommitted} entries wait in Redis, the oldest for {_duration(waited)}", seen)


def judge_feed(fields: Mapping[str, str], now_ms: int, limit_seconds: float) -> Verdict:
    """Passes while a feed's collector gets frames of any kind. ``fields`` are those of liq:feed:{feed}."""
    state, error = fields.get("state") or "never collected", fields.get("error") or "no reason recorded"
    frame = int(fields.get("last_frame_at") or 0)
    seconds = max(0.0, (now_ms - frame) / 1000)
    seen: dict[str, int | float | str] = {"state": state}
    if not frame:
        # One that has just been started for the first time is given the time a collector may be silent.
        starting = state == "connecting" and now_ms - int(fields.get("updated_at") or 0) < _GONE_MS
        return Verdict(starting, f"{state}, and no frame has ever come: {error}", seen)
    seen["last_frame_seconds_ago"] = round(seconds, 1)
    if seconds <= limit_seconds:
        return Verdict(True, f"{state}, a frame {seconds:.0f} s ago", seen)
    return Verdict(False, f"{state}, the last frame {_duration(seconds)} ago: {error}", seen)


def judge_collected(missing: Sequence[str], feeds: int) -> Verdict:
    """Passes when every configured feed has a collector."""
    text = f"nobody collects {', '.join(missing)}" if missing else f"{feeds} feeds are collected"
    return Verdict(not missing, text, {"feeds": feeds, "missing": len(missing)})


def evaluation(finding: Finding) -> dg.AssetCheckEvaluation:
    """A finding as a sensor reports it, without a run."""
    verdict = finding.verdict
    return dg.AssetCheckEvaluation(
        asset_key=finding.asset,
        check_name=finding.check,
        passed=verdict.passed,
        metadata=dict(verdict.seen),
        severity=dg.AssetCheckSeverity.ERROR if verdict.severe else dg.AssetCheckSeverity.WARN,
        description=verdict.description,
    )


def _from_redis(settings: Settings, redis_url: str, now: datetime) -> list[Finding]:
    now_ms = int(now.timestamp() * 1000)
    try:
        with open_redis(redis_url) as client:
            health = {feed: hash_text(client, streams.feed_key(feed)) for feed in FEEDS}
            leased = {feed for feed in settings.exchanges if client.exists(streams.lease_key(feed))}
            waiting = [state for state in stream_states(client) if state.uncommitted]
            memory = cast("Any", client).info("memory")
    except ServerError as error:
        return [Finding(LANDING_ZONE, COLLECTED, Verdict(False, f"Redis cannot be asked: {error}"))]
    oldest = min((state.waiting_ms for state in waiting if state.waiting_ms is not None), default=None)
    landing = judge_landing(oldest, uncommitted_events(waiting), now_ms, settings.fresh_seconds)
    room = Memory(int(memory["used_memory"]), int(memory["maxmemory"]))
    there = {
        feed: fields
        for feed, fields in health.items()
        if now_ms - int(fields.get("updated_at") or 0) <= _GONE_MS
    }  # fmt: skip
    missing = [
        feed
        for feed in settings.exchanges
        # The lease is gone for a moment when a collector dies; its health is not older than that then.
        if feed not in leased and now_ms - int(health[feed].get("updated_at") or 0) > _GONE_MS
    ]
    alive = {
        feed: judge_feed(health[feed], now_ms, settings.alive_seconds)
        if feed in settings.exchanges
        else Verdict(True, f"not collected: LIQ_EXCHANGES does not name {feed}")
        for feed in FEEDS
    }
    return [
        Finding(dg.AssetKey(_RAW), FRESH, landing),
        *(Finding(exchange_key(feed), ALIVE, verdict) for feed, verdict in alive.items()),
        Finding(LANDING_ZONE, COLLECTED, judge_collected(missing, len(settings.exchanges))),
        Finding(LANDING_ZONE, BACKLOG, judge_backlog(waiting, there, settings.backlog_entries, room)),
    ]


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def specs() -> list[dg.AssetCheckSpec]:
    """These checks as Dagster knows them."""
    landing = dg.AssetCheckSpec(
        FRESH,
        asset=_RAW,
        description=(
            "Nothing waits in Redis for the database for longer than LIQ_FRESH_SECONDS. If it fails: see whether runs "
            "of daily_tables fail or wait (page Runs), and whether `liq up` or the daemon runs."
        ),
    )
    return [
        landing,
        *(
            dg.AssetCheckSpec(
                FRESH,
                asset=table,
                description=(
                    "No day lacks for longer than LIQ_FRESH_SECONDS what it is made of. If it fails: look at the last "
                    "run of the day that is named; a check that blocks may have stopped it. `liq status` lists stale "
                    "days, and `liq materialize --from DAY --to DAY` makes one again and says why it cannot."
                ),
            )
            for table in _DAILY
        ),
        *(
            dg.AssetCheckSpec(
                ALIVE,
                asset=exchange_key(feed),
                description=(
                    "Frames of any kind came within LIQ_ALIVE_SECONDS, if the feed is collected. If it fails: the "
                    "error that is shown says why; look at LIQ_WS_URL_… and at the way to the venue."
                ),
            )
            for feed in FEEDS
        ),
        dg.AssetCheckSpec(
            COLLECTED,
            asset=LANDING_ZONE,
            description=(
                "Every feed of LIQ_EXCHANGES has a collector, which holds its lease in Redis. If it fails: look at the "
                "last runs of collector_job and at collector_sensor, or start `liq collect`."
            ),
        ),
        backlog.spec(),
    ]
