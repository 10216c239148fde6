"""Tables are a function of the raw rows and the settings: the order of landing and materializing leaves no trace."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.exchanges.binance import from_force_order_row
from liq_pipeline.settings import Settings
from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import rollups
from liq_pipeline.warehouse.days import materialize_events, stale_days
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline_tests.line import tables

FIRST_DAY = date(2025, 3, 7)
NOON = 1_741_348_800_000  # of FIRST_DAY
HOUR = 3_600_000
# Windows of an hour, so that a cascade over two midnights needs few events.
SLOW = Settings(retention_days=0, cascade_window_seconds=3600, cascade_min_events=3)
EMPTY = (
    "TRUNCATE liquidations_raw, day_state, liquidations, liquidations_significant, liquidation_cascades,"
    " liquidations_hourly, liquidation_price_levels, liquidation_exchange_comparison, rollup_state"
)


def _entry(symbol: str, time: int, price: str) -> Entry:
    liquidation = from_force_order_row(symbol, "SELL", price, price, "1000", time)
    return Entry(liquidation, time, "stream", b"{}")


def _events(seed: int) -> list[Entry]:
    """BTC falls for forty hours without an hour's rest; ETH has cascades over both midnights, and quiet hours."""
    draw = random.Random(seed)
    bitcoin = [_entry("BTCUSDT", NOON + index * 20 * 60_000, f"{80_000 - index}") for index in range(120)]
    ether = [
        _entry("ETHUSDT", NOON + midnight + draw.randrange(-2 * HOUR, 2 * HOUR), f"{draw.randrange(2000, 2100)}")
        for midnight in (12 * HOUR, 36 * HOUR)
        for _ in range(12)
    ]
    alone = [_entry("SOLUSDT", NOON + draw.randrange(48 * HOUR), "150.5") for _ in range(10)]
    return [*bitcoin, *ether, *alone]


def _empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(EMPTY)


def _land(url: str, entries: Sequence[Entry]) -> None:
    with psycopg.connect(url) as connection:
        insert_rows(connection, entries)


def _materialize(url: str, day: date) -> None:
    materialize_events(url, day, SLOW)
    for table in rollups.TABLES:
        rollups.materialize(url, table, day, SLOW)


def _settle(url: str) -> None:
    """Re-run stale days until there are none, as the sensor does."""
    for _ in range(6):
        stale = stale_days(url, SLOW)
        if not stale:
            return
        for day, _reason in stale:
            _materialize(url, day)
    raise AssertionError(f"days stay stale: {stale}")


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    seed=st.integers(0, 99),
    steps=st.lists(st.integers(0, 2) | st.sampled_from(["land", "settle"]), min_size=3, max_size=10),
)
def test_any_order_of_landing_and_materializing_gives_the_same_rows(
    warehouse_url: str, seed: int, steps: list[int | str]
) -> None:
    entries = _events(seed)
    _empty(warehouse_url)
    _land(warehouse_url, entries)
    _settle(warehouse_url)
    in_order = tables.contents(warehouse_url)
    assert any(row["duration_seconds"] > 86_400 for row in in_order["liquidation_cascades"])

    _empty(warehouse_url)
    shuffled = random.Random(seed).sample(entries, len(entries))
    landings = steps.count("land") + 1
    parts = [shuffled[part::landings] for part in range(landings)]
    _land(warehouse_url, parts.pop())
    for step in steps:
        if step == "land":
            _land(warehouse_url, parts.pop())
        elif step == "settle":
            _settle(warehouse_url)
        else:
            _materialize(warehouse_url, FIRST_DAY + timedelta(days=int(step)))
    _settle(warehouse_url)
    assert tables.contents(warehouse_url) == in_order


@pytest.mark.parametrize("force", [False, True])
def test_materializing_a_settled_day_again_gives_the_same_rows(warehouse_url: str, force: bool) -> None:
    _land(warehouse_url, _events(1))
    _settle(warehouse_url)
    settled = tables.contents(warehouse_url)
    for day in (2, 0, 1):
        report = materialize_events(warehouse_url, FIRST_DAY + timedelta(days=day), SLOW, force=force)
        assert report.rewritten == force
    assert tables.contents(warehouse_url) == settled
    _settle(warehouse_url)
    assert tables.contents(warehouse_url) == settled
