"""``python -m liq_pipeline_tests.faults --seed 17``: one seed; its report is the one line on standard output.

Exit code 1 says that a promise was broken. ``benchmarks.faults`` runs many.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from liq_pipeline.embedded.account import server_account
from liq_pipeline_tests.faults.run import run, scheduled
from liq_pipeline_tests.faults.servers import Template


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kinds", help="of these kinds only, separated by commas")
    parser.add_argument("--steps", type=int, help="how many times something breaks")
    parser.add_argument("--dagster", action=argparse.BooleanOptionalAction, help="under `liq up`, or not; by the seed")
    parser.add_argument("--template", type=Path, help="the folder of a template, made there if there is none")
    options = parser.parse_args()
    # So that folders and processes go with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kinds = options.kinds.split(",") if options.kinds else None
    schedule = scheduled(options.seed, kinds, options.steps, dagster=options.dagster)
    click.echo(f"{schedule}", err=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liq-faults-")))
        line = folder / "line"
        line.mkdir()
        if server_account().lent:
            folder.chmod(0o711)
            line.chmod(0o711)
        report = run(schedule, Template(options.template or folder / "template"), line)
    click.echo(json.dumps({**asdict(report), "schedule": str(schedule), "dagster": schedule.dagster}))
    for failure in report.failures:
        click.echo(failure, err=True)
    sys.exit(bool(report.failures))


if __name__ == "__main__":
    main()
