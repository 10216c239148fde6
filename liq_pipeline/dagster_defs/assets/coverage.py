"""feed_gaps and feed_coverage: what of each feed's day was seen, and why not the rest."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import dagster as dg

from liq_pipeline.dagster_defs import columns, markdown, tables
from liq_pipeline.dagster_defs.assets.sources import CLAIMS
from liq_pipeline.dagster_defs.partitions import day_of
from liq_pipeline.dagster_defs.pictures import attach
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.warehouse import coverage as warehouse_coverage
from liq_pipeline.warehouse.coverage import CoverageReport, FeedDay
from liq_pipeline.warehouse.coverage_rules import THROTTLED, Gap
from liq_pipeline.warehouse.windows import utc

CODE_VERSION: Final = "1"
TABLES: Final = ("feed_gaps", "feed_coverage")
_SHOWN: Final = 50
"""Gaps in the metadata of a day; the table has them all."""


@dg.multi_asset(
    name="coverage",
    specs=[
        # Of a week's events before the day only their number counts, to tell a silent venue from a small one.
        tables.spec(
            table,
            group="observability",
            deps=[CLAIMS.to_user_string(), "liquidations_raw"],
            code_version=CODE_VERSION,
        )
        for table in TABLES
    ],
)
def coverage(context: dg.AssetExecutionContext, line: Line) -> Iterator[dg.MaterializeResult[None]]:
    """Keep what collectors claimed since the last run, and work out each day's coverage from all that is known."""
    settings, servers = line.settings(), line.servers()
    for key in context.partition_keys:
        started = time.perf_counter()
        now = time.time_ns() // 1_000_000
        report = warehouse_coverage.materialize(servers.database_url, servers.redis_url, day_of(key), settings, now)
        seconds = time.perf_counter() - started
        context.log.info(f"{key} in {seconds:.3f} s: {_said(report)}")
        if report.claims.absurd:
            context.log.error(
                f"{report.claims.absurd} claims of coverage in Redis are none that liq wrote and were left out: find "
                "who else writes to this Redis, or give liq one of its own in LIQ_REDIS_URL"
            )
        _tell(context, key, report, seconds)
        # Of a day on which nothing was collected, only imported, there is nothing to be seen.
        seen = any(_collected(feed) for feed in report.feeds)
        spans = sum(1 + len(feed.seen.gaps) for feed in report.feeds) if seen else 0
        attach(context, servers.database_url, "feed_coverage", day_of(key), spans, rewritten=True)
    for table in TABLES:
        yield dg.MaterializeResult[None](asset_key=table)


def _tell(context: dg.AssetExecutionContext, key: str, report: CoverageReport, seconds: float) -> None:
    gaps = [(feed.feed, gap) for feed in report.feeds for gap in feed.seen.gaps]
    rows = {"feed_gaps": len(gaps), "feed_coverage": len(report.feeds)}
    numbers: dict[str, dict[str, dg.RawMetadataValue]] = {
        "feed_gaps": {"gaps": gaps_table(gaps)},
        "feed_coverage": {
            "feeds": feeds_table(report.feeds),
            # One number a feed, which the UI plots over the days.
            **{f"coverage {feed.feed}": float(feed.coverage) for feed in report.feeds},
        },
    }
    for table in TABLES:
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": rows[table],
                **numbers[table],
                "measured_until": utc(report.until).isoformat(),
                "seconds": round(seconds, 3),
                "dagster/column_schema": columns.tables()[table].schema,
                "dagster/column_lineage": columns.lineage(table),
            },
            asset_key=table,
            partition_key=key,
        )


def gaps_table(gaps: Sequence[tuple[str, Gap]]) -> dg.MarkdownMetadataValue:
    """Gaps by time; if they are many, those in which something was missed come first, and the longest."""
    shown = sorted(gaps, key=lambda item: (item[1].reason == THROTTLED, item[1].start - item[1].end))[:_SHOWN]
    rows = [
        (
            *(feed, f"{utc(gap.start):%H:%M:%S}", f"{utc(gap.end):%H:%M:%S}", _duration(gap.end - gap.start)),
            *(gap.reason, f"{utc(gap.healed_at):%Y-%m-%d %H:%M}" if gap.healed_at else ""),
        )
        for feed, gap in sorted(shown, key=lambda item: (item[1].start, item[0]))
    ]
    text = markdown.table(("feed", "from", "to", "seconds", "reason", "healed at"), rows) if rows else "No gaps."
    more = len(gaps) - len(shown)
    return dg.MetadataValue.md(
        f"{text}\n\nThe longest, throttled ones last; {more} more are in the table." if more else text
    )


def feeds_table(feeds: Iterable[FeedDay]) -> dg.MarkdownMetadataValue:
    """The day's coverage, a line a feed."""
    rows = [
        (
            *(feed.feed, _percent(feed), _duration(feed.seen.healed), len(feed.seen.reducing)),
            *(_duration(feed.seen.longest), _duration(feed.seen.by_reason["throttled"]), f"{feed.event_count:,}"),
            ", ".join(feed.semantics),
        )
        for feed in feeds
    ]
    titles = ("feed", "covered", "healed s", "gaps", "longest s", "throttled s", "events", "publishes")
    return dg.MetadataValue.md(markdown.table(titles, rows))


def _percent(feed: FeedDay) -> str:
    return f"{100 * feed.coverage:.3f} %" if _collected(feed) else "never collected"


def _collected(feed: FeedDay) -> bool:
    return feed.uncollected < feed.seen.elapsed


def _said(report: CoverageReport) -> str:
    return ", ".join(f"{feed.feed} {_percent(feed)}" for feed in report.feeds)


def _duration(milliseconds: int) -> str:
    return f"{milliseconds / 1000:,.3f}".rstrip("0").rstrip(".")
