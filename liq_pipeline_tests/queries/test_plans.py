"""No query reads more than it has to: sums from sums, events one by one only in the span that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from liq_pipeline import queries
from liq_pipeline.queries import QUERIES, Query, Span, Store
from liq_pipeline.queries.store import Row
from liq_pipeline.warehouse import rollups
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import DAY, KEEP, query

DAYS = 12
FIRST = DAY - timedelta(DAYS - 1)
ALL = Span.days(FIRST, DAY)
ONE_BY_ONE = {"largest", "minutes"}
"""May look into liquidations, here into the one day that was asked for or has the largest."""
ASKED = [query for query in QUERIES.values() if query.server == "database"]


@pytest.fixture(scope="module")
def chunked_url(postgres_server: str, timescaledb_version: str | None) -> Iterator[str]:
    """Some days with an hour of events each, and their sums."""
    if timescaledb_version is None:
        pytest.skip("this PostgreSQL has no TimescaleDB; set LIQ_TEST_DATABASE_URL to one that has")
    with fresh_database(postgres_server) as url:
        migrate(url)
        days = f"generate_series(timestamptz '{FIRST} 12:00+00', timestamptz '{DAY} 12:00+00', interval '1 day') AS day"
        events = f"{days}, generate_series(0, 99) AS n"
        query(
            url,
            "INSERT INTO liquidations SELECT day + n * interval '30 s', gen_random_uuid(), 'okx', 'linear', 'BTCUSDT',"
            " 'BTCUSDT', 'LONG', 90000, 'fill', 1, 1000 * extract(day FROM day) + n, NULL, day, 'stream', 'complete',"
            f" false, NULL, NULL, false, 90000 FROM {events}",
        )
        query(
            url,
            "INSERT INTO liquidations_raw SELECT time, event_id, exchange, market, contract, symbol, side, price,"
            " price_kind, quantity, value_usd, NULL, time, source, feed_semantics, 1, 0, '{}' FROM liquidations",
        )
        query(
            url,
            "INSERT INTO liquidation_totals SELECT date_trunc('hour', time), exchange, side, count(*), sum(value_usd),"
            " max(value_usd), 0, 0, 0, NULL, 0 FROM liquidations GROUP BY 1, 2, 3",
        )
        with connect(url, autocommit=True) as connection:
            for table in rollups.TABLES:
                connection.execute("CALL refresh_continuous_aggregate(%s, NULL, NULL)", (table,))
            connection.execute("ANALYZE")
        yield url


@pytest.fixture
def plans(chunked_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, list[Any]]]:
    """A store, and the plans of all it was asked, as they were run."""
    found: list[Any] = []
    answer = Store.rows

    def explaining(store: Store, statement: Any, values: Any = None) -> list[Row]:
        ((plan,),) = answer(store, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
        found.append(plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"])
        return answer(store, statement, values)

    monkeypatch.setattr(Store, "rows", explaining)
    with queries.connect(KEEP, database_url=chunked_url) as store:
        yield store, found


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read(plan: Any, chunks: dict[str, str], table: str) -> set[str]:
    """The chunks of a table of ours that were read."""
    names = (node.get("Relation Name", "") for node in nodes(plan) if node.get("Actual Loops"))
    return {name for name in names if chunks.get(name) == table}


def asked(query: Query, span: Span) -> Iterator[dict[str, Any]]:
    for symbol in ("BTCUSDT", None) if "symbol" in query.accepts else (None,):
        if symbol or "symbol" not in query.needs:
            limit = {"limit": 1} if query.name == "largest" else {}
            yield limit | {"span": span} | ({"symbol": symbol} if symbol else {})


@pytest.mark.parametrize("question", ASKED, ids=lambda question: question.name)
def test_a_query_scans_no_events_but_those_it_is_asked_for(
    question: Query, plans: tuple[Store, list[Any]], chunked_url: str
) -> None:
    chunks = dict[str, str](
        query(chunked_url, "SELECT chunk_name::text, hypertable_name::text FROM timescaledb_information.chunks")  # type: ignore[arg-type]
    )
    store, found = plans
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    for values in asked(question, Span(noon, noon + timedelta(hours=1)) if question.name == "minutes" else ALL):
        question.function(store, **values)
    assert found
    for plan in found:
        assert not read(plan, chunks, "liquidations_raw")
        assert len(read(plan, chunks, "liquidations")) == (question.name in ONE_BY_ONE)
