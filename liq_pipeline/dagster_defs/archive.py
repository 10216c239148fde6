"""The archive as Dagster sees it: which days have files, and runs for those whose files are not imported."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import msgspec

from liq_pipeline.archive.progress import State
from liq_pipeline.archive.scan import Found, named
from liq_pipeline.archive.survey import Survey, survey
from liq_pipeline.dagster_defs.assets.sources import ARCHIVE
from liq_pipeline.dagster_defs.jobs import daily_tables
from liq_pipeline.dagster_defs.requests import archive_requests
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.sensors import day_runs, days_under_way
from liq_pipeline.errors import SettingsError

_DATA_VERSION: Final = "dagster/data_version"
_REPORTS_A_TICK: Final = 50
_NAMED: Final = 5
"""How many problems a tick names; `liq archive status` names all of them."""
_SHARE: Final = 20
"""Looking at the archive takes at most one part in so many of the time, however large it is or slow its disk."""


class _Cursor(msgspec.Struct):
    asked: dict[str, str] = {}
    """By day the fingerprint of the files it was asked for with."""
    rest_until: float = 0.0
    """Seconds UTC."""


@dg.sensor(
    job=daily_tables,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks below LIQ_ARCHIVE_DIR, reports which days have files, and runs the days whose files are not imported, "
        "a few at a time."
    ),
)
def archive_files(context: dg.SensorEvaluationContext, line: Line) -> dg.SensorResult | dg.SkipReason:
    settings, now = line.settings(), time.time()
    if settings.archive_dir is None:
        return dg.SkipReason("LIQ_ARCHIVE_DIR is not set")
    cursor = msgspec.json.decode(context.cursor, type=_Cursor) if context.cursor else _Cursor()
    if now < cursor.rest_until:
        return dg.SkipReason(f"the archive is large: the next look at it is in {cursor.rest_until - now:.0f} s")
    try:
        found = survey(settings.archive_dir, settings, line.servers().database_url, now)
    except SettingsError as error:
        return dg.SkipReason(str(error))
    at = datetime.fromtimestamp(now, UTC)
    waiting = [standing.file for standing in found.of(State.WAITING)]
    under_way = days_under_way(context.instance) if waiting else ()
    due, cursor.asked = archive_requests(waiting, cursor.asked, under_way, at)
    files = (standing.file for standing in found.standings)
    partitions = (file for file in files if settings.start_date <= file.place.day <= at.date())
    events = reports(partitions, reported_versions(context.instance))[:_REPORTS_A_TICK]
    cursor.rest_until = now + _SHARE * (time.time() - now)
    return dg.SensorResult(
        run_requests=day_runs(due),
        skip_reason=None if due else summary(found),
        cursor=msgspec.json.encode(cursor).decode(),
        asset_events=events,
    )


def reported_versions(instance: dg.DagsterInstance) -> dict[str, str]:
    """By day the version of its files that was reported last."""
    latest = instance.event_log_storage.get_latest_tags_by_partition(
        ARCHIVE, dg.DagsterEventType.ASSET_MATERIALIZATION, [_DATA_VERSION]
    )
    return {day: tags[_DATA_VERSION] for day, tags in latest.items() if _DATA_VERSION in tags}


def reports(files: Iterable[Found], reported: dict[str, str]) -> list[dg.AssetMaterialization]:
    """One for each day whose files are not those that were reported, days whose files have all gone included."""
    by_day: dict[str, list[Found]] = {day: [] for day in reported}
    for file in files:
        by_day.setdefault(file.place.day.isoformat(), []).append(file)
    versions = {day: _version(of_day) for day, of_day in by_day.items()}
    return [
        _report(day, of_day, versions[day])
        for day, of_day in sorted(by_day.items())
        if versions[day] != reported.get(day)
    ]


def _version(files: Sequence[Found]) -> str:
    text = "|".join(f"{file.path}|{file.size}|{file.modified_ns}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _report(day: str, files: Sequence[Found], version: str) -> dg.AssetMaterialization:
    formats = Counter(file.place.format for file in files)
    return dg.AssetMaterialization(
        ARCHIVE,
        partition=day,
        description=f"{len(files)} files" if files else "no files any more",
        metadata={
            "files": len(files),
            "bytes": sum(file.size for file in files),
            **{f"{name} files": count for name, count in sorted(formats.items())},
        },
        tags={_DATA_VERSION: version},
    )


def summary(found: Survey) -> str:
    """What there is, and everything a person has to mend, the first few by name."""
    states = Counter(standing.state for standing in found.standings)
    counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    # Of settings that exclude many days, one sentence is enough.
    excluded = [standing.reason for standing in found.of(State.EXCLUDED)][:1]
    wrong = [*(named(*problem) for problem in found.to_mend()), *excluded]
    first = "; ".join(wrong[:_NAMED])
    more = f"; and {len(wrong) - _NAMED} more, see `liq archive status`" if len(wrong) > _NAMED else ""
    return f"{len(found.standings)} files: {counts or 'none'}" + (f". To mend: {first}{more}" if wrong else "")
