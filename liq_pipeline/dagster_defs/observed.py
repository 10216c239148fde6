"""The external assets' own state and the checks about now, written down where they change, without a run."""

from __future__ import annotations

import time
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


class Written(msgspec.Struct):
    """What was last written of an asset or a check: its state, and when (seconds UTC)."""

    state: str
    at: float


class _Cursor(msgspec.Struct):
    observed: dict[str, Written] = {}
    evaluated: dict[str, Written] = {}


@dg.sensor(
    name="observed",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Writes down the state of each exchange's feed, of the landing zone in Redis and of the live view when it "
        "changes, and every ten minutes while it is active; and the checks fresh, alive and collected when their "
        "verdict changes, and every hour."
    ),
)
def observed(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    settings, servers, now = line.settings(), line.servers(), time.time()
    cursor = msgspec.json.decode(context.cursor, type=_Cursor) if context.cursor else _Cursor()
    found = look(servers.redis_url, settings.exchanges, int(now * 1000))
    news = {key: health for key, health in found.items() if is_news(health, cursor.observed.get(_name(key)), now)}
    findings = freshness.evaluate(settings, servers.database_url, servers.redis_url)
    verdicts = [item for item in findings if is_new_verdict(item, cursor.evaluated.get(_check(item)), now)]
    cursor.observed |= {_name(key): Written(health.state, now) for key, health in news.items()}
    cursor.evaluated |= {_check(finding): Written(_verdict(finding), now) for finding in verdicts}
    failing = "".join(f"; {_check(item)}: {item.verdict.description}" for item in findings if not item.verdict.passed)
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


def is_new_verdict(finding: Finding, written: Written | None, now: float) -> bool:
    """Whether to write an evaluation down: the verdict changed, or was not written for a while."""
    return written is None or written.state != _verdict(finding) or now - written.at >= _EVALUATED_AGAIN


def _observation(key: dg.AssetKey, health: Health) -> dg.AssetObservation:
    return dg.AssetObservation(key, description=health.state, metadata={"state": health.state, **health.metadata})


def _verdict(finding: Finding) -> str:
    if finding.verdict.passed:
        return "passed"
    return "failed" if finding.verdict.severe else "warned"


def _check(finding: Finding) -> str:
    return f"{_name(finding.asset)}/{finding.check}"


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()
