"""Two days of a market, materialized once for all that only ask, on each flavour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from liq_pipeline import queries
from liq_pipeline.queries import Store
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.queries.market import market, materialize
from liq_pipeline_tests.warehouse.making import KEEP, query
from liq_pipeline_tests.warehouse.test_days import land


@pytest.fixture(scope="package", params=["plain", "timescaledb"])
def made_url(request: pytest.FixtureRequest, postgres_server: str, timescaledb_version: str | None) -> Iterator[str]:
    """A database with the market and some coverage: not to be changed."""
    with_timescaledb = request.param == "timescaledb"
    if with_timescaledb and timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    with fresh_database(postgres_server) as url:
        migrate(url, plain=not with_timescaledb)
        land(url, market())
        materialize(url)
        query(
            url,
            "INSERT INTO feed_coverage (exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds,"
            " event_count, complete, feed_semantics) VALUES"
            " ('binance', '2025-12-10', 43200, 0.5, 2, 43000, 7, false, 'throttled-1s-latest'),"
            " ('okx', '2025-12-10', 86400, 1, 0, 0, 8, true, 'complete')",
        )
        query(
            url,
            "INSERT INTO feed_gaps VALUES"
            " ('binance', '2025-12-10 01:00+00', '2025-12-10 02:30+00', 'down', NULL),"
            " ('binance', '2025-12-10 11:00+00', '2025-12-10 11:00:10+00', 'silent', '2025-12-10 13:00+00')",
        )
        yield url


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    with queries.connect(KEEP, database_url=made_url) as store:
        yield store
