"""What can break: one module per family. A new kind is written there and listed in its ``KINDS``."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from liq_pipeline_tests.faults.kinds import dagster, processes
from liq_pipeline_tests.faults.kinds.base import Fault

__all__ = ["ALL", "Fault", "possible"]

ALL: Final[dict[str, Fault]] = {fault.name: fault for family in (processes, dagster) for fault in family.KINDS}


def possible(features: Set[str]) -> list[str]:
    """The kinds that a line with these features can have."""
    return [name for name, fault in ALL.items() if fault.needs <= features]
