from __future__ import annotations

import signal
from collections.abc import Iterator

import psycopg
import pytest

from liq_pipeline.embedded import process, servers
from liq_pipeline.settings import load_settings
from liq_pipeline_tests.cli.running import Up, liq, short_lived_home


@pytest.fixture
def up() -> Iterator[Up]:
    with short_lived_home() as home:
        running = Up(home)
        try:
            yield running
        finally:
            if running.parent is not None:
                process.stop([running.parent], grace=60)


def _database(up: Up) -> str:
    return servers.locate(load_settings({"LIQ_HOME": str(up.demo.path)}, env_file=None)).database_url


def test_the_demo_survives_every_kill_refuses_a_second_start_and_stops_without_a_trace(up: Up) -> None:
    parent = up.start()
    with psycopg.connect(_database(up)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    second = liq("up", "--demo", "--port", "1", LIQ_HOME=str(up.home))
    assert second.returncode == 2
    assert f"pid {parent.pid} at http://127.0.0.1:{up.port}" in second.stderr
    beside = liq("env", LIQ_HOME=str(up.demo.path))
    assert beside.returncode == 0
    assert "export LIQ_DATABASE_URL=" in beside.stdout
    assert "DAGSTER_HOME" not in beside.stdout and "DAGSTER_PG" not in beside.stdout
    assert f"in use by `liq up`, pid {parent.pid}" in beside.stderr
    second_daemon = liq("env", "--start", LIQ_HOME=str(up.demo.path))
    assert (second_daemon.returncode, second_daemon.stdout) == (2, "")
    assert "in use by `liq up`" in second_daemon.stderr

    killed = {
        "code server": "dagster api grpc",
        "daemon": "dagster._daemon",
        "webserver": "dagster_webserver",
        "simulated exchanges": "simulate.venues",
        "Redis": "valkey-server" if "Valkey" in up.output else "redis-server",
        "PostgreSQL": "postgres -D",
    }
    for child in [up.child(command) for command in killed.values()]:
        child.kill()
    for name in killed:
        up.until(f"{name} is back")
    # After all that, events still come through sensor, run, sockets and Redis.
    up.until("liquidations landed")

    parent.kill()
    parent.wait(timeout=10)
    parent = up.start()
    with psycopg.connect(_database(up)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)

    everything = up.processes()
    assert len(everything) >= 6
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=120) == 0, up.output
    assert up.processes() == []
    assert not any(process.alive(one) for one in everything)
