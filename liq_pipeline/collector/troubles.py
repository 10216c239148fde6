"""Why a line that runs covers nothing: for the record of gaps, where silence alone would read as nobody there.

Said while it lasts, so that a collector killed in the middle has said the most of it. What fails in another way, a
connection refused or lost, needs no words: nothing covered and nothing said is ``down``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liq_pipeline import streams
from liq_pipeline.collector.coverage import KEPT_MS
from liq_pipeline.collector.resp import pack
from liq_pipeline.streams import Trouble

SILENT: Final = "silent"
OVERLOADED: Final = "overloaded"


class Troubles:
    """The troubles of one line, whichever of its connections has them. Times are UTC milliseconds."""

    def __init__(self, now: int) -> None:
        self.proven_at = now
        """When a connection was last proven to deliver; when the line began before the first was."""
        self._reason: str | None = None
        self._since = now
        self._ended: list[Trouble] = []

    def begin(self, reason: str, since: int) -> None:
        """Nothing is covered for this reason from ``since`` on; one that goes on already goes on."""
        if self._reason != reason:
            self.end(since)
            self._reason, self._since = reason, since

    def end(self, now: int) -> None:
        """It is over, though nothing is proven."""
        if self._reason is not None and self._since < now:
            self._ended.append(Trouble(self._reason, self._since, now))
        self._reason = None

    def prove(self, now: int, until: int | None = None) -> None:
        """A connection delivered something at ``now``, which ends every trouble, and all that was before ``until``.

        Without ``until`` that is ``now``, as there is nothing yet that could have been before.
        """
        if self._reason is not None:
            self.end(now)
        self.proven_at = now if until is None else min(now, max(self.proven_at, until))

    def take(self, now: int) -> list[Trouble]:
        """The troubles not taken yet; of one that goes on, up to now."""
        if (reason := self._reason) is not None:
            self.end(now)
            self._reason, self._since = reason, max(now, self._since)
        ended, self._ended = self._ended, []
        return ended


def note(feed: str, troubles: Sequence[Trouble]) -> list[bytes]:
    """The packed commands that publish troubles."""
    key = streams.troubles_key(feed).encode()
    return [
        pack(
            b"XADD",
            key,
            b"MINID",
            b"~",
            b"%d" % (trouble.end - KEPT_MS),
            b"*",
            b"reason",
            trouble.reason.encode(),
            b"from",
            b"%d" % trouble.start,
            b"to",
            b"%d" % trouble.end,
        )
        for trouble in troubles
    ]
