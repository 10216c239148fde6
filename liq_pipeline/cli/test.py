"""``liq test``: the whole suite, with servers of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

import liq_pipeline
from liq_pipeline.errors import SettingsError


@click.command(
    "test",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["--help"]},
)
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
def command(pytest_args: tuple[str, ...]) -> None:
    """Run the whole test suite with its own servers on free ports; it leaves nothing behind.

    Arguments are pytest's: `liq test -k cascade -x`. LIQ_EMBEDDED=wheel forces the bundled servers,
    LIQ_TEST_DATABASE_URL runs the tests of the tables on a server of yours (it needs CREATEDB).
    """
    root = Path(liq_pipeline.__file__).parent.parent
    if not (root / "liq_pipeline_tests").is_dir():
        raise SettingsError(f"no tests beside {root / 'liq_pipeline'}: run `./liq test` in a clone of the repository")
    own_workers = any(argument.startswith(("-n", "--numprocesses", "--pdb")) for argument in pytest_args)
    workers = [] if own_workers else ["-n", "2", "--dist", "worksteal"]
    # pytest keeps the folders of its last three runs; ours go with the run, whatever was made in them.
    with tempfile.TemporaryDirectory(prefix="liq-", ignore_cleanup_errors=True) as folder:
        # As root the servers run as another account, which has to pass through.
        Path(folder).chmod(0o711)
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", *workers, *pytest_args], cwd=root, env={**os.environ, "TMPDIR": folder}
        )
    sys.exit(finished.returncode)
