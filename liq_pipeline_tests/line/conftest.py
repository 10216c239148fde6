from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def environment(
    warehouse_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mapping[str, str]]:
    """What a shell would export: the servers of this test, and events kept for ever."""
    variables = {
        "LIQ_HOME": str(tmp_path / "home"),
        "LIQ_DATABASE_URL": warehouse_url,
        "LIQ_REDIS_URL": redis_url,
        "LIQ_RETENTION_DAYS": "0",
        "LIQ_ROLLUP_RETENTION_DAYS": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield variables
