"""liquidation_report: a day as one HTML file that needs nothing else to be opened."""

import time
from collections.abc import Iterator
from datetime import date
from typing import Final

import dagster as dg

from liq_pipeline import queries
from liq_pipeline import report as daily_report
from liq_pipeline.dagster_defs.assets.coverage import TABLES as COVERAGE
from liq_pipeline.dagster_defs.assets.detection import TABLES as DETECTION
from liq_pipeline.dagster_defs.assets.rollups import TABLES as ROLLUPS
from liq_pipeline.dagster_defs.partitions import daily, day_of
from liq_pipeline.dagster_defs.pictures import attach
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.dagster_defs.tables import OWNERS
from liq_pipeline.report.totals import Headline
from liq_pipeline.settings import Settings

CODE_VERSION: Final = "1"
REPORT: Final = "liquidation_report"


@dg.multi_asset(
    name=REPORT,
    specs=[
        dg.AssetSpec(
            REPORT,
            deps=[*DETECTION, *ROLLUPS, *COVERAGE],
            description=(
                "A day to read: one HTML file below LIQ_REPORT_DIR, as YYYY/MM/YYYY-MM-DD.html, with its numbers, "
                "figures, cascades and what was seen of each feed. It opens without a network, on a phone and on "
                "paper. The same data and settings make the same file, so a backfill rebuilds old ones; its last two "
                "weeks are those of the tables when it was made. Retention does not delete reports. "
                "`<data data-name=…>` in it holds every number exactly."
            ),
            group_name="reporting",
            kinds={"html"},
            owners=list(OWNERS),
            tags={"liq/layer": "reporting"},
            code_version=CODE_VERSION,
            partitions_def=daily,
        )
    ],
)
def liquidation_report(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
    """Write the report of each day of the run; one that is the same stays untouched."""
    settings, servers = line.settings(), line.servers()
    with queries.connect(settings, database_url=servers.database_url) as store:
        for key in context.partition_keys:
            started, day = time.perf_counter(), day_of(key)
            found = daily_report.gather(store, day)
            page = daily_report.render(found)
            changed = daily_report.write(settings, day, page)
            numbers = daily_report.headline(found)
            seconds = time.perf_counter() - started
            _tell(context, settings, day, page, numbers, seconds)
            attach(context, servers.database_url, REPORT, day, numbers.events, rewritten=changed)
    yield dg.MaterializeResult[None](asset_key=REPORT)


def _tell(
    context: dg.AssetExecutionContext, settings: Settings, day: date, page: str, numbers: Headline, seconds: float
) -> None:
    size, path = len(page.encode()), daily_report.path_of(settings, day)
    context.log.info(f"{day} in {seconds:.3f} s: {path}, {size:,} bytes, {numbers.events:,} events")
    context.add_asset_metadata(
        {
            "path": dg.MetadataValue.path(str(path)),
            "bytes": size,
            **{name: value if isinstance(value, int) else float(value) for name, value in numbers._asdict().items()},
            "total_usd_exact": str(numbers.usd),
            "seconds": round(seconds, 3),
        },
        asset_key=REPORT,
        partition_key=day.isoformat(),
    )
