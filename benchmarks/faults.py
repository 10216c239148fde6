"""Seeds of faults, one after another: what broke, what was lost (nothing may be), how long until all flowed again.

Run by hand: ``python -m benchmarks.faults --seeds 100 [--from 1] [--out faults.jsonl]``. Each seed is a process that
starts venues, a line and its servers, breaks them and judges the tables; every fifth runs under Dagster. A result is a
line of the file; seeds that this commit has there already are left out, so it can be interrupted and repeated.
``--summary`` only shows what the file holds of this commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from liq_pipeline.embedded.account import server_account
from liq_pipeline_tests.faults import kinds
from liq_pipeline_tests.faults.servers import Template

ROOT: Final = Path(__file__).parents[1]
LIMIT_SECONDS: Final = 1800
"""For one seed, on a machine in distress."""

Result = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--seed", type=int, help="this one only, whether there is a result or not")
    parser.add_argument("--kinds", help="of these kinds only, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("faults.jsonl"))
    parser.add_argument("--summary", action="store_true", help="run nothing")
    options = parser.parse_args()
    commit = _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")
    done = [result for result in read(options.out) if (result["commit"], result["only"]) == (commit, options.kinds)]
    if not options.summary:
        there = {result["seed"] for result in done}
        seeds = [seed for seed in range(options.first, options.first + options.seeds) if seed not in there]
        done += run_all([options.seed] if options.seed is not None else seeds, options.kinds, options.out, commit)
    click.echo(f"\ncommit {commit}\n{summary(done)}")
    sys.exit(any(result["failures"] for result in done))


def run_all(seeds: Sequence[int], only: str | None, out: Path, commit: str) -> list[Result]:
    """One seed after another, so that what else runs on the machine is disturbed by one at a time."""
    results = []
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="liq-faults-template-") as name:
        if server_account().lent:
            Path(name).chmod(0o711)
        template = Path(name) / "template"
        if seeds:
            Template(template)
        for seed in seeds:
            result = {"seed": seed, "commit": commit, "only": only, **_run(seed, only, template)}
            results.append(result)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            verdict = "; ".join(result["failures"]) or "kept"
            click.echo(f"{result['schedule']}: {result['seconds']} s: {verdict}")
    return results


def read(file: Path) -> list[Result]:
    """The results in a file, oldest first; none where there is no file."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def summary(results: Sequence[Result]) -> str:
    """What the seeds did, by kind of fault and in all, and how those that failed are run again."""
    total = Counter[str]()
    for result in results:
        total.update({name: value for name, value in result["verdict"].items() if isinstance(value, int)})
    injected, longest, failed = Counter[str](), defaultdict[str, float](float), Counter[str]()
    for result in results:
        for together, seconds in result["recoveries"]:
            injected.update(together)
            for kind in together:
                longest[kind] = max(longest[kind], seconds)
                failed[kind] += bool(result["failures"])
    failures = [result for result in results if result["failures"]]
    return "\n".join(
        [
            "| fault | injected | longest recovery s | in seeds that failed |",
            "| --- | ---: | ---: | ---: |",
            *(f"| {kind} | {injected[kind]} | {longest[kind]:.1f} | {failed[kind]} |" for kind in sorted(injected)),
            "",
            f"{len(results)} seeds, {sum(result.get('dagster', False) for result in results)} of them under Dagster, "
            f"{sum(injected.values())} faults; {len(failures)} seeds failed",
            f"{total['sent']:,} events sent, {total['landed']:,} landed, {total['excused']:,} in recorded gaps, "
            f"{total['lost']:,} lost, {total['doubled']:,} doubled; {total['cascades']:,} cascades compared",
            *(f"not run: {kind}: {why}" for kind, why in sorted(kinds.NOT_RUN.items())),
            *(
                f"failed: python -m benchmarks.faults --seed {result['seed']}"
                + (f" --kinds {result['only']}" if result["only"] else "")
                + "".join(f"\n    {failure}" for failure in result["failures"])
                for result in failures
            ),
        ]
    )


def _run(seed: int, only: str | None, template: Path) -> Result:
    command = [sys.executable, "-W", "ignore", "-m", "liq_pipeline_tests.faults", "--seed", str(seed)]
    command += ["--template", str(template), *(["--kinds", only] if only else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            said, complained = child.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.terminate()
            said, complained = child.communicate()
    if child.returncode in (0, 1) and said.strip():
        report = json.loads(said.strip().splitlines()[-1])
        return {**report, "failures": report["verdict"].pop("failures")}
    why = " | ".join(complained.strip().splitlines()[-5:])
    return {
        "schedule": f"seed {seed}",
        "recoveries": [],
        "verdict": {},
        "seconds": 0,
        "failures": [f"the harness ended with {child.returncode}: {why}"],
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
