"""The one partitioning: UTC days, today included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from liq_pipeline.settings import load_settings

daily = dg.DailyPartitionsDefinition(
    start_date=load_settings().start_date.isoformat(),
    # Without it the newest partition is yesterday's, and today could not be materialized.
    end_offset=1,
)


def day_of(partition_key: str) -> date:
    """The UTC day a partition key names."""
    return date.fromisoformat(partition_key)


def window(day: date) -> tuple[datetime, datetime]:
    """The half-open UTC span of a day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + timedelta(days=1)
