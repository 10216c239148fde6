"""What can break: one module per family. A new kind is written there and listed in its ``KINDS``."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from liq_pipeline_tests.faults.kinds import dagster, processes
from liq_pipeline_tests.faults.kinds.base import Fault

__all__ = ["ALL", "NOT_RUN", "Fault", "possible"]

ALL: Final[dict[str, Fault]] = {fault.name: fault for family in (processes, dagster) for fault in family.KINDS}
NOT_RUN: Final[dict[str, str]] = {}
"""Faults that no line here can be given, and why."""


def possible(features: Set[str]) -> list[str]:
    """The kinds that a line with these features can have."""
    return [name for name, fault in ALL.items() if fault.needs <= features]
