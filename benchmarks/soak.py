"""A demo for half an hour with a hand-over every two minutes: what grows, and what stays flat.

Run by hand: ``python -m benchmarks.soak [--minutes 30] [--shift 120]``. Starts ``liq up --demo`` in a home of its own,
whose streams hold all that ``LIQ_STREAM_HOURS`` (here 1) allows from the start, takes a sample every five seconds,
writes them to ``--csv``, draws ``--plot`` and prints a table; exit code 1 says that something grew that has to be flat.
``--again FILE`` draws and judges the samples of an earlier run.

Flat is what in the median of the last third of the time is at most 10 % above that of the middle third, or a small
amount. Dagster's records are kept for days, so that half an hour shows nothing of it: here the nightly pruning and the
purging of ticks run every two minutes, for all that is older than ``--keep`` minutes.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
import dagster as dg
from dagster._core.definitions.run_request import InstigatorType

from benchmarks.soak_line import Sample, Watched
from benchmarks.soak_past import land_past
from benchmarks.soak_verdict import changes, plot, read, table
from liq_pipeline.dagster_defs.instance import open_instance
from liq_pipeline.dagster_defs.pruning import prune
from liq_pipeline.embedded import process
from liq_pipeline.embedded.account import server_account

_EVERY: Final = 5.0
_PRUNED_EVERY: Final = 120.0
_STREAM_HOURS: Final = 1
_START_SECONDS: Final = 600.0
_STOP_SECONDS: Final = 180.0
_UP: Final = (sys.executable, "-P", "-c", "from liq_pipeline.cli import main; main()", "up", "--demo")


def main() -> None:
    options = _options()
    # A shell's background job ignores Ctrl-C, and is ended by this; the demo has to end with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if options.again:
        samples = read(options.again)
    else:
        with tempfile.TemporaryDirectory(prefix="liq-soak-") as folder, _demo(Path(folder), options.shift) as pid:
            samples = _soak(Path(folder) / "demo", pid, options)
    found = changes(samples)
    plot(samples, options.plot)
    click.echo(f"\n{_said(samples)}\n\n{table(found)}\n\n{options.plot} is drawn")
    sys.exit(any(not change.flat for change in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--shift", type=int, default=120, help="seconds between hand-overs")
    parser.add_argument("--keep", type=float, default=6, help="minutes that Dagster's records are kept")
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"))
    parser.add_argument("--plot", type=Path, default=Path("docs/soak.png"))
    parser.add_argument("--again", type=Path, help="a CSV file of an earlier run, instead of running")
    return parser.parse_args()


@contextmanager
def _demo(folder: Path, shift: int) -> Iterator[int]:
    """``liq up --demo`` in a home below; its pid, once its UI answers."""
    if server_account().lent:
        folder.chmod(0o711)
    port = process.free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIQ_", "DAGSTER_"))}
    temporary = folder / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    environment = {
        **kept,
        "LIQ_HOME": str(folder),
        "LIQ_SHIFT_SECONDS": str(shift),
        "LIQ_STREAM_HOURS": str(_STREAM_HOURS),
        "TMPDIR": str(temporary),
    }
    landed = land_past(folder / "demo", _STREAM_HOURS + 0.05, environment)
    click.echo(f"{landed:,} events of the time before are in the streams")
    up = subprocess.Popen([*_UP, "--port", str(port)], env=environment)
    try:
        process.until(lambda: up.poll() is not None or _answers(port), _START_SECONDS)
        if up.poll() is not None:
            raise SystemExit("liq up --demo ended, see above")
        yield up.pid
    finally:
        up.terminate()
        up.wait(_STOP_SECONDS)


def _soak(home: Path, pid: int, options: argparse.Namespace) -> list[Sample]:
    began = time.time()
    watched = Watched.find(home, pid, began)
    samples: list[Sample] = []
    pruned = began
    with open_instance() as instance, options.csv.open("w", newline="") as file:
        rows: csv.DictWriter[str] | None = None
        while (now := time.time()) < began + 60 * options.minutes:
            sample = watched.sample(now)
            samples.append(sample)
            rows = rows or _writer(file, sample)
            rows.writerow({name: f"{value:.10g}" for name, value in sample.items()})
            file.flush()
            if now - pruned >= _PRUNED_EVERY:
                pruned = now
                _forget(instance, timedelta(minutes=options.keep))
                click.echo(_said(samples))
            time.sleep(max(0.0, _EVERY - (time.time() - now)))
    return samples


def _writer(file: object, sample: Sample) -> csv.DictWriter[str]:
    writer = csv.DictWriter(file, list(sample))  # type: ignore[arg-type]
    writer.writeheader()
    return writer


def _forget(instance: dg.DagsterInstance, keep: timedelta) -> None:
    """What ``prune_job`` and the daemon's purging of sensors' ticks do, for what is that old."""
    before = datetime.now(UTC) - keep
    prune(instance, before)
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())


def _said(samples: list[Sample]) -> str:
    last = samples[-1]
    counted = ("collector shifts", "live shifts", "days made", "failed runs", "events", "gaps", "rejected", "backlog")
    return f"{last['seconds'] / 60:.1f} minutes: " + ", ".join(f"{last[name]:,.0f} {name}" for name in counted)


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


if __name__ == "__main__":
    main()
