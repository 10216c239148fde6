"""`liq replay` as people use it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from liq_pipeline import streams
from liq_pipeline.embedded.home import Home
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.cli.running import LIQ, environment, in_process, liq, serving, short_lived_home
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.replay.making import START, binance, write

Replay = Callable[..., int]
FROM_START = "2026-10-09T17:06:42.120"
"""START, as it is shown."""


@pytest.fixture
def prepared_url(database_url: str) -> str:
    """A database with our schema; of which flavour makes no difference to a replay."""
    migrate(database_url, plain=True)
    return database_url


@pytest.fixture
def replay(prepared_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Replay:
    """Runs `liq replay` in this process, with its own servers."""
    return in_process(monkeypatch, tmp_path, "replay", LIQ_DATABASE_URL=prepared_url, LIQ_REDIS_URL=redis_url)


def landed(redis_url: str, exchange: str = "binance") -> list[int]:
    """The event times in a stream, in its order, after START."""
    with redis.Redis.from_url(redis_url) as client:
        entries = [streams.decode_entry(fields) for _, fields in client.xrange(streams.events_key(exchange))]
    assert {entry.source for entry in entries} <= {"replay"}
    return [entry.liquidation.time - START for entry in entries]


def test_a_folder_is_replayed_merged_and_said_what_it_holds(
    replay: Replay, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    binance(folder / "a.jsonl", 0, 2000, 2000)
    binance(folder / "b.jsonl", 1000, 3000)
    write(folder / "c.jsonl.gz", ["pong", frames.okx(1)])
    assert replay(folder, "--speed", "0") == 0
    out = capsys.readouterr().out
    assert f"binance linear, frames: {folder}/a.jsonl and 1 more" in out
    assert f"okx linear, frames: {folder}/c.jsonl.gz" in out
    assert "5 liquidations replayed, 0 lines rejected" in out
    assert "1 lines are no liquidations" in out
    assert "1 lines are the same as the line before" in out
    assert landed(redis_url) == [0, 1000, 2000, 3000]
    assert len(landed(redis_url, "okx")) == 1


def test_a_part_is_replayed_by_time(
    replay: Replay, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = binance(tmp_path / "a.jsonl", 0, 1000, 2000, 3000)
    span = ("--from", "2026-10-09T17:06:43.120", "--to", "2026-10-09T17:06:45.120Z")
    assert replay(path, "--speed", "0", *span) == 0
    assert landed(redis_url) == [1000, 2000]
    assert replay(path, "--speed", "0", "--from", "2027-01-01") == 2
    assert f"the recordings go from {FROM_START} to 2026-10-09T17:06:45.120" in capsys.readouterr().err


def test_rejected_lines_are_listed_and_exit_with_1(
    replay: Replay, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [frames.binance(number).replace("SELL", "SIDEWAYS") for number in range(25)]
    path = write(tmp_path / "a.jsonl", [frames.binance(0), *bad])
    assert replay(path, "--speed", "0") == 1
    out = capsys.readouterr().out
    assert "1 liquidations replayed, 25 lines rejected" in out
    assert f"  {path}, line 2: side S 'SIDEWAYS' is neither BUY nor SELL" in out
    assert "… and 5 more; all of them are in liq:rejected" in out
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(streams.REJECTED) == 25


def test_excluded_days_are_refused_naming_the_setting_and_exit_with_2(
    replay: Replay, redis_url: str, prepared_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = 86_400_000
    path = binance(tmp_path / "a.jsonl", -1500 * day, -2 * day, 0)
    with psycopg.connect(prepared_url) as connection:
        connection.execute(
            "INSERT INTO day_state (day, raw_version, events_dropped_at) VALUES ('2026-10-07', 1, now())"
        )
    assert replay(path, "--speed", "0") == 2
    captured = capsys.readouterr()
    assert "1 liquidations replayed" in captured.out
    assert "2 rows of 2022-08-31 to 2026-10-07 were not replayed: " in captured.err
    assert "LIQ_START_DATE=2023-06-01" in captured.err
    assert "events of 2026-10-07 were dropped by retention" in captured.err
    assert len(captured.err.splitlines()) == 1
    assert landed(redis_url) == [0]


def test_every_file_that_is_not_understood_is_named_before_anything_is_played(
    replay: Replay, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        write(tmp_path / f"{number}.jsonl", [frames.binance(0) if number == 3 else '{"op":"notify"}'])
    assert replay(tmp_path, "--speed", "0") == 2
    err = capsys.readouterr().err
    assert [name for name in range(7) if f"/{name}.jsonl: none of its first" in err] == [0, 1, 2, 4, 5]
    assert "; and 1 more files" in err
    assert landed(redis_url) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--exchange", "ftx"), "--exchange 'ftx' is not known; use binance or bybit or okx"),
        (("--market", "spot"), "--market 'spot' is not known; use linear or inverse"),
        (("--format", "csv"), "'csv' is not a known format"),
        (("--exchange", "okx"), "none of its first 1 lines is understood in any format"),
        (("--speed", "-3"), "'-3' is not a speed"),
        (("--from", "noon"), "'noon' is not an ISO time"),
        (("--now",), "is not a demo's home: start `liq up --demo`"),
        (("nowhere.jsonl",), "nowhere.jsonl does not exist"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_words(
    replay: Replay,
    redis_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert replay(binance(tmp_path / "a.jsonl", 0), *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert landed(redis_url) == []


def test_made_up_times_never_reach_servers_that_are_not_the_demos(
    replay: Replay, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.prepare(tmp_path / "home")
    home.mark_demo()
    ourselves = psutil.Process()
    running = {"url": "of the demo", "pid": ourselves.pid, "created": ourselves.create_time()}
    (home.run / "servers.json").write_text(json.dumps({"postgres": running, "redis": running}))
    assert replay(binance(tmp_path / "a.jsonl", 0), "--now") == 2
    assert "LIQ_DATABASE_URL or LIQ_REDIS_URL" in capsys.readouterr().err
    assert landed(redis_url) == []


def test_the_help_teaches_commands_and_exit_codes(replay: Replay, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay("--help") == 0
    out = capsys.readouterr().out
    for taught in ("seek 2025-01-26T17:05", "0 for no waiting", "--home", "2  refused"):
        assert taught in out


@pytest.fixture
def process(prepared_url: str, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `liq replay` as a process that can be typed to; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []
    variables = environment(
        LIQ_HOME=str(tmp_path / "home"), LIQ_DATABASE_URL=prepared_url, LIQ_REDIS_URL=redis_url, LIQ_RETENTION_DAYS="0"
    )

    def start(*arguments: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [LIQ, "replay", *map(str, arguments)]
        started.append(
            subprocess.Popen(command, env=variables, cwd="/", stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)


def test_it_is_told_by_lines_on_standard_input(
    process: Callable[..., subprocess.Popen[str]], redis_url: str, tmp_path: Path
) -> None:
    hour = 3_600_000
    running = process(binance(tmp_path / "a.jsonl", 0, hour, 2 * hour))
    assert running.stdin is not None
    until(lambda: landed(redis_url) == [0])
    running.stdin.write("hurry up\nseek 2026-10-09T17:30\n")
    running.stdin.flush()
    running.stdin.write(f"seek {FROM_START}\n")
    running.stdin.flush()
    until(lambda: landed(redis_url) == [0, 0])
    out, err = running.communicate("speed 0\n", timeout=60)
    assert running.returncode == 0, err
    assert landed(redis_url) == [0, 0, hour, 2 * hour]
    assert "'hurry up' is no command; there are: pause" in err
    assert "4 liquidations replayed" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_it_says_where_to_go_on(
    process: Callable[..., subprocess.Popen[str]], redis_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    running = process(binance(tmp_path / "a.jsonl", 0, 3_600_000))
    until(lambda: landed(redis_url) == [0])
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert f"go on from there with --from {FROM_START[:-6]}" in out


def test_a_scratch_home_has_servers_of_its_own_that_end_with_the_replay(tmp_path: Path) -> None:
    path = binance(tmp_path / "a.jsonl", *range(100))
    with short_lived_home() as home:
        first = liq("replay", str(path), "--speed", "0", "--home", str(home), LIQ_RETENTION_DAYS="0")
        assert first.returncode == 0, first.stderr
        assert "100 liquidations replayed" in first.stdout
        assert "100 of them are new in liquidations_raw" in first.stdout
        assert f"to look at it: LIQ_HOME={home} LIQ_RETENTION_DAYS=0 ./liq up" in first.stdout
        assert serving(home) == []
        # A database that is configured is not a scratch home's.
        configured = {"LIQ_DATABASE_URL": "postgresql://127.0.0.1:9/real", "LIQ_RETENTION_DAYS": "0"}
        second = liq("replay", str(path), "--speed", "0", "--home", str(home), **configured)
        assert second.returncode == 0, second.stderr
        assert "0 of them are new in liquidations_raw" in second.stdout
        assert serving(home) == []


def test_a_demos_home_starts_no_real_line(tmp_path: Path) -> None:
    with short_lived_home() as home:
        Home.prepare(home / "demo").mark_demo()
        refused = liq("up", LIQ_HOME=str(home / "demo"))
        assert refused.returncode == 2
        assert f"LIQ_HOME={home} liq up --demo" in refused.stderr
