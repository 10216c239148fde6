"""What was seen of a feed on a day, as a function of claims, notes, heals and events. Times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from liq_pipeline.spans import Spans, difference, intersection, length, union

DOWN: Final = "down"
SILENT: Final = "silent"
OVERLOADED: Final = "overloaded"
THROTTLED: Final = "throttled"

Times = np.ndarray[tuple[int], np.dtype[np.int64]]
"""Event times, ascending."""

_SECOND: Final = 1_000
_PAUSES: Final = 5
"""So many gaps of one to two seconds in a row are a throttle at work, and not chance."""
_KNOWN_EVENTS: Final = 100
"""A venue's share of the events is known where it and the others had at least so many."""


class Heal(NamedTuple):
    """A span of which the venue's history has landed, and when it had."""

    start: int
    end: int
    at: int


class Gap(NamedTuple):
    """A row of ``feed_gaps`` to be."""

    start: int
    end: int
    reason: str
    healed_at: int | None = None


class Share(NamedTuple):
    """How many events a feed had, and how many the others had that are compared with it, in the same time."""

    own: int
    others: int


@dataclass(frozen=True)
class Seen:
    """What was seen in a window of time, all in milliseconds; ``gaps`` are in order of time."""

    elapsed: int
    covered: int
    healed: int
    by_reason: Mapping[str, int]
    gaps: tuple[Gap, ...]

    @property
    def reducing(self) -> list[Gap]:
        """The gaps in which something was missed."""
        return [gap for gap in self.gaps if gap.reason != THROTTLED]

    @property
    def longest(self) -> int:
        return max((gap.end - gap.start for gap in self.reducing), default=0)


def seen(
    start: int,
    end: int,
    covered: Sequence[tuple[int, int]],
    *,
    notes: Mapping[str, Spans],
    quiet: Sequence[tuple[int, int]] = (),
    heals: Iterable[Heal] = (),
    throttled: Sequence[tuple[int, int]] = (),
) -> Seen:
    """What of [``start``, ``end``) was seen, given the time covered by connections and why the rest was not.

    Time that is not covered has the reason a collector noted for it, and is ``down`` where none said anything. Time
    that is ``quiet`` was covered by connections that delivered none of the events there must have been.
    """
    window = [(start, end)] if start < end else []
    connected = intersection(window, covered)
    quiet = intersection(connected, quiet)
    apart = difference(window, connected)
    overloaded = intersection(apart, notes.get(OVERLOADED, []))
    noted = difference(intersection(apart, notes.get(SILENT, [])), overloaded)
    silent = union([*noted, *quiet])
    found = {
        DOWN: difference(apart, union([*overloaded, *noted])),
        SILENT: silent,
        OVERLOADED: overloaded,
        THROTTLED: intersection(difference(connected, quiet), throttled),
    }
    in_order = sorted(heals, key=lambda heal: heal.at)
    missing = difference(window, difference(connected, quiet))
    return Seen(
        elapsed=length(window),
        covered=length(connected) - length(quiet),
        healed=length(intersection(missing, union((heal.start, heal.end) for heal in in_order))),
        by_reason={reason: length(spans) for reason, spans in found.items()},
        gaps=tuple(
            sorted(
                Gap(*span, reason, None if reason == THROTTLED else _healed_at(span, in_order))
                for reason, spans in found.items()
                for span in spans
            )
        ),
    )


def _healed_at(span: tuple[int, int], heals: Iterable[Heal]) -> int | None:
    """When the last part of ``span`` was healed; None while any is missing."""
    missing: Spans = [span]
    for heal in heals:
        missing = difference(missing, [(heal.start, heal.end)])
        if not missing:
            return heal.at
    return None


def throttled(times_by_contract: Iterable[Times]) -> Spans:
    """When a throttle of one event a second worked without pause on some contract: what it published, it had to choose.

    That is so while its events keep coming a second after the one before, and less than two.
    """
    spans: Spans = []
    for times in times_by_contract:
        paced = np.concatenate(([False], _paced(times), [False]))
        edges = np.flatnonzero(paced[1:] != paced[:-1])
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if last - first >= _PAUSES:
                spans.append((int(times[first]), int(times[last])))
    return union(spans)


def saturation(times_by_contract: Iterable[Times]) -> tuple[int, int]:
    """How many gaps between events of the same contract are as a throttle makes them, and how many there are."""
    paced = total = 0
    for times in times_by_contract:
        paced += int(np.count_nonzero(_paced(times)))
        total += max(0, len(times) - 1)
    return paced, total


def _paced(times: Times) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    gaps = np.diff(times)
    return (gaps >= _SECOND) & (gaps < 2 * _SECOND)


def quiet(
    own: Times,
    others: Times,
    covered: Sequence[tuple[int, int]],
    history: Iterable[Share],
    *,
    longer_than: int,
    expected: float,
) -> Spans:
    """The covered time in which a feed had no event although the others had many: it must have been silent.

    A stretch between two of its events (or the ends of the covered time) counts when it is at least ``longer_than``
    milliseconds, and at least ``expected`` events of its own were to be expected: as many as others had in it, times
    the feed's smallest share known from ``history`` and from the rest of the day. Markets differ in what moves them,
    so the smallest share, not the mean; and not one event came, which among many expected is no chance.
    """
    shares = list(history)
    found: Spans = []
    for stretch in _between(own, covered, longer_than):
        seen_by_others = _count(others, stretch)
        if not seen_by_others:
            continue
        rest = difference(covered, stretch)
        known = [
            share.own / share.others
            for share in (*shares, Share(_count(own, rest), _count(others, rest)))
            if min(share) >= _KNOWN_EVENTS
        ]
        if known and min(known) * seen_by_others >= expected:
            found += stretch
    return found


def _between(own: Times, covered: Sequence[tuple[int, int]], longer_than: int) -> Iterable[Spans]:
    """The covered time between two neighbouring events, before the first and after the last, where it is so long."""
    if not covered:
        return
    ends = np.concatenate(([covered[0][0]], own, [covered[-1][1]]))
    for index in np.flatnonzero(np.diff(ends) >= longer_than).tolist():
        stretch = intersection(covered, [(int(ends[index]), int(ends[index + 1]))])
        if length(stretch) >= longer_than:
            yield stretch


def _count(times: Times, spans: Sequence[tuple[int, int]]) -> int:
    if not spans:
        return 0
    edges = np.searchsorted(times, np.array(spans, dtype=np.int64))
    return int((edges[:, 1] - edges[:, 0]).sum())
