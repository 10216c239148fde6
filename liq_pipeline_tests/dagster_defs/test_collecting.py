"""The collector's shift: its end in time, and by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time

import dagster as dg
import pytest
import redis
from dagster._core.errors import DagsterExecutionInterruptedError

from liq_pipeline import streams
from liq_pipeline.dagster_defs.collecting import collect_until
from liq_pipeline.dagster_defs.jobs import collector_job
from liq_pipeline.dagster_defs.resources import Line
from liq_pipeline.settings import Settings


def _settings() -> Settings:
    """A venue that nobody answers for: connecting and being stopped is all that happens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    urls = {"binance": f"ws://127.0.0.1:{port}"}
    return Settings(exchanges=("binance",), ws_urls=urls, rest_urls={"binance": f"http://127.0.0.1:{port}"})


def _in_seconds(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def test_a_shift_whose_end_has_passed_ends_at_once(redis_url: str) -> None:
    report, interrupted = collect_until(_settings(), redis_url, _in_seconds(-60))
    assert [feed.feed for feed in report.feeds] == ["binance"]
    assert not interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_shift_cleanly_and_leaves_the_handlers_as_they_were(
    redis_url: str, number: signal.Signals
) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=_signal_once_it_collects, args=(redis_url, number))
    thread.start()
    report, interrupted = collect_until(_settings(), redis_url, _in_seconds(60))
    thread.join()
    assert interrupted
    assert report.unwritten == 0
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists(streams.lease_key("binance"))
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.fixture
def configured(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the Redis that the environment now names, beside a venue that nobody answers for."""
    settings = _settings()
    monkeypatch.setenv("LIQ_EXCHANGES", "binance")
    monkeypatch.setenv("LIQ_WS_URL_BINANCE", settings.ws_urls["binance"])
    monkeypatch.setenv("LIQ_REST_URL_BINANCE", settings.rest_urls["binance"])
    monkeypatch.setenv("LIQ_REDIS_URL", redis_url)
    monkeypatch.setenv("LIQ_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    return redis_url


def _signal_once_it_collects(redis_url: str, number: signal.Signals) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(600):
            if client.exists(streams.lease_key("binance")):
                break
            time.sleep(0.05)
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("terminated", "status"),
    [(False, dg.DagsterRunStatus.SUCCESS), (True, dg.DagsterRunStatus.CANCELED)],
    ids=["the host stops", "terminated in the UI"],
)
def test_a_shift_ended_by_a_signal_is_no_failed_run(
    configured: str, terminated: bool, status: dg.DagsterRunStatus
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def end() -> None:
            if terminated:
                for _ in range(600):
                    if running := instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                        instance.report_run_canceling(running[0])
                        break
                    time.sleep(0.05)
            _signal_once_it_collects(configured, signal.SIGTERM)

        thread = threading.Thread(target=end)
        thread.start()
        with contextlib.suppress(DagsterExecutionInterruptedError):
            collector_job.execute_in_process(
                instance=instance,
                run_config={"ops": {"collect_shift": {"config": {"until_ms": _in_seconds(60)}}}},
                resources={"line": Line()},
                raise_on_error=False,
            )
        thread.join()
        assert [run.status for run in instance.get_runs()] == [status]


def test_the_job_records_what_the_shift_did(configured: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = collector_job.execute_in_process(
            instance=instance,
            run_config={"ops": {"collect_shift": {"config": {"until_ms": _in_seconds(0.5)}}}},
            resources={"line": Line()},
        )
        assert result.success
        observed = instance.fetch_observations(dg.AssetKey("liq_events"), limit=1).records
    assert observed[0].asset_observation is not None
    assert observed[0].asset_observation.metadata["binance events"].value == 0
