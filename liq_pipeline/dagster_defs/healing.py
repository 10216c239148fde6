"""The op that heals feeds from their venues' history."""

import time
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from liq_pipeline import exchanges
from liq_pipeline.dagster_defs import markdown
from liq_pipeline.dagster_defs.assets.sources import exchange_key
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.embedded.demo import history_late_ms, refuse_real_venues
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.errors import VenueError
from liq_pipeline.healing.gaps import Gap
from liq_pipeline.healing.heal import HealReport, heal_gaps, heal_span
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.day_state import refusal


class Heal(dg.Config):
    """What to ask for: a whole UTC day such as 2026-11-22, gaps or not; or, by default, every gap there is."""

    day: str = ""


@dg.op(
    description=(
        "Fetch what was missed from the history of each venue of LIQ_EXCHANGES that publishes one, land it, and write "
        "down which gaps that filled. Repeating it lands nothing twice."
    )
)
def heal_feeds(context: dg.OpExecutionContext, config: Heal, line: Line) -> None:
    settings, servers = line.settings(), line.servers()
    day = date.fromisoformat(config.day) if config.day else None
    if day is not None and (reason := refusal(day, settings)):
        context.log.info(f"nothing of {day} is fetched, as it could not land: {reason}")
        return
    failures = []
    for feed in settings.exchanges:
        if exchanges.history(feed) is None:
            continue
        refuse_real_venues(settings, [feed])
        try:
            report = _heal(feed, settings, servers, day)
        except VenueError as error:
            # The other venues are healed all the same.
            context.log.error(str(error))
            failures.append(str(error))
            continue
        if report is None:
            context.log.info(f"{feed}: no gap that its history could fill")
            continue
        for problem in report.problems:
            context.log.warning(f"{feed}: {problem}")
        context.log_event(dg.AssetObservation(asset_key=exchange_key(feed), metadata=_metadata(report)))
    if failures:
        raise VenueError("; ".join(failures))


def _heal(feed: str, settings: Settings, servers: Servers, day: date | None) -> HealReport | None:
    now, history = time.time_ns() // 1_000_000, exchanges.history(feed)
    assert history is not None
    late_ms = history_late_ms(settings, history)
    if day is None:
        return heal_gaps(feed, settings, servers.database_url, servers.redis_url, now=now, late_ms=late_ms)
    start, end = (int(datetime(*at.timetuple()[:3], tzinfo=UTC).timestamp()) * 1000 for at in (day, _after(day)))
    return heal_span(feed, settings, servers.database_url, servers.redis_url, start, end, now=now, late_ms=late_ms)


def _after(day: date) -> date:
    return day + timedelta(days=1)


def _metadata(report: HealReport) -> dict[str, dg.MetadataValue]:
    values = {
        "asked_from": dg.MetadataValue.timestamp(report.span.start / 1000),
        "asked_to": dg.MetadataValue.timestamp(report.span.end / 1000),
        "requests": dg.MetadataValue.int(report.requests),
        "rows": dg.MetadataValue.int(report.rows),
        "landed_in_gaps": dg.MetadataValue.int(report.in_gaps),
        "landed_though_covered": dg.MetadataValue.int(report.missed),
        "rejected": dg.MetadataValue.int(report.rejected),
        "healed": dg.MetadataValue.md(_listed(report.healed)),
        "not_healed": dg.MetadataValue.md(_listed(report.waiting)),
        "problems": dg.MetadataValue.text("; ".join(report.problems) or "none"),
    }
    return dict(values)


def _listed(gaps: list[Gap]) -> str:
    """At most 20 of the gaps, as a table."""
    if not gaps:
        return "none"
    rows = [(_utc(gap.start), f"{(gap.end - gap.start) / 1000:,.1f}") for gap in gaps[:20]]
    shown = markdown.table(("from (UTC)", "seconds"), rows)
    return f"{shown}\n\nand {len(gaps) - 20:,} more" if len(gaps) > 20 else shown


def _utc(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
