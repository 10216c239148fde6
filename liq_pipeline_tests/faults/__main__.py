"""``python -m liq_pipeline_tests.faults --seed 17``: one seed, as the benchmark and the tests run it."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from liq_pipeline.embedded.account import server_account
from liq_pipeline_tests.faults import kinds
from liq_pipeline_tests.faults.run import run
from liq_pipeline_tests.faults.schedule import Schedule
from liq_pipeline_tests.faults.servers import Template


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kinds", help="of these kinds only, separated by commas")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--dagster", action="store_true", help="under `liq up`")
    options = parser.parse_args()
    possible = kinds.possible({"dagster"} if options.dagster else {"services"})
    chosen = options.kinds.split(",") if options.kinds else possible
    schedule = Schedule.of(options.seed, chosen, options.steps, dagster=options.dagster)
    click.echo(f"{schedule}")
    with tempfile.TemporaryDirectory(prefix="liq-faults-") as name:
        folder = Path(name)
        if server_account().lent:
            folder.chmod(0o711)
        (folder / "line").mkdir()
        if server_account().lent:
            (folder / "line").chmod(0o711)
        report = run(schedule, Template(folder / "template"), folder / "line")
    click.echo(json.dumps(asdict(report), indent=1))
    sys.exit(bool(report.failures))


if __name__ == "__main__":
    main()
