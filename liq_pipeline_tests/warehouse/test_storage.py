"""What ``liq status`` shows of tables on disk and of policies."""

from __future__ import annotations

import pytest

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import policies, storage
from liq_pipeline.warehouse.connection import OWNER, READER, connect
from liq_pipeline_tests.warehouse.making import query
from liq_pipeline_tests.warehouse.test_days import land
from liq_pipeline_tests.warehouse.test_rollups import market, materialize

_KEPT = Settings(retention_days=5000, rollup_retention_days=6000)


@pytest.fixture
def full_url(warehouse_url: str) -> str:
    land(warehouse_url, market(1))
    materialize(warehouse_url)
    policies.apply(warehouse_url, _KEPT)
    return warehouse_url


@pytest.fixture
def on_timescaledb(request: pytest.FixtureRequest) -> bool:
    return "[timescaledb" in request.node.name


def test_every_table_has_a_size_that_a_reader_may_ask_for(full_url: str, on_timescaledb: bool) -> None:
    with connect(full_url, role=READER) as connection:
        sizes = {size.table: size for size in storage.sizes(connection)}
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    assert set(sizes) == {name for (name,) in query(full_url, tables)}
    assert all(size.bytes > 0 for size in sizes.values())
    assert [sizes[name].chunks for name in ("liquidations_raw", "liquidations_hourly", "day_state")] == (
        [2, 2, None] if on_timescaledb else [None] * 3
    )


def test_compressed_chunks_are_counted_and_compared_with_before(full_url: str, on_timescaledb: bool) -> None:
    if on_timescaledb:
        query(full_url, "SELECT compress_chunk(chunk) FROM show_chunks('liquidations_raw') AS chunk LIMIT 1")
    with connect(full_url) as connection:
        raw = next(size for size in storage.sizes(connection) if size.table == "liquidations_raw")
    if on_timescaledb:
        assert raw.compressed_chunks == 1 and raw.compression_ratio is not None and raw.compression_ratio > 0
    else:
        assert (raw.compressed_chunks, raw.compression_ratio) == (None, None)


def test_policies_say_what_they_do_to_which_table_and_when(full_url: str, on_timescaledb: bool) -> None:
    with connect(full_url) as connection:
        runs = {(run.table, run.does): run for run in storage.policies(connection)}
    if not on_timescaledb:
        assert not runs
        return
    assert {
        ("liquidations_raw", "drop after 5000 days"),
        ("liquidations_raw", "compress after 7 days"),
        ("liquidations_hourly", "drop after 6000 days"),
    } <= set(runs)
    assert all(run.outcome is None and run.next_run is not None for run in runs.values())


def test_a_policy_that_failed_says_why_to_those_who_may_mend_it(full_url: str, on_timescaledb: bool) -> None:
    if not on_timescaledb:
        pytest.skip("plain PostgreSQL has no policies")
    _fail(full_url, "53100", "disk full")
    for role, error in ((OWNER, "disk full"), (READER, None)):
        with connect(full_url, role=role) as connection:
            (failed,) = [run for run in storage.policies(connection) if run.outcome == "failed"]
        assert (failed.table, failed.error) == ("liquidations_raw", error)
        assert failed.last_run is not None


def test_a_policy_that_failed_after_its_work_was_done_is_done(full_url: str, on_timescaledb: bool) -> None:
    if not on_timescaledb:
        pytest.skip("plain PostgreSQL has no policies")
    _fail(full_url, policies.FAILED_AFTER_ITS_WORK, 'cannot drop portal "" while it is being set up')
    with connect(full_url, autocommit=True) as connection:
        (ran,) = [run for run in storage.policies(connection) if run.last_run]
        assert (ran.table, ran.outcome, ran.error) == ("liquidations_raw", "done", None)
        assert "policy_retention of liquidations_raw" not in policies.run_overdue(connection)


def _fail(url: str, code: str, message: str) -> None:
    """The retention of liquidations_raw failed, as TimescaleDB writes it down; its scheduler would take its time."""
    jobs = "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'liquidations_raw'"
    (job,) = query(url, f"{jobs} AND proc_name = 'policy_retention'")
    query(
        url,
        "UPDATE _timescaledb_internal.bgw_job_stat SET last_start = now(), last_finish = now(),"
        " last_run_success = false, total_runs = 1, total_failures = 1, consecutive_failures = 1 WHERE job_id = %s",
        *job,
    )
    query(
        url,
        "INSERT INTO _timescaledb_internal.bgw_job_stat_history (job_id, execution_start, execution_finish, succeeded,"
        " data) VALUES (%s, now(), now(), false,"
        " jsonb_build_object('error_data', jsonb_build_object('sqlerrcode', %s::text, 'message', %s::text)))",
        *job,
        code,
        message,
    )
