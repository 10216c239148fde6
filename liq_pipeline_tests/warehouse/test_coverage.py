"""What is kept of claims and heals, and the days' coverage that is made of it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from liq_pipeline.warehouse import coverage
from liq_pipeline.warehouse.connection import LOADER, connect
from liq_pipeline_tests.warehouse.making import DAY, NOON, query

HOUR = 3_600_000


def test_a_heal_is_noted_once_and_makes_the_days_it_touches_stale(warehouse_url: str) -> None:
    for later in (0, HOUR):
        with connect(warehouse_url, role=LOADER) as connection:
            coverage.record_heal(connection, "okx", NOON, NOON + 13 * HOUR, NOON + 14 * HOUR + later)
    healed_at = datetime.fromtimestamp((NOON + 14 * HOUR) / 1000, UTC)
    assert query(warehouse_url, "SELECT feed, healed_at FROM feed_heals") == [("okx", healed_at)]
    days = query(warehouse_url, "SELECT day, version, materialized_version FROM coverage_state ORDER BY day")
    assert days == [(DAY, 1, None), (date(2025, 12, 11), 1, None)]
