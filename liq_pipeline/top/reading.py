"""Finding out from Redis what happens now: one bounded exchange each time, whatever Redis holds.

What is looked at each time has a name that is known: health, totals, the largest, statuses of cascades, the levels of
one symbol. Which levels and statuses there are is asked for a slice at a time: a pass over all names takes as many
exchanges as there are slices, and passes are some seconds apart. So a second with 10,000 levels costs Redis what a
hundred keys do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple, cast

import msgspec
import redis

from liq_pipeline import streams
from liq_pipeline.collector.health import state_of
from liq_pipeline.exchanges import adapter
from liq_pipeline.live.cascades import STATUS_PREFIX
from liq_pipeline.live.health import LIVE_KEY
from liq_pipeline.live.standing import Standing, standing_of
from liq_pipeline.live.view import LARGEST_KEY, LEVELS_PREFIX, TOTALS_PREFIX
from liq_pipeline.settings import EXCHANGES, FEEDS
from liq_pipeline.top.moment import Cascade, Feed, Large, Level, LiveView, Moment, Symbol, Venue
from liq_pipeline.warehouse.landing_zone import as_text

_NAMES: Final = "liq:[lc][ea][vs]*"
"""Levels and statuses of cascades; what else fits are a handful of names."""
_SLICE: Final = 2_000
_LEVELS: Final = 2_000
_CASCADES: Final = 200
_PASS_MS: Final = 5_000
_SIDES: Final = ("LONG", "SHORT")
_BEATS: Final = Decimal("1.2")
_LEVEL_KEY: Final = re.compile(rf"{LEVELS_PREFIX}(.*):([0-9.]+):(LONG|SHORT)", re.DOTALL)
"""A symbol may hold anything, colons too."""
_Hash = Mapping[str, str]
_largest: Final = msgspec.json.Decoder(list[Large])


class _Name(NamedTuple):
    symbol: str
    price_level: Decimal
    side: str


class Onlooker:
    """Looks at one Redis; ``symbol`` is the one whose levels are wanted, None for the one with the most USD."""

    def __init__(self, client: redis.Redis, feeds: Sequence[str], symbol: str | None = None) -> None:
        self.symbol = symbol
        self._client = client
        self._feeds = feeds
        self._shown: str | None = None
        self._names = _Names()

    def look(self) -> Moment:
        """One moment, in one exchange; the first takes as many more as a pass has slices. Raises redis.RedisError."""
        while not self._names.passes:
            self._exchange()
        return self._exchange()

    def _exchange(self) -> Moment:
        names = self._names
        self._shown = self.symbol or names.largest(self._shown)
        levels = dict(islice(names.levels.get(self._shown or "", {}).items(), _LEVELS))
        statuses = sorted(names.statuses)[:_CASCADES]
        pairs = [(exchange, side) for exchange in EXCHANGES for side in _SIDES]
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        for feed in FEEDS:
            pipeline.hgetall(streams.feed_key(feed))
            pipeline.exists(streams.lease_key(feed))
        pipeline.hgetall(LIVE_KEY)
        pipeline.exists(streams.lease_key(streams.LIVE))
        for exchange, side in pairs:
            pipeline.hgetall(f"{TOTALS_PREFIX}{exchange}:{side}")
        pipeline.hget(LARGEST_KEY, "events")
        for key in (*levels, *statuses):
            pipeline.hgetall(cast(Any, key))
        names.ask(pipeline)
        answers = iter(pipeline.execute())

        seconds, microseconds = next(answers)
        now = seconds * 1000 + microseconds // 1000
        health = [(feed, as_text(next(answers)), bool(next(answers))) for feed in FEEDS]
        said = standing_of(as_text(next(answers)), bool(next(answers)))
        totals = [(exchange, side, as_text(next(answers))) for exchange, side in pairs]
        largest = next(answers)
        found = [(name, as_text(next(answers))) for name in levels.values()]
        active = {key: fields for key in statuses if (fields := as_text(next(answers)))}
        names.take(
            answers, now, gone=set(statuses) - active.keys(), is_missing_some=said.runs and said.active > len(active)
        )
        return Moment(
            time=now,
            live=_live(said),
            feeds=[_feed(feed, fields, held) for feed, fields, held in health if fields or feed in self._feeds],
            venues=[_venue(exchange, side, fields) for exchange, side, fields in totals if fields],
            largest=[] if largest is None else _largest.decode(largest),
            symbols=names.ranking,
            symbol=self._shown,
            levels=sorted(
                (_level(name, fields) for name, fields in found if fields),
                key=lambda level: (-level.price_level, level.side),
            ),
            cascades=sorted(
                (_cascade(key, fields) for key, fields in active.items()),
                key=lambda cascade: (-cascade.risk_score, cascade.symbol),
            ),
        )


class _Names:
    """Which levels and statuses there are, by pass after pass over all names, a slice in each exchange."""

    def __init__(self) -> None:
        self.passes = 0
        """Those that are over."""
        self.levels: dict[str, dict[bytes, _Name]] = {}
        """By symbol; what went since the last pass is among them."""
        self.statuses: set[bytes] = set()
        self.ranking: list[Symbol] = []
        self._cursor: int | None = 0
        """None while no names are asked for."""
        self._is_in_pass = True
        self._began = 0
        self._met: dict[bytes, Decimal] = {}
        """Levels of this pass, and their USD."""
        self._unvalued: list[bytes] = []

    def ask(self, pipeline: Any) -> None:
        """Ask for the values of the last slice, and for the next."""
        for key in self._unvalued:
            pipeline.hget(key, "total_value")
        if self._cursor is not None:
            pipeline.scan(self._cursor, match=_NAMES, count=_SLICE)

    def take(self, answers: Iterator[Any], now: int, *, gone: set[bytes], is_missing_some: bool) -> None:
        """Take the answers to ``ask``. ``gone``: statuses that are no more; ``is_missing_some``: there are others."""
        valued, self._unvalued = self._unvalued, []
        self._met |= {key: Decimal(value.decode()) for key in valued if (value := next(answers)) is not None}
        self.statuses -= gone
        if self._cursor is not None:
            cursor, keys = next(answers)
            self._cursor = cursor or None
            for key in keys:
                self._meet(key)
        if self._is_in_pass and self._cursor is None and not self._unvalued:
            self._end()
        elif not self._is_in_pass and (is_missing_some or not 0 <= now - self._began < _PASS_MS):
            self._is_in_pass, self._cursor, self._began, self._met = True, 0, now, {}

    def largest(self, shown: str | None) -> str | None:
        """The symbol with the most USD; of two that are about as large the one that is ``shown`` stays."""
        if not self.ranking:
            return None
        first = self.ranking[0]
        stays = (
            each
            for each in self.ranking
            if each.symbol == shown and _BEATS * each.total_value_usd > first.total_value_usd
        )
        return next(stays, first).symbol

    def _meet(self, key: bytes) -> None:
        text = key.decode("utf-8", "replace")
        if match := _LEVEL_KEY.fullmatch(text):
            self.levels.setdefault(match[1], {})[key] = _Name(match[1], Decimal(match[2]), match[3])
            self._unvalued.append(key)
        elif text.startswith(STATUS_PREFIX):
            self.statuses.add(key)

    def _end(self) -> None:
        self._is_in_pass = False
        self.passes += 1
        kept: dict[str, dict[bytes, _Name]] = {}
        for names in self.levels.values():
            for key, name in names.items():
                if key in self._met:
                    kept.setdefault(name.symbol, {})[key] = name
        self.levels = kept
        sums = [Symbol(symbol, sum((self._met[key] for key in names), Decimal(0))) for symbol, names in kept.items()]
        self.ranking = sorted(sums, key=lambda each: (-each.total_value_usd, each.symbol))


def _live(said: Standing) -> LiveView:
    return LiveView(
        state=said.state,
        watermark=said.watermark,
        updated_at=said.updated_at,
        lag_ms=said.lag_ms,
        events_per_second=said.rate,
        events_in_memory=said.memory,
        error=said.database or said.redis,
    )


def _feed(feed: str, fields: _Hash, held: bool) -> Feed:
    last_frame_at, last_event_at = (int(fields.get(name) or 0) or None for name in ("last_frame_at", "last_event_at"))
    return Feed(
        feed=feed,
        state=state_of(fields, held) if held else "not collected",
        complete=adapter(feed).complete,
        last_frame_at=last_frame_at,
        last_event_at=last_event_at,
        error=fields.get("error", ""),
        events_per_minute=int(fields.get("events_per_minute") or 0) if held else 0,
        **{name: int(fields.get(name) or 0) for name in ("events", "rejected", "reconnects")},
    )


def _venue(exchange: str, side: str, fields: _Hash) -> Venue:
    return Venue(exchange, side, int(fields["count"]), Decimal(fields["total_value"]))


def _level(name: _Name, fields: _Hash) -> Level:
    return Level(name.price_level, name.side, int(fields["count"]), Decimal(fields["total_value"]))


def _cascade(key: bytes, fields: _Hash) -> Cascade:
    return Cascade(
        symbol=key.decode("utf-8", "replace").removeprefix(STATUS_PREFIX),
        cascade_id=fields["cascade_id"],
        cascade_start=int(fields["start_time"]),
        event_count=int(fields["event_count"]),
        total_value_usd=Decimal(fields["total_value"]),
        risk_score=Decimal(fields["risk_score"]),
        exchanges_involved=[exchange for exchange in fields["exchanges"].split(",") if exchange],
    )
