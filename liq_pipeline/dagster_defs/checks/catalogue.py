"""A check as it is declared: what holds, what to do when it does not, and whether that stops what is downstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from liq_pipeline.dagster_defs.checks.rules import Look, Verdict

FORCE = "materialize the day again with `liq materialize --from DAY --to DAY --force`"
"""What mends a table that is not what its upstream makes."""


class Check(NamedTuple):
    """A check of one table.

    ``description`` says what must hold and, after "If it fails:", what to do. ``blocking`` is for what would make a
    downstream table wrong: the run fails, and what is made of this table is not made.
    """

    name: str
    rule: Callable[[Look], Verdict]
    description: str
    blocking: bool = False
