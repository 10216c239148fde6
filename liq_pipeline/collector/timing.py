"""How long the collector waits for what. The venue's own limits are in its adapter."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    open: float = 10.0
    """For the WebSocket handshake."""
    proof: float = 10.0
    """For the next acknowledgement while subscribing, and for the first frame of a control stream."""
    overlap: float = 2.0
    """How long the old connection goes on after its successor is proven."""
    close: float = 2.0
    claim: float = 5.0
    """Between two spans of coverage."""
    health: float = 1.0
    lease: float = 2.0
    lease_life: float = 6.0
    first_retry: float = 0.5
    last_retry: float = 60.0
    healthy: float = 60.0
    """A connection that lived so long ends the memory of earlier failures."""
    refresh: float = 600.0
    """Between two readings of the venue's instrument list."""
    urgent_refresh: float = 30.0
    """At least so long between two readings caused by unknown contracts or failures."""
    flush: float = 10.0
    """For Redis to take what is left when the collector stops."""

    def retry(self, failures: int) -> float:
        """Capped exponential backoff with jitter, so that a fleet cut off together does not return together."""
        return min(self.last_retry, self.first_retry * 2.0 ** min(failures, 20)) * random.uniform(0.5, 1.0)
