"""What the venues sent: every liquidation they meant, and on which connections it went out when.

A frame goes to whoever listens at that moment and is not sent again, as in life. So an event may be missing from the
tables only if, each time it was sent, nobody listened or every connection it went out on was lost before it arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from liq_pipeline.exchanges import adapter
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.simulate.ledger import Line, Outcome
from liq_pipeline_tests.line.expected import Event, event_of


@dataclass(frozen=True)
class Sending:
    """One time a frame was sent: when (UTC milliseconds), and the venue's connections it was written to."""

    at: int
    connections: tuple[int, ...]


@dataclass
class Sent:
    """A liquidation the venue meant, ``event_id`` included, and its sendings."""

    event: Event
    frame: str
    sendings: list[Sending] = field(default_factory=list)


class Ledger:
    """The truth of one play. Connections are numbered by the venue, from 1, as in ``VenueServer``."""

    def __init__(self) -> None:
        self.sent: dict[str, Sent] = {}
        """By event_id."""
        self.broken = Counter[str]()
        """Frames that nobody can understand, as sent: what ``frames_rejected`` may hold."""
        self.ended: dict[tuple[str, int], int] = {}
        """When connections were first seen to be gone, UTC milliseconds, by venue and number."""
        self.frames = 0

    def note(self, line: Line, sending: Sending) -> None:
        """A frame of the market was sent, for the first time or again."""
        self.frames += 1
        for event in meant(line):
            self.sent.setdefault(event.event_id, Sent(event, line.text)).sendings.append(sending)

    def note_broken(self, text: str) -> None:
        """A frame was sent that must be rejected."""
        self.frames += 1
        self.broken[text] += 1

    def note_ended(self, venue: str, connections: Sequence[int], at: int) -> None:
        for number in connections:
            self.ended.setdefault((venue, number), at)

    def last_on(self, venue: str, connection: int) -> int:
        """When the last frame was written to a connection, UTC milliseconds."""
        times = [
            sending.at
            for sent in self.sent.values()
            if sent.event.exchange == venue
            for sending in sent.sendings
            if connection in sending.connections
        ]
        return max(times, default=0)


def meant(line: Line) -> list[Event]:
    """The events of a frame: columns as the simulator states them, the identity by the real parser.

    The parser and the simulator must agree on every column, which a test of the simulator holds.
    """
    rows = [row for row in line.rows if row.outcome is Outcome.LANDED]
    if not rows:
        return []
    landed = adapter(line.venue).parse(line.text.encode(), snapshot(line.venue)).landed
    return [event_of(row, item.liquidation.event_id) for row, item in zip(rows, landed, strict=True)]
