"""The external assets' own state and the checks about now, written down where they change, without a run."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

import dagster as dg
import msgspec

from liq_pipeline.dagster_defs.checks import freshness
from liq_pipeline.dagster_defs.checks.freshness import Finding
from liq_pipeline.dagster_defs.health import Health, look
from liq_pipeline.dagster_defs.resources import Line

# How often to write down what goes on as it did: Dagster keeps every observation and evaluation for ever.
_OBSERVED_AGAIN: Final = 600.0
_EVALUATED_AGAIN: Final = 3600.0
_FAILS_FOR: Final = 60.0
"""A failure is one when it has stood for so long: at a start nobody collects yet, and every rescue takes a moment."""
_UNWATCHED: Final = 180.0
"""Nobody looked for so long: what failed before may have been well since, and everything may be just starting."""


class Written(msgspec.Struct):
    """What was last written of an asset or a check: its state, and when (seconds UTC)."""

    state: str
    at: float


class _Cursor(msgspec.Struct):
    observed: dict[str, Written] = {}
    evaluated: dict[str, Written] = {}
    failing: dict[str, float] = {}
    """Since when each check fails that did not pass at the last look."""
    looked_at: float = 0.0


@dg.sensor(
    name="observed",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Writes down the state of each exchange's feed, of the landing zone in Redis and of the live view when it "
        "changes, and every ten minutes while it is active; and the checks fresh, alive, collected and backlog when "
        "their verdict changes, when the table is materialized, and every hour."
    ),
)
def observed(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings, servers, now = line.settings(), line.servers(), time.time()
    cursor = msgspec.json.decode(context.cursor, type=_Cursor) if context.cursor else _Cursor()
    found = look(servers.redis_url, settings.exchanges, int(now * 1000))
    news = {key: health for key, health in found.items() if is_news(health, cursor.observed.get(_name(key)), now)}
    findings = freshness.evaluate(settings, servers.database_url, servers.redis_url)
    since = cursor.failing if now - cursor.looked_at < _UNWATCHED else {}
    cursor.failing = {_check(item): since.get(_check(item), now) for item in findings if not _passed(item)}
    cursor.looked_at = now
    made = last_materialized(context.instance, {finding.asset for finding in findings})
    verdicts = [
        item
        for item in findings
        if now - cursor.failing.get(_check(item), 0) >= _FAILS_FOR
        and is_new_verdict(item, cursor.evaluated.get(_check(item)), made.get(item.asset, 0), now)
    ]
    cursor.observed |= {_name(key): Written(health.state, now) for key, health in news.items()}
    cursor.evaluated |= {_check(finding): Written(_verdict(finding), now) for finding in verdicts}
    failing = "".join(f"; {_check(item)}: {item.verdict.description}" for item in findings if not _passed(item))
    return dg.SensorResult(
        asset_events=[
            *(_observation(key, health) for key, health in news.items()),
            *(freshness.evaluation(finding) for finding in verdicts),
        ],
        skip_reason=", ".join(f"{_name(key)} {health.state}" for key, health in found.items()) + failing,
        cursor=msgspec.json.encode(cursor).decode(),
    )


def is_news(health: Health, written: Written | None, now: float) -> bool:
    """Whether to write a state down: it changed, or is active and was not written for a while."""
    if written is None or written.state != health.state:
        return True
    return health.active and now - written.at >= _OBSERVED_AGAIN


def is_new_verdict(finding: Finding, written: Written | None, materialized: float, now: float) -> bool:
    """Whether to write an evaluation down: the verdict changed, or was not written for a while, or the table was
    materialized since, after which the UI takes a check for not evaluated."""
    if written is None or written.state != _verdict(finding):
        return True
    return now - written.at >= _EVALUATED_AGAIN or materialized > written.at


def last_materialized(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey]) -> dict[dg.AssetKey, float]:
    """When each asset was last materialized, whatever the day; seconds UTC."""
    entries = (record.asset_entry for record in instance.get_asset_records(list(assets)))
    return {
        entry.asset_key: entry.last_materialization_record.timestamp
        for entry in entries
        if entry.last_materialization_record is not None
    }


def _observation(key: dg.AssetKey, health: Health) -> dg.AssetObservation:
    return dg.AssetObservation(key, description=health.state, metadata={"state": health.state, **health.metadata})


def _passed(finding: Finding) -> bool:
    return finding.verdict.passed


def _verdict(finding: Finding) -> str:
    if finding.verdict.passed:
        return "passed"
    return "failed" if finding.verdict.severe else "warned"


def _check(finding: Finding) -> str:
    return f"{_name(finding.asset)}/{finding.check}"


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()
