"""Whether a line kept its promises: its tables against what the venues sent, however it was disturbed."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import dagster as dg
import redis

from liq_pipeline import streams
from liq_pipeline.dagster_defs.checks.parity import COLUMNS as CASCADE_COLUMNS
from liq_pipeline.definitions import defs
from liq_pipeline.exchanges import adapter
from liq_pipeline.live.remembering import LOST
from liq_pipeline.settings import Settings, load_settings
from liq_pipeline.warehouse import coverage
from liq_pipeline.warehouse.days import stale_days
from liq_pipeline_tests.faults.ledger import Ledger, Sending, Sent
from liq_pipeline_tests.faults.play import now_ms
from liq_pipeline_tests.line import tables
from liq_pipeline_tests.line.expected import Event, at, day_of
from liq_pipeline_tests.line.tables import rows

SHOWN: Final = 3
_FINAL_MS: Final = 120_000
"""So far ahead of now coverage is asked for: what was claimed in the last minute counts only then."""
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_GAPS: Final = """
SELECT exchange, floor(extract(epoch FROM started_at) * 1000)::bigint AS start,
    ceil(extract(epoch FROM ended_at) * 1000)::bigint AS end
FROM feed_gaps WHERE reason <> 'throttled'"""
_RAW: Final = "SELECT *, floor(extract(epoch FROM time) * 1000)::bigint AS ms FROM liquidations_raw"
_CASCADES: Final = f"SELECT symbol, {', '.join(CASCADE_COLUMNS)} FROM {{}} ORDER BY symbol, cascade_start"


class Gap(NamedTuple):
    """A recorded gap of a feed, UTC milliseconds."""

    feed: str
    start: int
    end: int


@dataclass
class Verdict:
    """What became of the events; ``failures`` are broken promises, in words."""

    sent: int = 0
    landed: int = 0
    excused: int = 0
    """Missing, and in recorded gaps."""
    lost: int = 0
    """Missing, and in none."""
    doubled: int = 0
    cascades: int = 0
    rejected: int = 0
    gap_seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What to judge by: the servers of a line that was stopped, its environment, and what was sent.

    ``began`` and ``ended`` are those of the play, ``lag_ms`` for how long a frame may have been on its way.
    """

    database_url: str
    redis_url: str
    variables: Mapping[str, str]
    ledger: Ledger
    began: int
    ended: int
    lag_ms: int


def judge(evidence: Evidence) -> Verdict:
    """Materialize the days of the play, under Dagster, and compare everything with the ledger."""
    verdict = Verdict(sent=len(evidence.ledger.sent))
    own = {name: value for name, value in evidence.variables.items() if name.startswith("LIQ_")}
    own |= {"LIQ_DATABASE_URL": evidence.database_url, "LIQ_REDIS_URL": evidence.redis_url}
    with _environment(own):
        settings = load_settings(env_file=None)
        days = sorted({day_of(sent.event.time) for sent in evidence.ledger.sent.values()} | {_today()})
        verdict.failures += _materialize(days)
        for day in days:
            later = now_ms() + _FINAL_MS
            coverage.materialize(evidence.database_url, evidence.redis_url, day, settings, later)
        verdict.failures += [f"{day} is stale: {why}" for day, why in stale_days(evidence.database_url, settings)]
    landed = judge_events(evidence, verdict)
    _judge_tables(evidence, landed, settings, verdict)
    _judge_live(evidence, verdict)
    _judge_rejections(evidence, verdict)
    return verdict


def _materialize(days: Sequence[date]) -> list[str]:
    """What failed, as checks say it."""
    failed = []
    with dg.DagsterInstance.ephemeral() as instance:
        for day in days:
            result = defs.resolve_job_def("daily_tables").execute_in_process(
                partition_key=day.isoformat(), instance=instance, run_config=_QUIET, raise_on_error=False
            )
            failed += [
                f"{event.step_key} failed on {day}: {event.message}" for event in result.get_step_failure_events()
            ]
            failed += [
                f"check {check.asset_key.to_user_string()}/{check.check_name} failed on {day}: {check.description}"
                for check in result.get_asset_check_evaluations()
                if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
            ]
    return failed


