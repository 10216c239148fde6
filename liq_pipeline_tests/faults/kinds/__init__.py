"""What can break: one module per family. A new kind is written there and listed in its ``KINDS``."""

from __future__ import annotations

from typing import Final

from liq_pipeline_tests.faults.kinds import processes
from liq_pipeline_tests.faults.kinds.base import Fault

__all__ = ["ALL", "Fault"]

ALL: Final[dict[str, Fault]] = {fault.name: fault for family in (processes,) for fault in family.KINDS}
