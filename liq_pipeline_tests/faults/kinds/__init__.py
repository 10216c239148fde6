"""What can break: one module per family. A new kind is written there and listed in its ``KINDS``."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from liq_pipeline_tests.faults.kinds import dagster, full, keeping, network, overlapping, processes, sending, storing
from liq_pipeline_tests.faults.kinds.base import Fault

__all__ = ["ALL", "NOT_RUN", "Fault", "possible"]

FAMILIES: Final = (processes, overlapping, network, sending, keeping, storing, full, dagster)
ALL: Final[dict[str, Fault]] = {fault.name: fault for family in FAMILIES for fault in family.KINDS}
NOT_RUN: Final[dict[str, str]] = {
    "redis_disk_full": "Redis ends at the signal by which the kernel keeps postgres_disk_full from writing, which "
    "kill_redis is the same to; where its log cannot be written it refuses, as in redis_full and redis_read_only",
    "clock_jumps": "the clock of one process cannot be set without rights; freeze_* make it jump forward, and tests of "
    "collector, live view and coverage inject clocks that are set back",
    "half_open_postgres": "TCP keepalives end such a connection within a minute, and a relay on loopback answers them",
    "asynchronous_failover": "what an asynchronous standby has not got is not promised; rows of the last hours come "
    "again from the streams, which a test of the loader holds",
}
"""Faults that no line here can be given, and why."""


def possible(features: Set[str]) -> list[str]:
    """The kinds that a line with these features can have."""
    return [name for name, fault in ALL.items() if fault.needs <= features]
