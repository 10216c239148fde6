"""Cascades of one view while they are active, when they become final, and when a late event changes a final one.

Everything here is decided a batch of events at a time, at the watermark after it, but for the ids a cascade had: those
are followed event by event, so that they do not depend on how events were batched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from liq_pipeline.detection.columns import Params
from liq_pipeline.detection.incremental import Incremental
from liq_pipeline.detection.incremental_chain import Chain
from liq_pipeline.live.decimals import plain
from liq_pipeline.live.records import CascadeState, Correction, Crossed, FinalCascade, Kind, Levels, Record

STATUS_PREFIX: Final = "liq:cascade:status:"


@dataclass(slots=True)
class Track:
    """What is known of a chain beside its sums: ids it had or absorbed, oldest first, and the finals it replaces."""

    id: str
    start: int
    had: list[str] = field(default_factory=list)
    is_final: bool = False
    told: list[str] = field(default_factory=list)
    """Ids of finals that were told and that this chain is, or absorbed."""
    late_events: int = 0
    late_event_id: str = ""
    crossed: dict[Kind, int] = field(default_factory=lambda: {"risk": 0, "usd": 0})
    """How many levels of each kind were told of."""

    def rename(self, chain: Chain) -> None:
        """The chain begins earlier, and so has another id."""
        self._remember(self.id)
        self.id, self.start = chain.id, chain.start
        if self.id in self.had:
            self.had.remove(self.id)

    def absorb(self, other: Track) -> None:
        """The chain took over all of another."""
        for known in (*other.had, other.id):
            self._remember(known)
        self.told += [known for known in other.told if known not in self.told]
        self.late_events += other.late_events
        self.late_event_id = other.late_event_id or self.late_event_id
        self.crossed = {kind: max(count, other.crossed[kind]) for kind, count in self.crossed.items()}

    def _remember(self, known: str) -> None:
        if known != self.id and known not in self.had:
            self.had.append(known)


class Symbol:
    """One symbol's detector and the tracks of the chains that can still change."""

    __slots__ = ("changed", "incremental", "name", "tracks")

    def __init__(self, name: str, params: Params) -> None:
        self.name = name
        self.incremental = Incremental(name, params)
        self.tracks: dict[Chain, Track] = {}
        self.changed: set[Chain] = set()

    def follow(self, event_id: str) -> None:
        """Take note of what the event that was just added changed."""
        incremental, tracks = self.incremental, self.tracks
        gone = [(chain, tracks.pop(chain, None)) for chain in incremental.gone]
        for chain, _ in gone:
            incremental.touched.discard(chain)
            self.changed.discard(chain)
        for chain in incremental.touched:
            track = tracks.get(chain)
            if track is None:
                track = tracks[chain] = Track(chain.id, chain.start)
            elif track.start != chain.start:
                track.rename(chain)
            for other, absorbed in gone:
                if absorbed is not None and chain.start <= other.start and other.end <= chain.end:
                    track.absorb(absorbed)
            if track.told:
                track.late_events += 1
                track.late_event_id = event_id
            self.changed.add(chain)
        incremental.touched.clear()
        incremental.gone.clear()


