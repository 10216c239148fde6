from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from liq_pipeline.embedded import process
from liq_pipeline_tests.cli.running import LIQ, environment, liq, serving, short_lived_home


@pytest.fixture
def home() -> Iterator[Path]:
    with short_lived_home() as path:
        yield path


def test_a_shell_that_evaluates_env_start_has_working_servers_and_dagster(home: Path) -> None:
    script = """
    set -eu
    eval "$("$1" env --start)"
    python - <<'PY'
import os, psycopg, redis
from dagster import DagsterInstance
with psycopg.connect(os.environ["LIQ_DATABASE_URL"]) as connection:
    print(connection.execute("SELECT count(*) FROM liquidations_raw").fetchone()[0])
print(redis.Redis.from_url(os.environ["LIQ_REDIS_URL"]).ping())
with DagsterInstance.get() as instance:
    print(type(instance.run_storage).__name__, instance.get_runs_count())
PY
    """
    ran = subprocess.run(
        ["sh", "-c", script, "sh", LIQ],
        env=environment(LIQ_HOME=str(home)),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["0", "True", "PostgresRunStorage", "0"]
    assert len(serving(home)) >= 2

    again = liq("env", LIQ_HOME=str(home))
    assert all(line.startswith("export ") for line in again.stdout.splitlines())
    stopped = liq("env", "--stop", LIQ_HOME=str(home))
    assert (stopped.returncode, stopped.stdout) == (0, "")
    assert serving(home) == []


def test_without_servers_env_says_how_to_start_them(home: Path) -> None:
    answer = liq("env", LIQ_HOME=str(home))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "liq env --start" in answer.stderr


def test_values_survive_the_shell_whatever_is_in_them(home: Path) -> None:
    odd = home.parent / "it's; a home & more"
    answer = liq("env", "--start", LIQ_HOME=str(odd))
    try:
        assert answer.returncode == 0, answer.stderr
        said = subprocess.run(
            ["sh", "-c", f'{answer.stdout}\nprintf %s "$LIQ_HOME"'], capture_output=True, text=True, timeout=30
        )
        assert said.stdout == str(odd)
    finally:
        liq("env", "--stop", LIQ_HOME=str(odd))


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become another")
def test_a_normal_user_has_servers_of_their_own(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    unprivileged = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    # Behind a closed folder another Python of the system may answer in the place of this environment's.
    probe = [
        *unprivileged,
        sys.executable,
        "-c",
        "import sys; sys.exit(sys.base_prefix != sys.argv[1])",
        sys.base_prefix,
    ]
    if not Path(sys.executable).exists() or subprocess.run(probe, cwd="/", capture_output=True, timeout=60).returncode:
        pytest.skip("other users cannot run this environment's Python")
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    variables = environment(LIQ_HOME=str(home), HOME=str(home))
    try:
        started = subprocess.run(
            [*unprivileged, LIQ, "env", "--start"], env=variables, cwd="/", capture_output=True, text=True, timeout=120
        )
        assert started.returncode == 0, started.stderr
        assert {found.uids().real for found in serving(home) if process.alive(found)} == {nobody.pw_uid}
    finally:
        subprocess.run([*unprivileged, LIQ, "env", "--stop"], env=variables, cwd="/", timeout=60)
    assert serving(home) == []
