"""The external assets' own state, written down where it changes."""

from __future__ import annotations

import time
from typing import Final

import dagster as dg
import msgspec

from liq_pipeline.dagster_defs.health import Health, look
from liq_pipeline.dagster_defs.resources import Line

_AGAIN_SECONDS: Final = 600.0
"""How often to write down what goes on as it did: Dagster keeps every observation for ever."""


class Written(msgspec.Struct):
    """What was last written of an asset or a check: its state, and when (seconds UTC)."""

    state: str
    at: float


class _Cursor(msgspec.Struct):
    observed: dict[str, Written] = {}


@dg.sensor(
    name="observed",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Writes down the state of each exchange's feed and of the landing zone in Redis when it changes, and every ten "
        "minutes while it is active."
    ),
)
def observed(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult:
    now = time.time()
    cursor = msgspec.json.decode(context.cursor, type=_Cursor) if context.cursor else _Cursor()
    found = look(line.servers().redis_url, line.settings().exchanges, int(now * 1000))
    news = {key: health for key, health in found.items() if is_news(health, cursor.observed.get(_name(key)), now)}
    cursor.observed |= {_name(key): Written(health.state, now) for key, health in news.items()}
    states = ", ".join(f"{_name(key)} {health.state}" for key, health in found.items())
    return dg.SensorResult(
        asset_events=[_observation(key, health) for key, health in news.items()],
        skip_reason=None if news else states,
        cursor=msgspec.json.encode(cursor).decode(),
    )


def is_news(health: Health, written: Written | None, now: float) -> bool:
    """Whether to write a state down: it changed, or is active and was not written for a while."""
    if written is None or written.state != health.state:
        return True
    return health.active and now - written.at >= _AGAIN_SECONDS


def _observation(key: dg.AssetKey, health: Health) -> dg.AssetObservation:
    return dg.AssetObservation(key, description=health.state, metadata={"state": health.state, **health.metadata})


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()
