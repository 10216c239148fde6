"""Where queries ask: as whom, what it may do, and what it says when it cannot."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from liq_pipeline import queries
from liq_pipeline.errors import QueryError, SchemaError, ServerError
from liq_pipeline.queries import Span
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.queries.market import BOTH
from liq_pipeline_tests.warehouse.making import KEEP, query


def test_it_asks_as_the_reader_in_utc_and_cannot_write(made_url: str) -> None:
    with queries.connect(KEEP, database_url=made_url) as store:
        assert store.rows("SELECT current_user::text, current_setting('TimeZone')") == [("liq_reader", "UTC")]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            store.rows("CREATE TEMPORARY TABLE mine (one integer)")


def test_a_connection_that_was_lost_is_said_once_and_made_again(made_url: str) -> None:
    with queries.connect(KEEP, database_url=made_url) as store:
        ((pid,),) = store.rows("SELECT pg_backend_pid()")
        query(made_url, "SELECT pg_terminate_backend(%s)", pid)
        with pytest.raises(ServerError, match="PostgreSQL at"):
            store.rows("SELECT 1")
        assert store.rows("SELECT 1") == [(1,)]


def test_a_snapshot_sees_nothing_newer(database_url: str) -> None:
    migrate(database_url, plain=True)
    with queries.connect(KEEP, database_url=database_url) as store:
        with store.snapshot():
            assert queries.coverage(store, BOTH).is_empty()
            query(
                database_url,
                "INSERT INTO feed_coverage (exchange, day, covered_seconds, coverage, gap_count, longest_gap_seconds,"
                " event_count, complete) VALUES ('okx', '2025-12-10', 1, 1, 0, 0, 8, true)",
            )
            assert queries.coverage(store, BOTH).is_empty()
        assert len(queries.coverage(store, BOTH)) == 1


def test_without_tables_answers_are_empty_and_older_tables_are_an_error(database_url: str) -> None:
    with queries.connect(KEEP, database_url=database_url) as store:
        assert queries.cascades(store, BOTH).columns == [column.name for column in queries.COLUMNS["cascades"]]
        migrate(database_url, plain=True)
        query(database_url, "DROP TABLE feed_gaps")
        with pytest.raises(SchemaError, match="liq migrate"):
            queries.gaps(store, BOTH)


def test_a_user_who_may_not_read_is_told_what_to_grant(made_url: str) -> None:
    user = f"nobody_{urlsplit(made_url).path[1:]}"
    query(made_url, f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
    try:
        parts = urlsplit(made_url)
        address = f"{user}:secret@{parts.hostname}:{parts.port}"
        with (
            queries.connect(KEEP, database_url=urlunsplit(parts._replace(netloc=address))) as store,
            pytest.raises(ServerError, match="GRANT liq_reader"),
        ):
            queries.gaps(store, BOTH)
    finally:
        query(made_url, f"DROP ROLE {user}")


def test_without_servers_the_fix_is_named(tmp_path: Path) -> None:
    with queries.connect(Settings(home=tmp_path)) as store:
        with pytest.raises(ServerError, match="liq up"):
            queries.gaps(store, BOTH)
        with pytest.raises(ServerError, match="liq up"):
            queries.feeds(store)


def test_spans_are_utc_and_half_open() -> None:
    day = Span.day(date(2025, 12, 10))
    assert (day.start, day.end) == (datetime(2025, 12, 10, tzinfo=UTC), datetime(2025, 12, 11, tzinfo=UTC))
    assert (day.first_day, day.last_day, str(day)) == (date(2025, 12, 10), date(2025, 12, 10), "2025-12-10 UTC")
    tokyo = Span(datetime.fromisoformat("2025-12-10T09:00+09:00"), datetime.fromisoformat("2025-12-11T09:00+09:00"))
    assert tokyo == day
    assert str(Span.last(2, now=day.end)) == "2025-12-10 22:00 to 2025-12-11 00:00 UTC"


def test_a_span_without_a_zone_or_backwards_is_refused() -> None:
    with pytest.raises(QueryError, match="time zone"):
        Span(datetime(2025, 12, 10), datetime(2025, 12, 11))  # noqa: DTZ001
    with pytest.raises(QueryError, match="before it starts"):
        Span(BOTH.end, BOTH.start)
    with pytest.raises(QueryError, match="before it starts"):
        Span.days(date(2025, 12, 11), date(2025, 12, 10))