def judge_events(evidence: Evidence, verdict: Verdict) -> list[Event]:
    """Every event is in the database once, or was sent in a gap; nothing else is. What landed, in order."""
    sent = evidence.ledger.sent
    names = [name for name in Event.__dataclass_fields__ if name not in ("time", "event_id")]
    landed = [
        Event(time=row["ms"], event_id=str(row["event_id"]), **{name: row[name] for name in names})
        for row in rows(evidence.database_url, _RAW)
    ]
    verdict.landed = len(landed)
    meant = Counter(_unidentified(each.event) for each in sent.values())
    held = Counter(map(_unidentified, landed))
    doubled = {event: count - meant[event] for event, count in held.items() if count > meant[event] > 0}
    verdict.doubled = sum(doubled.values())
    _say(verdict, "counted twice", [_text(event) for event in doubled])
    foreign = [event for event in landed if event.event_id not in sent or sent[event.event_id].event != event]
    _say(verdict, "never sent, or landed as something else", [_text(event) for event in foreign])
    there = {event.event_id for event in landed}
    gaps = _gaps(evidence)
    missing = [each for event_id, each in sent.items() if event_id not in there]
    lost = [each for each in missing if not _is_excused(evidence, gaps[each.event.exchange], each)]
    verdict.excused, verdict.lost = len(missing) - len(lost), len(lost)
    streamed = _streamed(evidence.redis_url) if lost else set()
    _say(verdict, "missing outside every recorded gap", [_story(evidence, each, streamed, gaps) for each in lost])
    for feed, spans in sorted(gaps.items()):
        inside = (min(gap.end, evidence.ended) - max(gap.start, evidence.began) for gap in spans)
        verdict.gap_seconds[feed] = round(sum(max(0, each) for each in inside) / 1000, 3)
    return sorted(landed, key=lambda event: (event.time, event.event_id))


def _is_excused(evidence: Evidence, gaps: Sequence[Gap], sent: Sent) -> bool:
    """Whether it happened in a gap, and all its sendings went to nobody or were on their way when one began.

    What a venue sends later than it ever does may have happened when all was covered: of that only the second counts.
    """
    on_their_way = all(
        any(gap.start <= _until(evidence, sent.event.exchange, sending) and gap.end >= sending.at for gap in gaps)
        for sending in sent.sendings
    )
    time = sent.event.time
    allowed = int(adapter(sent.event.exchange).publish_seconds * 1000)
    is_late = min(sending.at for sending in sent.sendings) > time + allowed
    return on_their_way and (is_late or any(gap.start <= time <= gap.end for gap in gaps))


def _until(evidence: Evidence, venue: str, sending: Sending) -> int:
    """Until when a frame can have been on its way: the end of the last connection that carried it."""
    ended = (evidence.ledger.ended.get((venue, number), now_ms()) for number in sending.connections)
    return min(sending.at + evidence.lag_ms, max(ended, default=sending.at))


def _judge_tables(evidence: Evidence, landed: Sequence[Event], settings: Settings, verdict: Verdict) -> None:
    """The rows an undisturbed run makes of these events, worked out by the letter of the definitions."""
    try:
        made = tables.assert_tables_follow_from(
            evidence.database_url,
            landed,
            window_ms=settings.cascade_window_seconds * 1000,
            min_events=settings.cascade_min_events,
            min_usd=Decimal(settings.cascade_min_usd),
        )
    except AssertionError as error:
        verdict.failures.append(f"the tables are not those of an undisturbed run: {str(error).splitlines()[0]}")
    else:
        verdict.cascades = len(made["liquidation_cascades"])


