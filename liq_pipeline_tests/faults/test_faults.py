"""Seeds of faults: nothing landed is lost, nothing is counted twice, whatever breaks.

``python -m liq_pipeline_tests.faults --seed N`` runs one by hand; ``python -m benchmarks.faults`` runs many.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liq_pipeline_tests.faults.run import run, scheduled
from liq_pipeline_tests.faults.servers import Template


@pytest.fixture(scope="session")
def template(servers_directory: Path) -> Template:
    return Template(servers_directory / "template")


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_and_nothing_counted_twice_whatever_breaks(
    seed: int, template: Template, servers_directory: Path
) -> None:
    folder = servers_directory / f"faults-{seed}"
    folder.mkdir(mode=0o711)
    report = run(scheduled(seed, steps=1, dagster=False), template, folder)
    assert report.failures == [], report
    assert report.verdict.landed > 0 and report.verdict.cascades > 0, report
