"""liquidations_raw: what was landed, moved from Redis to the database, and the archive's files."""

import time
from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg

from liq_pipeline.archive.landing import DayImport, import_day
from liq_pipeline.archive.scan import named
from liq_pipeline.dagster_defs import tables
from liq_pipeline.dagster_defs.assets.sources import ARCHIVE, LANDING_ZONE
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.embedded.servers import Servers
from liq_pipeline.errors import ImportRefusedError, SettingsError
from liq_pipeline.liquidation import PARSER_VERSION
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import loader


@dg.multi_asset(
    name="liquidations_raw",
    specs=[
        tables.spec(
            "liquidations_raw",
            group="landing",
            deps=[LANDING_ZONE.to_user_string(), ARCHIVE.to_user_string()],
            code_version=f"parser-{PARSER_VERSION}",
        )
    ],
)
def liquidations_raw(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
    """Import the archive's files of the run's days, drain everything landed before the run began, report the days.

    Deletes nothing. Files that are refused now fail the run once all others are landed. After that they are named by
    every run of their day, and tried again by those that a person asked for.
    """
    settings, servers = line.settings(), line.servers()
    days = [day_of(key) for key in context.partition_keys]
    imported = _import(context, days, settings, servers)
    started = time.perf_counter()
    drained = loader.drain(servers.database_url, servers.redis_url, settings)
    seconds = time.perf_counter() - started
    context.log.info(f"drained the landing zone in {seconds:.3f} s: {drained}")
    if drained.robbed:
        context.log.error(
            f"entries were deleted from {', '.join(drained.robbed)} before the database had them, and not by liq: "
            "find who else writes to this Redis, or give liq one of its own in LIQ_REDIS_URL"
        )
    if refused := [named(file.path, file.reason) for report in imported for file in report.refused if not file.known]:
        raise ImportRefusedError("; ".join(refused))
    for day in days:
        tables.report(
            context, "liquidations_raw", day, tables.totals(servers.database_url, "liquidations_raw", day), seconds
        )
    yield dg.MaterializeResult[None](asset_key="liquidations_raw")


def _import(
    context: dg.AssetExecutionContext, days: Sequence[date], settings: Settings, servers: Servers
) -> list[DayImport]:
    if settings.archive_dir is None:
        return []
    by_hand = not {"dagster/sensor_name", "dagster/schedule_name"} & context.run.tags.keys()
    again = tables.forced(context)
    reports = []
    for day in days:
        try:
            report = import_day(settings.archive_dir, day, settings, servers.database_url, retry=by_hand, again=again)
        except SettingsError as error:
            # What is collected live does not wait for a disk that is not mounted.
            context.log.error(str(error))
            return []
        _tell(context, day, report)
        reports.append(report)
    return reports


def _tell(context: dg.AssetExecutionContext, day: date, report: DayImport) -> None:
    if not report.files:
        return
    context.log.info(
        f"{day}: imported {report.imported} of {report.files} files of the archive: {report.new} rows new, "
        f"{report.duplicate} there before, {report.rejected} rejected, {report.excluded} of other days excluded"
    )
    for file in report.refused:
        context.log.error(named(file.path, file.reason))
    if report.being_written:
        context.log.warning(f"left for later, as still being written: {', '.join(report.being_written)}")
    context.add_asset_metadata(
        {
            "archive_files": report.files,
            "archive_files_imported_now": report.imported,
            "archive_rows_new": report.new,
            "archive_rows_duplicate": report.duplicate,
            "archive_rows_rejected": report.rejected,
            "archive_files_refused": [named(file.path, file.reason) for file in report.refused],
        },
        asset_key="liquidations_raw",
        partition_key=day.isoformat(),
    )
