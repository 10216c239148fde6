"""What cannot work is refused at once: one line with the fix, exit code 2, no secret shown, nothing left running."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from liq_pipeline.embedded import process
from liq_pipeline.embedded.home import Home
from liq_pipeline_tests.cli.running import liq, serving, short_lived_home


@pytest.fixture
def home() -> Iterator[Path]:
    with short_lived_home() as path:
        yield path


def _refusal(home: Path, *arguments: str, **variables: str) -> str:
    if arguments[0] == "up" and "--port" not in arguments:
        # The default may be somebody's, and would be refused first.
        arguments = (*arguments, "--port", str(process.free_port()))
    answer = liq(*arguments, LIQ_HOME=str(home), **variables)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    (line,) = answer.stderr.splitlines()
    assert line.startswith("liq: ")
    assert serving(home) == []
    return line


def test_a_port_in_use_names_the_option(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "choose another with --port" in _refusal(home, "up", "--port", str(port))


def test_the_demo_refuses_servers_and_exchanges_of_the_real_world(home: Path) -> None:
    line = _refusal(
        home,
        "up",
        "--demo",
        LIQ_DATABASE_URL="postgresql://me:secret@db/liquidations",
        LIQ_WS_URL_BINANCE="wss://example.org",
        LIQ_ARCHIVE_DIR="/srv/archive",
        LIQ_REPORT_DIR="/srv/reports",
    )
    assert "LIQ_DATABASE_URL, LIQ_ARCHIVE_DIR, LIQ_REPORT_DIR, LIQ_WS_URL_BINANCE is set" in line
    assert "secret" not in line


def test_the_demo_refuses_feeds_it_does_not_simulate(home: Path) -> None:
    line = _refusal(home, "up", "--demo", LIQ_EXCHANGES="binance,okx:inverse")
    assert "not okx:inverse: leave it out of LIQ_EXCHANGES" in line


def test_nothing_is_collected_from_a_real_exchange_into_a_demo(home: Path, redis_url: str) -> None:
    Home.prepare(home).mark_demo()
    line = _refusal(home, "collect", "--exchanges", "binance", "--for", "1s", LIQ_REDIS_URL=redis_url)
    assert "is a demo's, and binance would come from the real exchange" in line
    local = {"LIQ_WS_URL_OKX": "ws://127.0.0.1:9", "LIQ_REST_URL_OKX": "http://localhost:9"}
    assert "okx:inverse would" in _refusal(home, "collect", "--exchanges", "okx,okx:inverse", "--for", "1s", **local)


def test_a_wrong_password_is_one_line_that_hides_it(home: Path, postgres_server: str, redis_url: str) -> None:
    url = urlsplit(postgres_server)
    wrong = url._replace(netloc=f"{url.username}:mistaken@{url.hostname}:{url.port}").geturl()
    line = _refusal(home, "up", LIQ_DATABASE_URL=wrong, LIQ_REDIS_URL=redis_url)
    assert "LIQ_DATABASE_URL" in line
    assert "mistaken" not in line


def test_a_missing_database_is_named(home: Path, database_url: str, redis_url: str) -> None:
    missing = urlsplit(database_url)._replace(path="/nowhere").geturl()
    line = _refusal(home, "env", "--start", LIQ_DATABASE_URL=missing, LIQ_REDIS_URL=redis_url)
    assert "nowhere" in line
    assert "LIQ_DATABASE_URL" in line


def test_servers_that_are_not_there_are_named(home: Path, database_url: str, redis_url: str) -> None:
    nobody = "127.0.0.1:9"
    line = _refusal(
        home, "up", LIQ_DATABASE_URL=f"postgresql://me:secret@{nobody}/liquidations", LIQ_REDIS_URL=redis_url
    )
    assert "port 9" in line
    assert "secret" not in line
    line = _refusal(home, "up", LIQ_DATABASE_URL=database_url, LIQ_REDIS_URL=f"redis://:secret@{nobody}/1")
    assert "correct the address in LIQ_REDIS_URL" in line
    assert "secret" not in line


def test_a_wrong_redis_password_is_one_line(home: Path, database_url: str, redis_url: str) -> None:
    wrong = f"redis://:mistaken@127.0.0.1:{urlsplit(redis_url).port}/1"
    line = _refusal(home, "up", LIQ_DATABASE_URL=database_url, LIQ_REDIS_URL=wrong)
    assert "LIQ_REDIS_URL" in line
    assert "mistaken" not in line


def test_a_role_that_may_not_create_dagsters_database_is_told_the_statement(
    home: Path, database_url: str, redis_url: str
) -> None:
    url = urlsplit(database_url)
    name, role = url.path[1:], f"role_{url.path[-12:]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {role}")
        connection.execute(f"GRANT ALL ON SCHEMA public TO {role}")
    try:
        limited = url._replace(netloc=f"{role}:secret@{url.hostname}:{url.port}").geturl()
        answer = liq("env", "--start", LIQ_HOME=str(home), LIQ_DATABASE_URL=limited, LIQ_REDIS_URL=redis_url)
        assert answer.returncode == 2
        assert f'CREATE DATABASE "{name}_dagster" OWNER "{role}"' in answer.stderr
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def test_a_home_that_cannot_be_made_is_refused(home: Path) -> None:
    home.parent.joinpath("file").touch()
    assert "set LIQ_HOME" in _refusal(home.parent / "file" / "home", "up")


def test_a_home_with_characters_that_postgres_hands_to_a_shell_is_refused(home: Path) -> None:
    assert "plainer path" in _refusal(home.parent / "$HOME", "env", "--start")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_home_is_refused(home: Path) -> None:
    home.mkdir(mode=0o500)
    assert "cannot be written" in _refusal(home, "up")
