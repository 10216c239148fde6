"""The real line on loopback: venues' servers, collector, Redis, loader, and the assets as Dagster runs them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import dagster as dg
from redis.asyncio import Redis

from liq_pipeline.collector.run import CollectReport, collect
from liq_pipeline.definitions import defs
from liq_pipeline.settings import load_settings
from liq_pipeline.simulate.venues import Behaviour, serve
from liq_pipeline.streams import REJECTED, events_key

BOUND_SECONDS = 60
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def collect_frames(
    frames: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    *,
    entries: int,
    rejected: int,
    okx_contract_values: Mapping[str, str] | None = None,
) -> CollectReport:
    """Play every venue's frames to the collector until ``entries`` events and ``rejected`` frames are in Redis."""
    return asyncio.run(_collect_frames(frames, environment, entries, rejected, okx_contract_values))


def materialize(days: Iterable[date]) -> dict[str, set[date]]:
    """Run the daily job for each of the days, in the order given; no check may find an error.

    The checks that warned, each with the days it warned of.
    """
    job = defs.resolve_job_def("daily_tables")
    warned = defaultdict[str, set[date]](set)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in days:
            result = job.execute_in_process(partition_key=day.isoformat(), instance=instance, run_config=QUIET)
            assert result.success
            failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
            assert {check.severity for check in failed} <= {dg.AssetCheckSeverity.WARN}
            for check in failed:
                warned[check.check_name].add(day)
    return warned


async def _collect_frames(
    frames: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    entries: int,
    rejected: int,
    okx_contract_values: Mapping[str, str] | None,
) -> CollectReport:
    behaviour = Behaviour(settle_seconds=0.3)
    async with serve(frames, behaviour, okx_contract_values=okx_contract_values) as venues:
        settings = load_settings({**environment, **venues.urls}, env_file=None)
        stop = asyncio.Event()
        redis_url = environment["LIQ_REDIS_URL"]
        collecting = asyncio.create_task(collect(settings, redis_url=redis_url, stop=stop))
        landed = (0, 0)
        try:
            await venues.wait_until_played(seconds=BOUND_SECONDS)
            async with asyncio.timeout(BOUND_SECONDS), Redis.from_url(redis_url) as redis:
                while landed != (entries, rejected):
                    assert landed[0] <= entries and landed[1] <= rejected and not collecting.done(), landed
                    await asyncio.sleep(0.05)
                    landed = await _landed(redis, frames)
        except TimeoutError:
            raise AssertionError(f"{landed} events and rejected frames landed, not {(entries, rejected)}") from None
        finally:
            stop.set()
            report = await collecting
    return report


async def _landed(redis: Redis, venues: Iterable[str]) -> tuple[int, int]:
    events = [await redis.xlen(events_key(venue)) for venue in venues]
    return sum(events), await redis.xlen(REJECTED)
