import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Export = Callable[[str], Mapping[str, str]]


@pytest.fixture
def export(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Set, as a shell would, a database and the Redis of this test, and that events are kept for ever."""

    def set_environment(database_url: str) -> Mapping[str, str]:
        variables = {
            "LIQ_HOME": str(tmp_path / "home"),
            "LIQ_DATABASE_URL": database_url,
            "LIQ_REDIS_URL": redis_url,
            "LIQ_RETENTION_DAYS": "0",
            "LIQ_ROLLUP_RETENTION_DAYS": "0",
        }
        for name in [name for name in os.environ if name.startswith("LIQ_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        return variables

    return set_environment
