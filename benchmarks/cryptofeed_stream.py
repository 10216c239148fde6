"""cryptofeed's Redis stream backend on the frames of ``landing``, for machines where cryptofeed is installed.

It is not among our dependencies. What it does with a frame of Binance is repeated here (decode, build its Liquidation,
hand it to its callback); its own writer does the rest. It keeps neither the raw frame nor an identity.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
from decimal import Decimal
from typing import Any

import redis


def available() -> bool:
    """Whether cryptofeed can be imported."""
    return importlib.util.find_spec("cryptofeed") is not None


def land_all(url: str, batch: list[bytes]) -> None:
    """Decode and write every frame; returns when all are in Redis."""
    asyncio.run(_land(url, batch))
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter("liquidations-*", count=1_000))
        assert sum(client.xlen(key) for key in keys) == len(batch)
        client.delete(*keys)


async def _land(url: str, batch: list[bytes]) -> None:
    backend: Any = importlib.import_module("cryptofeed.backends.redis").LiquidationsStream()
    liquidation: Any = importlib.import_module("cryptofeed.types").Liquidation
    # Its constructor takes no password; the URL it would have built is all it keeps.
    backend.redis = url
    backend.start(asyncio.get_running_loop())
    for number, frame in enumerate(batch):
        message = json.loads(frame)["data"]
        order = message["o"]
        side = order["S"].lower()
        price, size, when = Decimal(order["p"]), Decimal(order["q"]), message["E"] / 1000
        event = liquidation("BINANCE_FUTURES", order["s"], side, size, price, None, "filled", when, raw=message)
        await backend(event, when)
        if number % 250 == 0:
            await asyncio.sleep(0)
    # Its own stop() leaves what is still queued.
    await backend.queue.join()
    backend.worker.cancel()
    await asyncio.gather(backend.worker, return_exceptions=True)
