from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from liq_pipeline.embedded import process

_HOLDER = """
import multiprocessing, signal
from multiprocessing import resource_tracker
signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = multiprocessing.get_context("spawn").Lock()
print(resource_tracker._resource_tracker._pid, "/dev/shm/sem." + lock._semlock.name.lstrip("/"), flush=True)
signal.pause()
"""


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="semaphores have no files on this system")
def test_killed_processes_leave_no_semaphores_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid, semaphore = holder.stdout.readline().split()
        tracker = psutil.Process(int(pid))
        # It may still be the fork of its parent, before its own program runs.
        assert process.until(lambda: process.is_resource_tracker(tracker), 30)
        assert Path(semaphore).exists()
        process.stop([tracker, psutil.Process(holder.pid)], grace=0.5)
        assert process.until(lambda: not Path(semaphore).exists(), 5)
        assert not process.alive(tracker)
