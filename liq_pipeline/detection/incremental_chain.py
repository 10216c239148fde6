"""One cascade that may still grow: the sums over its members, and its risk, worked out when asked for."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from liq_pipeline.detection.cascades import cascade_id, detect
from liq_pipeline.detection.columns import Params
from liq_pipeline.detection.incremental_rows import Rows
from liq_pipeline.detection.incremental_window import Measures, Window
from liq_pipeline.detection.risk import score

_PART: Final = 1 << 16
"""Hot events scored at a time, at least: few enough that what it takes besides the columns stays small."""


class _Past(NamedTuple):
    """What a chain whose events are forgotten cannot look up any more."""

    avg_risk: int
    max_risk: int
    last_risk: int
    price_start: str
    price_end: str


class Chain:
    """A chain of hot events and its members; what ``detection.columns.Cascades`` holds of it, in the same units.

    All of it is kept as events come and costs nothing to read, except: ``id`` is hashed when the start has moved;
    ``last_risk``, the score of the newest hot event, is worked out from the sums of its window; ``avg_risk`` and
    ``max_risk`` score, as batch does and as fast, the hot events from the earliest change since they were last read.
    So watch an active cascade by ``last_risk``.

    Of a chain that was merged into another ``start``, ``end`` and ``id`` stay; its risks and prices mean nothing.
    """

    __slots__ = (
        *("_id", "_id_start", "_mask", "_newest", "_params", "_past", "_price_start", "_risks", "_rows"),
        *("_scored_max", "_scored_sum", "_unscored", "_window"),
        *("end", "event_count", "first_hot", "hot_event_count", "long_count", "max_event", "start", "total_value"),
    )

    def __init__(self, rows: Rows, newest: Window, params: Params, hot: int, start: int) -> None:
        self._rows = rows
        self._newest = newest
        self._params = params
        self.first_hot = hot
        self.end = hot
        self.start = start
        self.event_count = 0
        self.hot_event_count = 0
        self.total_value = 0
        self.max_event = 0
        self.long_count = 0
        self._mask = 0
        self._id = ""
        self._id_start = start
        self._window: Measures | None = None
        self._risks: tuple[int, int] | None = None
        self._unscored = hot
        self._scored_sum = 0
        self._scored_max = 0
        self._price_start: str | None = None
        self._past: _Past | None = None

    @property
    def id(self) -> str:
        """The identity the cascade has now: final only when nothing can come before its start any more."""
        if not self._id or self._id_start != self.start:
            self._id_start = self.start
            self._id = cascade_id(self._rows.symbol, self.start, self._params)
        return self._id

    @property
    def short_count(self) -> int:
        """How many of its events liquidated a short position."""
        return self.event_count - self.long_count

    @property
    def exchanges(self) -> tuple[str, ...]:
        """The exchanges that take part, sorted."""
        return tuple(sorted(name for code, name in enumerate(self._rows.exchanges) if self._mask >> code & 1))

    @property
    def avg_risk(self) -> int:
        """The mean of the hot events' rounded scores, rounded half-even."""
        return self._past.avg_risk if self._past else self._scored()[0]

    @property
    def max_risk(self) -> int:
        """The greatest of the hot events' scores."""
        return self._past.max_risk if self._past else self._scored()[1]

    @property
    def last_risk(self) -> int:
        """The score of the newest hot event."""
        if self._past:
            return self._past.last_risk
        rows, newest = self._rows, self._newest
        if rows.time[-1] == self.end:
            return score(*newest.measures(self.end - rows.time[newest.low]))
        if self._window:
            return score(*self._window)
        self._settle()
        return rows.score[rows.after(self.end) - 1]

    @property
    def price_start(self) -> str:
        """The price of its first event."""
        if self._past:
            return self._past.price_start
        return self._rows.first_price(self.start) if self._price_start is None else self._price_start

    @property
    def price_end(self) -> str:
        """The price of its last event."""
        return self._past.price_end if self._past else self._rows.last_price(self.end)

    # What follows is the detector's business alone.

    def take(self, low: int, high: int) -> None:
        """Count rows ``low`` to ``high`` as members."""
        rows = self._rows
        for row in range(low, high):
            value, trait = rows.value[row], rows.trait[row]
            self.total_value += value
            if value > self.max_event:
                self.max_event = value
            self.long_count += trait & 1
            self._mask |= 1 << (trait >> 1)
        self.event_count += high - low

    def change(self, time: int) -> None:
        """Note that windows which end at ``time`` or later may hold something else than before."""
        self._risks = self._window = None
        if time < self._unscored:
            self._unscored = time

    def begin(self, start: int) -> None:
        """Move the start, and with it the identity, back to ``start``."""
        self.start = min(self.start, start)

    def leave(self, window: Measures) -> None:
        """Remember the window of the newest hot event before it is left for a later one's."""
        self._window = window

    def absorb(self, later: Chain) -> None:
        """Go on as ``later`` does; what lies between the two is still to be taken."""
        self.end = later.end
        self.event_count += later.event_count
        self.hot_event_count += later.hot_event_count
        self.total_value += later.total_value
        self.max_event = max(self.max_event, later.max_event)
        self.long_count += later.long_count
        self._mask |= later._mask

    def freeze(self, count: int) -> None:
        """Keep what is needed of the first ``count`` rows: they are about to be dropped, and never change again."""
        rows = self._rows
        first, stop = rows.at(self.start), rows.after(self.end)
        if not first < count:
            return
        self._settle()
        if self._price_start is None:
            self._price_start = rows.first_price(self.start)
        if stop <= count:
            self._past = _Past(self.avg_risk, self.max_risk, self.last_risk, self.price_start, self.price_end)
            return
        scores = rows.scores(first, count)
        self._scored_sum += int(scores.sum())
        self._scored_max = max(self._scored_max, int(scores.max(initial=0)))

    def _scored(self) -> tuple[int, int]:
        """Mean and greatest score."""
        if self._risks is None:
            self._settle()
            rows = self._rows
            scores = rows.scores(rows.at(self.start), rows.after(self.end))
            mean = Fraction(self._scored_sum + int(scores.sum()), self.hot_event_count)
            self._risks = round(mean), max(self._scored_max, int(scores.max(initial=0)))
        return self._risks

    def _settle(self) -> None:
        """Score the hot events whose windows have changed."""
        rows, window_ms = self._rows, self._params.window_ms
        begin, stop = rows.at(self._unscored), rows.after(self.end)
        while begin < stop:
            low = rows.after(rows.time[begin] - window_ms)
            # A part is no shorter than what is read before it, or a window of many events were read again and again.
            part = min(begin + max(_PART, begin - low), stop)
            high = rows.after(rows.time[part - 1])
            found = detect(rows.events(low, high), self._params)
            rows.set_scores(begin, high, found.hot[begin - low :], found.risk[begin - low :])
            begin = high
        self._unscored = self.end + 1
