"""What every kind of fault is."""

from __future__ import annotations

from random import Random
from typing import Protocol

from liq_pipeline_tests.faults.line import Line


class Fault(Protocol):
    """Something that breaks, and is mended again as far as somebody outside the line would mend it."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> frozenset[str]:
        """What the line must have, of ``Line.features``; the fault is drawn only where it is there."""

    async def inject(self, line: Line, draw: Random) -> None:
        """Break it, and return when the fault itself is over; the line need not have recovered.

        Everything that varies comes from ``draw``. Two faults may be injected at once, also of the same line's part.
        """
