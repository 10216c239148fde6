"""How a table appears as an asset, and what is reported about a day of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import dagster as dg
from psycopg import sql

from liq_pipeline.dagster_defs import columns
from liq_pipeline.dagster_defs.descriptions import described
from liq_pipeline.dagster_defs.partitions import daily, window
from liq_pipeline.warehouse.connection import READER, connect

OWNERS: Final = ("team:data-platform",)
FORCE_TAG: Final = "liq/force"
"""A run with this tag, "true", rewrites its days even where version and settings are unchanged."""

_TOTALS: Final = Path(__file__).with_name("day_totals.sql").read_text("utf-8")


class Measure(NamedTuple):
    """The columns of a table that place a row in time and say how many events and USD it stands for."""

    time: str
    events: str
    usd: str


MEASURES: Final = {
    "liquidations_raw": Measure("time", "1", "value_usd"),
    "liquidations": Measure("time", "1", "value_usd"),
    "liquidations_significant": Measure("time", "1", "value_usd"),
    "liquidation_cascades": Measure("cascade_start", "event_count", "total_value_usd"),
    "liquidations_hourly": Measure("hour", "event_count", "total_value_usd"),
    "liquidation_price_levels": Measure("hour", "liquidation_count", "total_value_usd"),
    "liquidation_exchange_comparison": Measure("period", "event_count", "total_value_usd"),
}


class Totals(NamedTuple):
    """A day of a table: its rows, the events and exact USD they stand for, and the first and last event time."""

    rows: int
    events: int
    usd: Decimal
    first: str | None
    last: str | None


def spec(table: str, *, group: str, deps: Sequence[str], code_version: str) -> dg.AssetSpec:
    """The asset of a table, described by the comments of its SQL."""
    declared = columns.tables()[table]
    return dg.AssetSpec(
        table,
        deps=list(deps),
        description=described(table, declared.description),
        group_name=group,
        kinds={"postgres", "timescaledb"},
        owners=list(OWNERS),
        tags={"liq/layer": group},
        code_version=code_version,
        partitions_def=daily,
        metadata={
            "dagster/table_name": f"public.{table}",
            "dagster/column_schema": declared.schema,
            "dagster/column_lineage": columns.lineage(table),
        },
    )


def forced(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was asked to rewrite what is up to date."""
    return context.run.tags.get(FORCE_TAG) == "true"


def totals(database_url: str, table: str, day: date) -> Totals:
    """What a day of a table holds now."""
    measure = MEASURES[table]
    query = sql.SQL(_TOTALS).format(
        table=sql.Identifier(table),
        time=sql.Identifier(measure.time),
        events=sql.SQL("1") if measure.events == "1" else sql.Identifier(measure.events),
        usd=sql.Identifier(measure.usd),
    )
    start, end = window(day)
    with connect(database_url, role=READER) as connection:
        row = connection.execute(query, {"start": start, "end": end}).fetchone()
    assert row is not None
    return Totals(int(row[0]), int(row[1]), row[2], *(value and value.isoformat() for value in row[3:]))


def report(context: dg.AssetExecutionContext, table: str, day: date, totals: Totals, seconds: float) -> None:
    """Attach a day's numbers to the materialization of that day; a run may hold several days."""
    start, end = window(day)
    context.add_asset_metadata(
        {
            "dagster/partition_row_count": totals.rows,
            "events": totals.events,
            "total_usd": float(totals.usd),
            "total_usd_exact": str(totals.usd),
            "window_start": start.isoformat(),
            "window_end": end.isoformat(),
            "first_time": totals.first or "none",
            "last_time": totals.last or "none",
            "seconds": round(seconds, 3),
            "dagster/column_schema": columns.tables()[table].schema,
            "dagster/column_lineage": columns.lineage(table),
        },
        asset_key=table,
        partition_key=day.isoformat(),
    )
