"""`liq top` on a terminal: it fits, obeys its keys, outlives its servers, and leaves the terminal as it was."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from rich.cells import cell_len

from liq_pipeline_tests.faults.proxy import Proxy
from liq_pipeline_tests.top.terminal import Terminal, top

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        for symbol, usd in (("狗狗USDT", 3), ("BTCUSDT", 2)):
            client.hset(f"liq:levels:{symbol}:50000:LONG", mapping={"count": 1, "total_value": usd})
        yield client


def left(terminal: Terminal) -> bool:
    """Whether the screen that was there before is back, the cursor with it, and the modes are as they were."""
    return terminal.is_as_before and terminal.output.rfind("\x1b[?1049l") > 0 and "\x1b[?25h" in terminal.output


def test_it_fits_the_terminal_follows_its_size_and_its_keys_and_a_redis_that_comes_back(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    parts = urlsplit(redis_url)

    async def scenario() -> None:
        async with Proxy((str(parts.hostname), int(parts.port or 0))) as proxy:
            through = parts._replace(netloc=f":{parts.password}@127.0.0.1:{proxy.port}").geturl()
            with top(tmp_path, LIQ_REDIS_URL=through, LIQ_DATABASE_URL=NO_DATABASE) as terminal:
                await asyncio.to_thread(watch, terminal, proxy)

    def watch(terminal: Terminal, proxy: Proxy) -> None:
        terminal.until_shown("Levels 狗狗USDT")
        terminal.until_shown("database: PostgreSQL at 127.0.0.1 port 1")
        assert len(terminal.shown) <= 24
        assert max(cell_len(line) for line in terminal.shown) <= 80
        assert not terminal.is_as_before, "keys are read one at a time"
        terminal.type("s")
        terminal.until_shown("Levels BTCUSDT")
        terminal.resize(120, 40)
        terminal.until(lambda: max(cell_len(line) for line in terminal.shown) > 100, "the width is used")
        proxy.refusing = True
        loop.call_soon_threadsafe(proxy.cut)
        terminal.until_shown("what follows is old: Redis at 127.0.0.1")
        assert any("Levels BTCUSDT" in line for line in terminal.shown), "what was known is still there"
        proxy.refusing = False
        terminal.until(lambda: not any("what follows is old" in line for line in terminal.shown), "Redis is back")
        terminal.type("q")
        assert terminal.end() == 0
        assert left(terminal)

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(scenario())


@pytest.mark.parametrize("end", ["\x03", signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_it_was_after_ctrl_c_and_signals(
    client: redis.Redis, redis_url: str, tmp_path: Path, end: str | signal.Signals
) -> None:
    with top(tmp_path, LIQ_REDIS_URL=redis_url, LIQ_DATABASE_URL=NO_DATABASE) as terminal:
        terminal.until_shown("Levels 狗狗USDT")
        if isinstance(end, str):
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.end() == 0
        assert left(terminal)


def test_a_defect_is_told_on_the_terminal_as_it_was(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    client.hset("liq:live", "lag_ms", "no number")
    with top(tmp_path, LIQ_REDIS_URL=redis_url, LIQ_DATABASE_URL=NO_DATABASE) as terminal:
        assert terminal.end() == 1
        assert left(terminal)
        assert "ValueError" in terminal.output.rpartition("\x1b[?1049l")[2]
