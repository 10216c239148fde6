"""Alerts: what they say, to whom, and that none is lost or repeated when a channel is down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from liq_pipeline.dagster_defs import event_log
from liq_pipeline.dagster_defs.alert_text import Message, message
from liq_pipeline.dagster_defs.alerts import channel_name, deliver, failed_checks, failed_runs, send
from liq_pipeline.dagster_defs.event_log import CheckFailure, Failure, RunFailure
from liq_pipeline.dagster_defs.resources import Line

CHECK = CheckFailure(
    7, 1000.0, "run-1", "liquidations", "matches_raw", "ERROR", "2026-11-21", "3 rows missing", {"rows": "97"}
)
RUN = RunFailure(9, 1000.0, "run-2", "daily_tables", "2026-11-20", "disk full")


@contextmanager
def _webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A real HTTP server as an Apprise JSON channel: its URL, and what it received."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_alert_names_day_asset_check_severity_value_and_link() -> None:
    title, body = message([CHECK], "http://ui")
    assert title == "liq: check liquidations/matches_raw failed for 2026-11-21"
    for part in (
        "ERROR",
        "2026-11-21",
        "liquidations",
        "matches_raw",
        "3 rows missing",
        "rows 97",
        "http://ui/runs/run-1",
    ):
        assert part in body


def test_an_alert_of_a_failed_run_names_job_day_and_reason() -> None:
    title, body = message([RUN, CHECK], "http://ui")
    assert title == "liq: run of daily_tables failed (2026-11-20) and 1 more"
    assert "disk full" in body
    assert "http://ui/runs/run-2" in body


def test_many_failures_are_one_message_that_says_how_many_are_left_out() -> None:
    assert "and 5 more" in message([CHECK] * 25, "http://ui").body


def test_a_channel_that_is_down_is_tried_again_without_repeating_to_the_others() -> None:
    sent: list[str] = []
    down = {"json://b"}

    def read(place: int) -> tuple[list[Failure], int]:
        return ([CHECK], 7) if place < 7 else ([], place)

    def fake_send(channel: str, _: Message) -> bool:
        sent.append(channel)
        return channel not in down

    channels = ["json://a", "json://b"]
    cursor, _ = deliver(channels, None, 3, read, fake_send, "http://ui", 1000.0)
    assert sent == channels
    cursor, unreachable = deliver(channels, cursor, 7, read, fake_send, "http://ui", 1000.0)
    assert sent == ["json://a", "json://b", "json://b"]
    assert unreachable
    assert "json://" not in unreachable[0]
    down.clear()
    cursor, unreachable = deliver(channels, cursor, 7, read, fake_send, "http://ui", 1000.0)
    deliver(channels, cursor, 7, read, fake_send, "http://ui", 1000.0)
    assert sent == ["json://a", "json://b", "json://b", "json://b"]
    assert unreachable == []


def test_failures_nobody_could_be_told_for_a_day_are_given_up() -> None:
    name = channel_name("json://a")
    cursor, _ = deliver(
        ["json://a"], json.dumps({name: 3}), 9, lambda _: ([CHECK], 7), lambda *_: False, "http://ui", 1000.0 + 90_000
    )
    assert json.loads(cursor) == {name: 7}


def test_a_new_channel_is_not_sent_the_history() -> None:
    places: list[int] = []

    def read(place: int) -> tuple[list[Failure], int]:
        places.append(place)
        return [], place

    deliver(["json://new"], None, 42, read, lambda *_: True, "http://ui", 0.0)
    assert places == [42]


def test_a_refusing_or_absent_channel_counts_as_not_accepted() -> None:
    with _webhook(500) as (url, _):
        assert not send(url, Message("title", "body"))
    assert not send(url, Message("title", "body"))
    assert not send("nonsense", Message("title", "body"))


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-11-01"))
def table() -> None:
    return None


@dg.asset_check(asset=table, partitions_def=dg.DailyPartitionsDefinition("2026-11-01"))
def never_passes() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="7 is too few", metadata={"rows": 7}
    )


@dg.job
def broken() -> None:
    @dg.op
    def breaks() -> None:
        raise ValueError("disk full")

    breaks()


def test_a_failed_check_and_a_failed_run_reach_a_real_channel_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with _webhook() as (url, received), dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("LIQ_ALERT_URLS", url)

        def tick(sensor: dg.SensorDefinition, cursor: str | None) -> str:
            context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"line": Line()})
            sensor(context)
            assert context.cursor
            return context.cursor

        checks, runs = tick(failed_checks, None), tick(failed_runs, None)
        result = dg.materialize([table, never_passes], instance=instance, partition_key="2026-11-05")
        assert result.success
        broken.execute_in_process(instance=instance, raise_on_error=False)
        for _ in range(2):
            checks, runs = tick(failed_checks, checks), tick(failed_runs, runs)
    check_alert, run_alert = received
    assert "WARN: 2026-11-05 table, check never_passes: 7 is too few (seen: rows 7)" in check_alert["message"]
    assert result.run_id in check_alert["message"]
    assert "broken" in run_alert["title"]


def test_a_check_that_passes_again_is_no_failure() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([table], instance=instance, partition_key="2026-11-05")
        found, last = event_log.failures_after(instance, dg.DagsterEventType.ASSET_CHECK_EVALUATION, 0, 100)
    assert (found, last) == ([], 0)