class Cascades:
    """All symbols. ``changed`` collects the symbols whose status is to be written, or removed, until cleared."""

    def __init__(self, params: Params, levels: Levels) -> None:
        self.symbols: dict[str, Symbol] = {}
        self.changed: set[str] = set()
        self.records: list[Record] = []
        """What is to be remembered, in order, until taken."""
        self.finals = 0
        self.corrections = 0
        self._params = params
        self._levels = levels
        self._unsettled: set[Symbol] = set()
        self._ending: list[tuple[int, int, Symbol, Chain]] = []
        """A heap: when to look whether a chain is final."""
        self._pushed = 0

    def symbol(self, name: str) -> Symbol:
        """A symbol's detector, made when it is first seen."""
        found = self.symbols.get(name)
        if found is None:
            found = self.symbols[name] = Symbol(name, self._params)
        return found

    def touch(self, symbol: Symbol, event_id: str) -> None:
        """The event that was just added changed chains of ``symbol``."""
        symbol.follow(event_id)
        self._unsettled.add(symbol)

    def settle(self, watermark: int, now: int) -> None:
        """Decide about every chain that changed or whose end has come."""
        for symbol in self._unsettled:
            for chain in symbol.changed:
                self._settle(symbol, chain, watermark, now)
            symbol.changed.clear()
            self.changed.add(symbol.name)
        self._unsettled.clear()
        ending = self._ending
        while ending and ending[0][0] <= watermark:
            _, _, symbol, chain = heappop(ending)
            track = symbol.tracks.get(chain)
            if track is not None and not track.is_final:
                self._settle(symbol, chain, watermark, now)
                self.changed.add(symbol.name)

    def forget(self, before: int) -> None:
        """Let the detectors forget what is older, and drop symbols of which nothing is left."""
        for name, symbol in list(self.symbols.items()):
            symbol.incremental.forget(before)
            for chain in [chain for chain in symbol.tracks if chain.end + self._params.window_ms <= before]:
                del symbol.tracks[chain]
            if not len(symbol.incremental) and not symbol.tracks:
                del self.symbols[name]

    def status(self, name: str, watermark: int) -> tuple[object, ...] | None:
        """Names and values, in turn, of a symbol's status hash; None while no cascade is active.

        Two can be active only while an event more than a minute ahead of the clock holds the second: the newer shows.
        """
        symbol = self.symbols.get(name)
        if symbol is None:
            return None
        active = [chain for chain in symbol.tracks if chain.end + self._params.window_ms > watermark]
        if not active:
            return None
        chain = max(active, key=lambda chain: chain.end)
        track = symbol.tracks[chain]
        return (
            *("cascade_id", track.id, "start_time", chain.start, "event_count", chain.event_count),
            *("total_value", plain(chain.total_value, 6), "risk_score", f"{chain.last_risk / 1e6:.6f}"),
            *("exchanges", ",".join(chain.exchanges), "supersedes", ",".join(track.had)),
        )

    def first_hots(self) -> list[int]:
        """When the earliest chain of each symbol was first hot."""
        return [min(chain.first_hot for chain in symbol.tracks) for symbol in self.symbols.values() if symbol.tracks]

    def active(self, watermark: int) -> list[str]:
        """The symbols with an active cascade."""
        window = self._params.window_ms
        return [
            name
            for name, symbol in self.symbols.items()
            if any(chain.end + window > watermark for chain in symbol.tracks)
        ]

    def _settle(self, symbol: Symbol, chain: Chain, watermark: int, now: int) -> None:
        track = symbol.tracks[chain]
        end = chain.end + self._params.window_ms
        track.is_final = end <= watermark
        self._watch(symbol, chain, track, now)
        if not track.is_final:
            self._pushed += 1
            heappush(self._ending, (end, self._pushed, symbol, chain))
            return
        if track.told and not track.late_events:
            return
        final = FinalCascade(snapshot(symbol.name, chain), now, tuple(track.had))
        if not track.told:
            self.finals += 1
            self.records.append(final)
        else:
            self.corrections += 1
            told, event_id, events = tuple(track.told), track.late_event_id, track.late_events
            self.records.append(Correction(symbol.name, told, (final,), event_id, events, now))
        track.told = [track.id]
        track.late_events = 0

    def _watch(self, symbol: Symbol, chain: Chain, track: Track, now: int) -> None:
        # The largest score of all takes scoring all: while more may come, the newest does.
        reached: tuple[tuple[Kind, int, tuple[int, ...]], ...] = (
            ("risk", chain.max_risk if track.is_final else chain.last_risk, self._levels.risk),
            ("usd", chain.total_value, self._levels.usd),
        )
        for kind, amount, levels in reached:
            while track.crossed[kind] < len(levels) and amount >= levels[track.crossed[kind]]:
                self.records.append(Crossed(kind, track.crossed[kind], snapshot(symbol.name, chain), now))
                track.crossed[kind] += 1


def snapshot(symbol: str, chain: Chain) -> CascadeState:
    """A chain as it is now."""
    return CascadeState(
        cascade_id=chain.id,
        symbol=symbol,
        start=chain.start,
        end=chain.end,
        event_count=chain.event_count,
        hot_event_count=chain.hot_event_count,
        total_value=chain.total_value,
        max_event=chain.max_event,
        avg_risk=chain.avg_risk,
        max_risk=chain.max_risk,
        exchanges=chain.exchanges,
        long_count=chain.long_count,
        short_count=chain.short_count,
        price_start=chain.price_start,
        price_end=chain.price_end,
    )
