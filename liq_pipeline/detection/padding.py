"""How many events beside its own a day needs, so that cascades over midnight come out whole, and the same
from either side.

A window that begins before the events loaded is incomplete, and a chain of hot events whose neighbours are not
known may go on. So a day is loaded with some padding, detected, and loaded with more until no chain that
touches it could differ with still more.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np

from liq_pipeline.detection.columns import Detection, Params

NO_CROSSING: Final = ""
"""What ``border`` answers where no cascade crosses."""

_INITIAL_WINDOWS: Final = 8
# Few reloads for a long chain, as each reads the whole day again, and little in excess for a short one. Geometric
# growth keeps all the loading together linear in what the last one loads.
_GROWTH: Final = 8


class Span(NamedTuple):
    """Half-open [start, end) in UTC ms."""

    start: int
    end: int


def initial_range(day: Span, params: Params) -> Span:
    """What to load first for ``day``: enough for chains that stay within a few windows of it."""
    padding = _INITIAL_WINDOWS * params.window_ms
    return Span(day.start - padding, day.end + padding)


def next_range(loaded: Span, day: Span, detection: Detection) -> Span | None:
    """What to load instead of ``loaded`` so that everything about ``day`` is right, or None if it already is.

    ``detection`` is of all events in ``loaded``. Right are then, for all events of the day, cascade, risk and hot
    flag, and every column of the cascades with an event in it. Ends once the events on that side do.
    """
    needed = _needed(day, detection)
    if loaded.start <= needed.start and needed.end <= loaded.end:
        return None
    start, end = loaded
    if needed.start < start:
        start = min(needed.start, day.start - _GROWTH * (day.start - start))
    if needed.end > end:
        end = max(needed.end, day.end + _GROWTH * (end - day.end))
    return Span(start, end)


def _needed(day: Span, detection: Detection) -> Span:
    """The least range in which the chains that touch ``day``, as far as ``detection`` knows them, are closed."""
    window = detection.params.window_ms
    cascades = detection.cascades
    touching = (cascades.start < day.end) & (cascades.end >= day.start)
    # A chain is closed if no event less than a window before its first hot one, or after its last, is hot. The
    # window of an event at t begins at t - window + 1, and so that of the earliest such event two windows before
    # the first hot one. Hot events up to a window after midnight reach back into the day.
    first_hot = min(int(cascades.first_hot[touching].min(initial=day.start)), day.start)
    last_hot = max(int(cascades.end[touching].max(initial=day.end)), day.end)
    return Span(first_hot - 2 * (window - 1), last_hot + window)


def border(detection: Detection, boundary_ms: int) -> str:
    """A digest of all that is stored about the cascades that cross ``boundary_ms`` (start before it, end not).

    Two neighbouring days, each detected with enough padding, agree about their border exactly if their digests
    are equal, however much each had loaded. Needs the window to be at most a day, else a cascade could jump one.
    """
    cascades, events = detection.cascades, detection.events
    crossing = np.flatnonzero((cascades.start < boundary_ms) & (boundary_ms <= cascades.end)).tolist()
    if not crossing:
        return NO_CROSSING
    columns = (
        cascades.start,
        cascades.end,
        cascades.event_count,
        cascades.hot_event_count,
        cascades.total_value,
        cascades.max_event,
        cascades.avg_risk,
        cascades.max_risk,
        cascades.long_count,
        cascades.short_count,
    )
    digest = hashlib.blake2b(digest_size=16)
    for index in sorted(crossing, key=lambda index: cascades.id[index]):
        first, last = int(cascades.first_row[index]), int(cascades.last_row[index])
        row = (
            cascades.id[index],
            events.symbols[int(cascades.symbol[index])],
            detection.exchange_names[index],
            *(int(column[index]) for column in columns),
            *events.price[[first, last]].tolist(),
        )
        digest.update(repr(row).encode())
        members = slice(first, last + 1)
        digest.update(events.time[members].astype("<i8").tobytes())
        digest.update(detection.risk[members].astype("<i8").tobytes())
    return digest.hexdigest()
