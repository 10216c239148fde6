"""What the harness says of a part that does not do what it should."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from liq_pipeline_tests.faults.line import NeverRecoveredError, gone, until
from liq_pipeline_tests.faults.parts import Part
from liq_pipeline_tests.faults.run import logs

STUCK = """
import time
def waits_for_ever():
    print("here", flush=True)
    time.sleep(3600)
waits_for_ever()
"""


def test_a_part_that_never_ends_says_where_it_stands(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    part = Part("stuck", lambda: (sys.executable, "-c", STUCK), variables, tmp_path / "stuck.log")

    async def scenario() -> None:
        part.start()
        await until(lambda: "here" in part.log.read_text(), "its start")
        with pytest.raises(NeverRecoveredError, match="the end of stuck"):
            await gone(part, "the end of stuck", seconds=0.2)

    asyncio.run(scenario())
    assert not part.running
    assert "in waits_for_ever" in logs(tmp_path)
