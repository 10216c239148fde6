"""The real Dagster UI in a real browser: what a person who opens it finds."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

import liq_pipeline
from liq_pipeline.dagster_defs.materialize import materialize_day
from liq_pipeline.embedded import process
from liq_pipeline_tests import browser
from liq_pipeline_tests.cli.running import environment
from liq_pipeline_tests.dagster_defs.test_wiring import line
from liq_pipeline_tests.warehouse.making import DAY, NOON, add, entry

__all__ = ["line"]

ROOT = Path(liq_pipeline.__file__).parent.parent
# A machine in distress takes long; nothing waits longer than it has to.
PATIENCE = 180.0


@pytest.fixture
def ui(line: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a webserver that shows a day with a cascade, materialized and checked."""
    database_url, redis_url = line
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    add(redis_url, [entry(n, NOON + n * 100, value_usd="50000") for n in range(8)])
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert materialize_day(instance, DAY).success
    port = process.free_port()
    address = f"http://127.0.0.1:{port}"
    log = tmp_path / "webserver.log"
    with log.open("wb") as output:
        webserver = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)),
                *("-w", str(ROOT / "workspace.yaml")),
            ],
            cwd=ROOT,
            env=environment(
                DAGSTER_HOME=str(tmp_path),
                LIQ_HOME=str(tmp_path / "home"),
                LIQ_DATABASE_URL=database_url,
                LIQ_REDIS_URL=redis_url,
                LIQ_RETENTION_DAYS="0",
            ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        process.until(lambda: webserver.poll() is not None or _answers(address), PATIENCE)
        assert webserver.poll() is None, log.read_text()
        yield address
    finally:
        # It ends its code server itself, if it is asked to.
        webserver.terminate()
        webserver.wait(timeout=PATIENCE)


@pytest.mark.skipif(browser.executable() is None, reason="no Chromium on PATH")
def test_a_person_finds_the_assets_a_days_numbers_its_picture_its_checks_and_where_it_comes_from(ui: str) -> None:
    with browser.chromium() as page:
        page.resize(1400, 1100)
        page.open(f"{ui}/assets", "liquidation_cascades", PATIENCE)
        for asset in ("liquidations_raw", "liquidations_significant", "liquidations_hourly", "exchanges / okx"):
            page.wait(asset, PATIENCE)

        page.open(f"{ui}/assets/liquidation_cascades?view=partitions&partition={DAY}", "[Show Markdown]", PATIENCE)
        assert "400000" in page.text()
        page.click("[Show Markdown]")
        drawn = "[...document.images].filter(one => one.src.startsWith('data:image/png')).map(one => one.naturalWidth)"
        page.until(drawn, [760], PATIENCE)

        page.open(f"{ui}/assets/liquidations?view=checks", "matches_raw", PATIENCE)
        page.click("matches_raw")
        page.wait("8 events, 400000", PATIENCE)
        page.wait("If it fails:", PATIENCE)

        page.open(f"{ui}/assets/liquidations?view=lineage&lineageScope=upstream&lineageDepth=5", "okx", PATIENCE)
        for upstream in ("liquidations_raw", "liq_events", "binance"):
            page.wait(upstream, PATIENCE)


def _answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{address}/server_info", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