def _judge_live(evidence: Evidence, verdict: Verdict) -> None:
    """What the live view recorded as final is what the batch found.

    A Redis that dies may lose what it had acknowledged a moment before, and with it events that only the view had seen
    yet: it says so, and may then know more than the tables.
    """
    batch = _cascades(evidence.database_url, "liquidation_cascades")
    live = _cascades(evidence.database_url, "live_cascades WHERE replaced_by IS NULL")
    knew_more = bool(rows(evidence.database_url, f"SELECT FROM live_blind_spans WHERE reason = '{LOST}'"))
    differing = [
        f"{symbol} {start:%H:%M:%S.%f}: {_differences(batch.get((symbol, start)), live.get((symbol, start)))}"
        for symbol, start in sorted(batch.keys() | live.keys())
        if batch.get((symbol, start)) != live.get((symbol, start)) and not (knew_more and (symbol, start) in live)
    ]
    _say(verdict, "cascades the live view has otherwise than the tables", differing)


def _judge_rejections(evidence: Evidence, verdict: Verdict) -> None:
    found = rows(evidence.database_url, "SELECT reason, frame FROM frames_rejected")
    verdict.rejected = len(found)
    strange = [f"{row['reason']}: {row['frame'][:120]}" for row in found if row["frame"] not in evidence.ledger.broken]
    _say(verdict, "rejected, though well formed", strange)


def _gaps(evidence: Evidence) -> dict[str, list[Gap]]:
    gaps = defaultdict[str, list[Gap]](list)
    for row in rows(evidence.database_url, _GAPS):
        gaps[row["exchange"]].append(Gap(row["exchange"], row["start"], row["end"]))
    return gaps


def _story(evidence: Evidence, sent: Sent, streamed: set[str], gaps: Mapping[str, Sequence[Gap]]) -> str:
    """Which event, and where it was lost."""
    venue = sent.event.exchange
    if sent.event.event_id in streamed:
        where = "it is in the stream: lost between Redis and the database"
    else:
        carried = [
            f"connection {number} (last written to {at(evidence.ledger.last_on(venue, number)):%T.%f}, ended "
            f"{_time(evidence.ledger.ended.get((venue, number)))})"
            for sending in sent.sendings
            for number in sending.connections
        ]
        where = f"it is not in the stream: sent on {', '.join(carried) or 'no connection'}"
    times = ", ".join(f"{at(sending.at):%T.%f}" for sending in sent.sendings)
    near = [
        f"{at(gap.start):%T.%f}-{at(gap.end):%T.%f}"
        for gap in gaps.get(venue, ())
        if gap.end >= evidence.began and gap.start <= evidence.ended
    ]
    return f"{_text(sent.event)}, sent {times}; {where}; gaps of {venue}: {', '.join(near) or 'none'}"


def _streamed(url: str) -> set[str]:
    with redis.Redis.from_url(url) as client:
        keys = client.keys(streams.events_key("*"))
        return {fields[b"event_id"].decode() for key in keys for _, fields in client.xrange(key)}


def _cascades(url: str, table: str) -> dict[tuple[str, datetime], dict[str, Any]]:
    return {
        (row["symbol"], row["cascade_start"]): {**row, "cascade_id": str(row["cascade_id"])}
        for row in rows(url, _CASCADES.format(table))
    }


def _differences(batch: Mapping[str, Any] | None, live: Mapping[str, Any] | None) -> str:
    if batch is None or live is None:
        return "only in the live view" if batch is None else "only in the tables"
    return ", ".join(f"{name} {live[name]} and not {batch[name]}" for name in batch if batch[name] != live[name])


def _say(verdict: Verdict, what: str, found: Sequence[str]) -> None:
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        verdict.failures.append(f"{len(found)} {what}: {'; '.join(found[:SHOWN])}{more}")


def _text(event: Event) -> str:
    return (
        f"{event.exchange} {event.contract} {event.side} {event.quantity} at {event.price}, {at(event.time):%T.%f} "
        f"({event.event_id})"
    )


def _time(ms: int | None) -> str:
    return "never" if ms is None else f"{at(ms):%T.%f}"


def _unidentified(event: Event) -> Event:
    return replace(event, event_id="")


def _today() -> date:
    return datetime.now(UTC).date()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """No LIQ_* variable but these: Dagster's resources read them."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("LIQ_")}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("LIQ_")]:
            del os.environ[name]
        os.environ.update(before)
