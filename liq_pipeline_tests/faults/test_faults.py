"""Seeds of faults: nothing landed is lost, nothing is counted twice, whatever breaks.

Of kinds that are over soon; ``python -m benchmarks.faults`` runs as many seeds as one likes of all of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liq_pipeline_tests.faults.run import run, scheduled
from liq_pipeline_tests.faults.servers import Template

PARTS_AND_REDIS = ("kill_collector", "kill_live", "kill_redis")
LOADER_AND_DATABASE = ("kill_loader", "kill_postgres")
NETWORK_AND_VENUES = ("cut_redis", "repeats_after_cut", "shuffled_frames", "redis_read_only")
DAGSTER = ("kill_daemon", "kill_webserver", "kill_code_server")


@pytest.fixture(scope="session")
def template(servers_directory: Path) -> Template:
    return Template(servers_directory / "template")


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [(1, PARTS_AND_REDIS), (8, LOADER_AND_DATABASE), (3, NETWORK_AND_VENUES), (4, DAGSTER)],
    ids=["parts and redis", "loader and database", "network and venues", "dagster"],
)
def test_nothing_is_lost_and_nothing_counted_twice_whatever_breaks(
    seed: int, kinds: tuple[str, ...], template: Template, servers_directory: Path
) -> None:
    folder = servers_directory / f"faults-{seed}"
    folder.mkdir()
    folder.chmod(0o711)
    schedule = scheduled(seed, kinds, steps=1 if kinds is DAGSTER else 2, dagster=kinds is DAGSTER)
    report = run(schedule, template, folder)
    assert report.failures == [], report
    assert report.verdict.landed > 0 and report.verdict.cascades > 0, report
