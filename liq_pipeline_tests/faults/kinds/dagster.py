"""What Dagster consists of: processes of `liq up`, which it starts again."""

from __future__ import annotations

from typing import Final

from liq_pipeline_tests.faults.kinds.processes import KillPart

_NEEDS: Final = frozenset({"dagster"})

KINDS: Final = (
    KillPart("kill_daemon", "daemon", _NEEDS),
    KillPart("kill_webserver", "webserver", _NEEDS),
    KillPart("kill_code_server", "code server", _NEEDS),
    KillPart("kill_up", "up", _NEEDS),
)
