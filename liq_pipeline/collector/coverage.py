"""What one connection covered: time between proofs that it delivers, and nothing else.

A span ends at the last proof, never at the present: a connection that died half-open claims nothing after its
last frame, and a collector that died leaves its gap by saying nothing. And a proof is of what happened before the venue
sent it, not before it came: on a slow line there is more on its way, and all of that is lost when the line is.
"""

from __future__ import annotations

from typing import Final

from liq_pipeline import streams
from liq_pipeline.collector.resp import pack
from liq_pipeline.streams import Span

KEPT_MS: Final = 14 * 86_400_000
"""Spans older than this leave the stream; the database has them long before."""


class Coverage:
    """The spans of one connection. Times are UTC milliseconds."""

    def __init__(self, connection: str, silence_ms: int, part: int = 0, parts: int = 1) -> None:
        self._connection = connection
        self._silence_ms = silence_ms
        self._part = part
        self._parts = parts
        self.end = 0
        """Everything that happened before has come, since there was a proof."""
        self._start: int | None = None
        self._heard = 0
        self._finished: list[tuple[int, int]] = []

    def prove(self, now: int, until: int | None = None) -> None:
        """The connection delivered something at ``now``, by which everything has come that happened before ``until``.

        Without ``until`` everything has that happened before ``now``, as there is nothing yet that could have.

        Proofs further apart than the venue is ever silent do not join: the machine slept, or the clock was set.
        """
        if self._start is not None and not 0 <= now - self._heard <= self._silence_ms:
            self.interrupt()
        if self._start is None:
            self._start = self.end = now
        self._heard = now
        self.end = max(self.end, now if until is None else min(until, now))

    def interrupt(self) -> None:
        """Nothing after the last proof is covered until the next."""
        if self._start is not None and self.end > self._start:
            self._finished.append((self._start, self.end))
        self._start = None

    def take(self) -> list[Span]:
        """The spans not taken yet. A later one begins where an uninterrupted earlier one ended."""
        spans = self._finished
        self._finished = []
        if self._start is not None and self.end > self._start:
            spans.append((self._start, self.end))
            self._start = self.end
        return [Span(self._connection, start, end, self._part, self._parts) for start, end in spans]


def claim(feed: str, span: Span) -> bytes:
    """The packed command that publishes a span."""
    return pack(
        b"XADD",
        streams.coverage_key(feed).encode(),
        b"MINID",
        b"~",
        b"%d" % (span.end - KEPT_MS),
        b"*",
        b"connection",
        span.connection.encode(),
        b"from",
        b"%d" % span.start,
        b"to",
        b"%d" % span.end,
        b"part",
        b"%d" % span.part,
        b"parts",
        b"%d" % span.parts,
    )
