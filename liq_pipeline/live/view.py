"""The live view itself, without Redis and without a clock: events in, what is to be shown and remembered out.

Events take their place in event time at once, in whatever order they come. Everything that depends on how far time has
come is decided by ``settle``, once per batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from liq_pipeline.detection.columns import Params
from liq_pipeline.liquidation import Side, Source
from liq_pipeline.live.cascades import STATUS_PREFIX, Cascades
from liq_pipeline.live.decimals import micro, scaled
from liq_pipeline.live.hour import HOUR_MS, MINUTE_MS, Hour, Level, Minute, Total
from liq_pipeline.live.largest import Largest
from liq_pipeline.live.price_level import price_level
from liq_pipeline.live.records import LateEvent, Levels, SeedEvent
from liq_pipeline.live.watermark import Watermark
from liq_pipeline.streams import Entries

LEVELS_PREFIX: Final = "liq:levels:"
MINUTES_PREFIX: Final = "liq:agg:"
TOTALS_PREFIX: Final = "liq:hour:"
LARGEST_KEY: Final = "liq:hour:largest"
HOLDS_AT_MOST: Final = 2_000_000
"""Events kept beyond the memory while it is not known what came before them: some hundred MB."""
STATUS_LASTS_MS: Final = 60_000
"""A cascade that nobody follows must not look active for long. Far more than a view takes to write it anew."""
_STATUS: Final = STATUS_PREFIX.encode()
_LARGEST: Final = LARGEST_KEY.encode()


class View:
    """One view's state. ``held_ms`` is how long the streams hold what landed, ``significant`` micro-USD.

    It remembers events for the rolling hour, or for two windows of a cascade where that is longer: what arrives older
    than that can change no cascade here any more and is recorded as late.
    """

    def __init__(self, params: Params, significant: int, held_ms: int, levels: Levels | None = None) -> None:
        self.hour = Hour()
        self.largest = Largest()
        self.cascades = Cascades(params, levels or Levels())
        self.time = Watermark(held_ms)
        self.watermark: int | None = None
        self.events = 0
        """Counted, each once."""
        self.repeated = 0
        self.late = 0
        self.forgotten = -(2**62)
        """Events before are not in memory, and are late if they come."""
        self.holds = False
        """Nothing is forgotten yet: earlier events are still to be asked for, and may begin a cascade of these."""
        self.unusable = 0
        """Entries with numbers that are none; the loader refuses and records them."""
        self._significant = significant
        self._memory_ms = max(HOUR_MS, 2 * params.window_ms)
        self._seen: set[str] = set()
        self._minutes: dict[int, list[str]] = {}
        """The ids seen, by the minute of their events."""

    def __len__(self) -> int:
        """Events in memory."""
        return len(self._seen)

    def take(self, entries: Entries, landed: Sequence[int]) -> None:
        """Take in entries of the streams, in the order in which they landed; ``landed`` in UTC ms."""
        see, seen = self.time.see, self._seen
        for event, received_at, source, arrived in zip(
            entries.liquidations, entries.received_at, entries.source, landed, strict=True
        ):
            see(event.time, received_at, arrived, source)
            if event.event_id in seen:
                self.repeated += 1
                continue
            try:
                known = SeedEvent(
                    *(event.time, event.event_id, event.exchange, event.symbol, event.side == Side.LONG, event.price),
                    *(event.quantity, micro(event.value_usd), received_at, source),
                )
                in_time = self._add(known)
            except ValueError:
                self.unusable += 1
                continue
            if not in_time:
                self.late += 1
                late = LateEvent(event.event_id, event.exchange, event.symbol, event.time, arrived)
                self.cascades.records.append(late)

    def seed(self, events: Iterable[SeedEvent], *, tells_time: bool) -> None:
        """Take in events that the streams hold no more; those older than the memory are left out.

        Time follows them only if they are all there is: otherwise it is that of the streams, which are read from
        before those events were new.
        """
        for event in events:
            # When a replay landed is not known any more: of the present are those that the streams still hold.
            landed = event.received_at + (HOUR_MS if event.source == Source.REPLAY else 0)
            if tells_time:
                self.time.see(event.time, event.received_at, landed, event.source)
            if event.event_id not in self._seen:
                self._add(event)

    def settle(self, now: int) -> None:
        """Bring everything to the watermark of ``now``, UTC ms: of the last entry read while there are more, else of
        the clock."""
        watermark = self.watermark = self.time.at(now)
        if watermark is None:
            return
        self.hour.advance(watermark - HOUR_MS)
        if self.largest.settle(watermark - HOUR_MS):
            self.hour.changed.add(_LARGEST)
        self.cascades.settle(watermark, now)
        before = (watermark - self._memory_ms) // MINUTE_MS * MINUTE_MS
        if before > self.forgotten and not (self.holds and len(self) < HOLDS_AT_MOST):
            self._forget(before)

    def changed(self) -> dict[bytes, tuple[object, ...] | None]:
        """The hashes that changed since the last call, as names and values in turn; None for those that are gone."""
        keys = [*self.hour.changed, *(f"{STATUS_PREFIX}{name}".encode() for name in self.cascades.changed)]
        self.hour.changed.clear()
        self.cascades.changed.clear()
        return {key: self.fields(key) for key in keys}

    def fields(self, key: bytes) -> tuple[object, ...] | None:
        """Names and values of a hash in turn; None if there is to be none of that name."""
        if key.startswith(_STATUS):
            symbol = key[len(_STATUS) :].decode(errors="replace")
            return None if self.watermark is None else self.cascades.status(symbol, self.watermark)
        one = self._one(key)
        return None if one is None else one.fields()

    def names(self) -> list[bytes]:
        """The names of all hashes that are to be there."""
        active = [] if self.watermark is None else self.cascades.active(self.watermark)
        largest = [_LARGEST] if self.largest.events else []
        return [*self.hour.keys(), *largest, *(f"{STATUS_PREFIX}{name}".encode() for name in active)]

    def lasts(self, key: bytes) -> int:
        """For how long, in ms from now, a hash is right if nothing more comes: as long as nobody corrects it, Redis may
        let it go then."""
        if key.startswith(_STATUS):
            return STATUS_LASTS_MS
        one, watermark = self._one(key), self.watermark
        if one is None or watermark is None:
            return 1
        return min(max(one.last_seen + HOUR_MS - watermark, 1), HOUR_MS)

    def _one(self, key: bytes) -> Level | Minute | Largest | None:
        """What is shown under a key but the status of a cascade, if anything is."""
        if key == _LARGEST:
            return self.largest if self.largest.events else None
        return self.hour.get(key)

    def _add(self, event: SeedEvent) -> bool:
        """Count an event; False if it is older than the memory. Raises ValueError for numbers that are none."""
        time, event_id, exchange, name, is_long, price, quantity_text, value, _, _ = event
        quantity, places = scaled(quantity_text)
        level = price_level(name, price)
        if not float(price) > 0:
            raise ValueError(f"price {price!r} is not positive")
        if time < self.forgotten:
            return False
        self._seen.add(event_id)
        minute = time // MINUTE_MS * MINUTE_MS
        ids = self._minutes.get(minute)
        if ids is None:
            ids = self._minutes[minute] = []
        ids.append(event_id)
        self.events += 1
        side = "LONG" if is_long else "SHORT"
        hour = self.hour
        hour.add_to_level(f"{LEVELS_PREFIX}{name}:{level}:{side}".encode(), time, value, quantity, places)
        key = f"{MINUTES_PREFIX}{name}:60s:{minute}".encode()
        hour.add_to_minute(key, minute, time, exchange, is_long, value, value >= self._significant)
        hour.add_to_level(f"{TOTALS_PREFIX}{exchange}:{side}".encode(), time, value, 0, 0, Total)
        self.largest.add(event)
        symbol = self.cascades.symbol(name)
        incremental = symbol.incremental
        incremental.add(time, event_id, exchange, is_long, price, value)
        if incremental.touched:
            self.cascades.touch(symbol, event_id)
        return True

    def _forget(self, before: int) -> None:
        self.forgotten = before
        for minute in [minute for minute in self._minutes if minute < before]:
            self._seen.difference_update(self._minutes.pop(minute))
        self.cascades.forget(before)
