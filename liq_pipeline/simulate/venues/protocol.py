"""What the server knows of a connection, and what it asks of each venue's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Message = str | bytes
"""A text frame, or a binary one."""


class Reply(NamedTuple):
    """An HTTP reply with a JSON body."""

    status: int
    body: str


@dataclass
class Session:
    """One connection's state: its topics, and whether frames reach it at all.

    ``combined`` is Binance's choice of wrapped frames; ``routed`` is False on the paths that acknowledge and then
    stay silent; ``changes`` counts subscriptions, so that playback can wait until they are complete.
    """

    path: str
    topics: set[str] = field(default_factory=set)
    combined: bool = False
    routed: bool = True
    changes: int = 0


class VenueProtocol(Protocol):
    """One venue's side of the conversation, without sockets."""

    venue: str
    idle_seconds: float | None
    """The venue closes a connection on which nothing was said for so long."""
    messages_per_second: int | None
    """More messages than this from a client close the connection."""
    refusing: bool
    """Set to answer every subscription with the venue's error."""

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        """The session of a new connection, or None where the venue has no such path."""

    def respond(self, session: Session, message: str) -> list[str]:
        """The venue's replies to a client's message."""

    def topic(self, message: Message) -> str | None:
        """The topic a frame belongs to; None if it is none of this venue's, so that whoever listens gets it."""

    def listens(self, session: Session, topic: str | None) -> bool:
        """Whether a session's subscriptions include a topic; None asks for any liquidations at all."""

    def shaped(self, session: Session, text: str) -> str:
        """A frame of the simulated market in the shape this session asked for."""

    def remember(self, message: Message) -> None:
        """Take a frame that was published, whether anybody got it or not, into the history told over REST."""

    def periodic(self, session: Session, now_ms: int) -> list[str]:
        """Frames of control streams, asked for every second."""

    def rest(self, path: str, query: Mapping[str, str]) -> Reply | None:
        """The reply to a REST request, None for paths that are none."""
