"""Whether the database keeps up with what lands: the check ``backlog`` of the landing zone, about now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import dagster as dg

from liq_pipeline.dagster_defs.assets.sources import LANDING_ZONE
from liq_pipeline.dagster_defs.checks.rules import Verdict
from liq_pipeline.warehouse.landing_zone import StreamState, uncommitted_events

BACKLOG: Final = "backlog"
_FULL: Final = 0.98


class Memory(NamedTuple):
    """Redis's, in bytes; ``most`` is its maxmemory, 0 for none."""

    used: int = 0
    most: int = 0

    @property
    def full(self) -> bool:
        """Whether it takes nothing: what it refuses is freed again, so that it is a little below then."""
        return self.most > 0 and self.used >= _FULL * self.most


def judge_backlog(
    states: Sequence[StreamState],
    feeds: Mapping[str, Mapping[str, str]],
    limit: int,
    memory: Memory = Memory(),  # noqa: B008 - frozen
) -> Verdict:
    """Passes while at most ``limit`` entries wait for the database and collectors are not held back.

    ``feeds`` are the hashes of liq:feed:{feed} of collectors that are there. One that has stopped reading misses what
    comes, and fails it, and so does a full Redis, in which none can say so; waiting alone loses nothing, and warns.
    """
    waiting = uncommitted_events(states)
    # A collector's feeds share its buffer.
    buffered = max((int(fields.get("buffered") or 0) for fields in feeds.values()), default=0)
    blocked = sorted(feed for feed, fields in feeds.items() if fields.get("state") == "blocked")
    seen = {"uncommitted": waiting, "buffered": buffered, "blocked": len(blocked), "limit": limit}
    if memory.full:
        text = f"Redis is full: it uses {memory.used:,} of {memory.most:,} bytes, and {waiting:,} entries wait in it"
        return Verdict(False, f"{text}; what venues send is held back until the database has them", seen)
    if blocked:
        text = f"the collector of {', '.join(blocked)} reads nothing, as Redis takes nothing; {waiting:,} entries wait"
        return Verdict(False, text, seen)
    if waiting > limit:
        return Verdict(
            False, f"{waiting:,} entries wait in Redis for the database, more than {limit:,}", seen, severe=False
        )
    return Verdict(True, f"{waiting:,} entries wait in Redis for the database, {buffered:,} for Redis", seen)


def spec() -> dg.AssetCheckSpec:
    """This check as Dagster knows it."""
    return dg.AssetCheckSpec(
        BACKLOG,
        asset=LANDING_ZONE,
        description=(
            "At most LIQ_BACKLOG_ENTRIES entries wait in Redis for the database, and every collector reads what its "
            "venue sends. If it fails: nothing is lost yet, and it drains by itself once the database keeps up; look "
            "whether it is slow or locked, and whether runs of daily_tables fail or wait (page Runs). Where the "
            "collector reads nothing, Redis is away or full: `liq status` says which; the time it missed will be in "
            "feed_gaps as overloaded."
        ),
    )
