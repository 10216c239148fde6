"""The time before a soak: streams that already hold all that LIQ_STREAM_HOURS lets them hold."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from liq_pipeline import exchanges, streams
from liq_pipeline.embedded import servers
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.liquidation import Source
from liq_pipeline.settings import Settings
from liq_pipeline.simulate.catalogue import VENUES
from liq_pipeline.simulate.frames import encode
from liq_pipeline.simulate.market import LIVE, generate
from liq_pipeline.warehouse.backlog import open_redis

_LIQ: Final = (sys.executable, "-P", "-c", "from liq_pipeline.cli import main; main()")
_SEED: Final = 2


def land_past(home: Path, hours: float, environment: dict[str, str]) -> int:
    """Land what simulated venues would have sent in the last ``hours``, as if then; how many events that were.

    In the Redis of a home that nobody uses. The identities of the entries say when they landed, so they have to be
    written before any other.
    """
    environment = {**environment, "LIQ_HOME": str(home)}
    subprocess.run([*_LIQ, "env", "--start"], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        return _land(servers.locate(Settings(home=home)).redis_url, hours)
    finally:
        subprocess.run([*_LIQ, "env", "--stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


def _land(redis_url: str, hours: float) -> int:
    now = time.time_ns() // 1_000_000
    adapters = {venue: exchanges.adapter(venue) for venue in VENUES}
    listed = snapshot("okx")
    landed = 0
    with open_redis(redis_url) as client, client.pipeline(transaction=False) as pipeline:
        for frame in encode(generate(_SEED, now - round(hours * 3_600_000), LIVE), _SEED, throttle=True):
            if frame.due >= now:
                break
            for liquidation, raw in adapters[frame.venue].parse(frame.text.encode(), listed).landed:
                pipeline.xadd(
                    streams.events_key(frame.venue),
                    {
                        "event_id": str(liquidation.event_id),
                        "event": streams.encode_event(liquidation),
                        "received_at": frame.due,
                        "source": Source.STREAM,
                        "raw": raw,
                    },
                    id=f"{frame.due}-{landed + 1}",
                )
                landed += 1
        pipeline.execute()
    return landed
