"""A span of a venue's history, group by group, and how far back the answers prove to reach.

Nobody promises how much a history holds, by age or by number of rows, and a missing answer looks like a quiet market.
What counts as covered is therefore only what the answers show: the span begins at the oldest row that any of them held,
and, where one group filled pages and then ended, at the oldest row of that group. A group that failed leaves nothing
covered. To see the number of its rows, each group is read from the present back, however long ago the span was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from liq_pipeline.errors import VenueError
from liq_pipeline.exchanges.base import History, Instruments, Landed, Rejection
from liq_pipeline.healing.asking import Venue
from liq_pipeline.liquidation import Liquidation

_AT_ONCE: Final = 4


@dataclass
class Fetched:
    """What a venue's history told of the span asked for. Times are UTC milliseconds."""

    start: int
    end: int
    rows: dict[str, Landed] = field(default_factory=dict)
    """By ``event_id``."""
    rejections: list[Rejection] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """By group why it could not be asked to the end."""
    oldest: int | None = None
    """The oldest row of all answers, within the span or before it."""
    ends: list[int] = field(default_factory=list)
    """Of groups that filled pages and ended within the span: their oldest rows."""

    @property
    def covered_from(self) -> int | None:
        """From when on to ``end`` the answers are complete; None if nothing shows that they are."""
        if self.failed or self.oldest is None:
            return None
        start = max(self.start, self.oldest, *self.ends)
        return start if start < self.end else None


async def fetch(
    venue: Venue,
    history: History,
    groups: Sequence[str],
    start: int,
    end: int,
    now: int,
    instruments: Instruments,
    wants: Callable[[Liquidation], bool],
) -> Fetched:
    """All rows of the groups from ``start`` to ``end`` (excluded; UTC milliseconds as ``now``) that ``wants`` wants."""
    fetched = Fetched(start, end)
    waiting = list(reversed(groups))

    async def work() -> None:
        while waiting:
            group = waiting.pop()
            try:
                await _fetch_group(venue, history, group, now, instruments, wants, fetched)
            except VenueError as error:
                fetched.failed[group] = str(error)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work())
    return fetched


async def _fetch_group(
    venue: Venue,
    history: History,
    group: str,
    now: int,
    instruments: Instruments,
    wants: Callable[[Liquidation], bool],
    fetched: Fetched,
) -> None:
    before, pages, oldest = now, 0, now
    while True:
        page = await venue.ask(*history.request(group, before), lambda body: history.read(body, instruments))
        for item in page.parsed.landed:
            if fetched.start <= item.liquidation.time < fetched.end and wants(item.liquidation):
                fetched.rows[item.liquidation.event_id] = item
        fetched.rejections += page.parsed.rejections
        if page.oldest is not None and page.oldest < oldest:
            oldest = page.oldest
            fetched.oldest = oldest if fetched.oldest is None else min(fetched.oldest, oldest)
        elif page.oldest is not None and page.oldest >= before:
            raise VenueError(f"the history of {group} goes no further back than {oldest} (UTC ms) however it is asked")
        pages += page.rows >= history.page_rows
        if page.oldest is None or page.rows < history.page_rows or page.oldest < fetched.start:
            break
        # Rows of that very millisecond may go on on the next page; one that holds nothing else is stepped over.
        before = page.oldest + 1 if page.oldest + 1 < before else page.oldest
    if pages and oldest >= fetched.start:
        fetched.ends.append(oldest)
