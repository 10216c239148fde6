"""What an incident says: pure, so that the wording is tested without anything breaking."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import quote

from liq_pipeline.dagster_defs.event_log import CheckSeen, RunEnded
from liq_pipeline.warehouse.alerting import CascadeAlert, Incident

_REASON: Final = 500
_MANUAL: Final = "__ASSET_JOB"
"""Dagster's name for the job of a click on Materialize."""


def check_key(seen: CheckSeen) -> str:
    """What an evaluation counts for or against: one check of one partition."""
    return f"check:{seen.asset}/{seen.check}/{seen.partition}"


def run_key(job: str, partition: str) -> str:
    """What a run counts for or against: one job and one partition."""
    return f"run:{job}/{partition}"


def healed_keys(run: RunEnded) -> list[str]:
    """What the success of a run heals; the job of all tables also what a click on one of them began."""
    jobs = [run.job, _MANUAL] if run.job == "daily_tables" else [run.job]
    return [run_key(job, run.partition) for job in jobs]


def check_failed(seen: CheckSeen) -> Incident:
    """A check that did not pass, with the values it saw."""
    values = ", ".join(f"{name} {value}" for name, value in seen.seen.items())
    asset = f"/assets/{quote(seen.asset)}"
    return Incident(
        check_key(seen),
        at(seen.at),
        seen.severity,
        f"{seen.asset}/{seen.check}{_of(seen.partition)}",
        f"{seen.description or 'did not pass'}{f' (seen: {values})' if values else ''}",
        (
            f"{asset}?view=checks&checkDetail={quote(seen.check)}",
            *((f"{asset}?view=partitions&partition={quote(seen.partition)}",) if seen.partition else ()),
            *((f"/runs/{seen.run_id}",) if seen.run_id else ()),
        ),
        _day(seen.partition),
    )


def run_failed(run: RunEnded) -> Incident:
    """A run that failed of itself, or was interrupted."""
    what = "materialization by hand" if run.job == _MANUAL else f"run of {run.job}"
    text = run.reason if len(run.reason) <= _REASON else f"{run.reason[:_REASON]}…"
    if run.outcome == "interrupted":
        text = f"interrupted, and asked for again without success since: {text}"
    return Incident(
        run_key(run.job, run.partition),
        at(run.at),
        "ERROR",
        f"{what}{_of(run.partition)}",
        text,
        (f"/runs/{run.run_id}",),
        _day(run.partition),
    )


def cascade_told(alert: CascadeAlert) -> tuple[str, str, tuple[str, ...], date]:
    """Subject, text, links and day of a cascade that reached a level."""
    level = f"{alert.level:,.0f} USD" if alert.kind == "usd" else f"risk {alert.level:f}"
    day = alert.cascade_start.astimezone(UTC).date()
    text = (
        f"{alert.total_value_usd:,.0f} USD in {alert.event_count} liquidations from "
        f"{alert.cascade_start:%H:%M:%S} to {alert.cascade_end:%H:%M:%S} UTC on {', '.join(alert.exchanges)}, "
        f"risk {alert.risk:f}"
    )
    link = f"/assets/liquidation_cascades?view=partitions&partition={day}"
    return f"{alert.symbol} cascade above {level}", text, (link,), day


def at(seconds: float) -> datetime:
    """UTC of seconds since 1970, as Dagster's events have them."""
    return datetime.fromtimestamp(seconds, UTC)


def _of(partition: str) -> str:
    return f" of {partition}" if partition else ""


def _day(partition: str) -> date | None:
    try:
        return date.fromisoformat(partition)
    except ValueError:
        return None
