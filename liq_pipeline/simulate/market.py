"""A market whose liquidations excite each other, as real ones do.

A branching (Hawkes) process: background liquidations arrive at each coin's own rate, and every liquidation may
set off others within seconds, mostly of the same coin and the same side. Shocks strike several coins at once.
Long liquidations push the price down and short ones up, which is why a cascade runs in one direction. Around
funding, at 00:00, 08:00 and 16:00 UTC, BTC and ETH are always struck, from 30 s before to about a minute after:
the cascade over midnight that tests need.

Sources of the scales: exchanges.md sections 1.15 and 1.2 (rates, venue shares, price distances).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from liq_pipeline.liquidation import Side
from liq_pipeline.simulate.catalogue import COINS, LISTED, Coin, Listed
from liq_pipeline.simulate.draws import Draws

DEFAULT_START_MS: Final = 1_794_353_400_000
"""2026-11-10 23:30 UTC: half an hour before a midnight, so that even small simulations cross it."""

_HOUR_MS: Final = 3_600_000
_FUNDING_MS: Final = 8 * _HOUR_MS
_OFFSPRING: Final = 0.55
"""Mean liquidations one liquidation sets off: below 1, or cascades would never end."""
_DELAY_MS: Final = 3_500.0
_CONTAGION: Final = 0.12
_REVERSION_HOURS: Final = 12.0
_SHARES: Final = {"binance": 0.45, "bybit": 0.35, "okx": 0.20}
_WEIGHTS: Final = tuple(coin.weight for coin in COINS)
_CONTRACTS: Final = {
    coin.symbol: tuple(contract for contract in LISTED if contract.symbol == coin.symbol) for coin in COINS
}
_CONTRACT_SHARES: Final = {
    symbol: tuple(_SHARES[contract.venue] for contract in contracts) for symbol, contracts in _CONTRACTS.items()
}
_MAX_USD: Final = 4_000_000.0
# A liquidation of this size moves the price by one basis point, per unit of the coin's median size.
_DEPTH: Final = 120.0


@dataclass(frozen=True)
class Event:
    """One true liquidation on one venue, in the venue's own units.

    ``price`` is what the venue reports (average fill on Binance, bankruptcy price elsewhere), a multiple of the
    tick; ``limit_price`` the order's limit where the venue sends both.
    """

    time: int
    contract: Listed
    side: Side
    price: Decimal
    limit_price: Decimal | None
    quantity: Decimal


@dataclass(frozen=True)
class Pace:
    """How busy the market is: background liquidations a second over all coins, mean seconds between shocks, and
    how many liquidations a shock sets off directly in its first coin.

    ``opening`` strikes the large coins within the first seconds, so that a demo does not begin with waiting.
    """

    background: float
    shock_seconds: float
    strength: int
    opening: bool = False


HISTORY: Final = Pace(background=0.22, shock_seconds=480, strength=26)
"""About 10,000 liquidations in five hours, the pace of an unquiet day."""
LIVE: Final = Pace(background=0.7, shock_seconds=45, strength=60, opening=True)
"""About five liquidations a second with bursts of forty, on every venue within seconds; cascades begin and end."""


@dataclass(frozen=True, order=True)
class _Pending:
    time: float
    order: int
    coin: Coin
    side: Side
    heat: float


def generate(seed: int, start_ms: int = DEFAULT_START_MS, pace: Pace = HISTORY) -> Iterator[Event]:
    """Liquidations in order of time from ``start_ms`` (UTC milliseconds) on, without end.

    The same arguments give the same events, on every machine.
    """
    return _Market(seed, start_ms, pace).events()


class _Market:
    def __init__(self, seed: int, start_ms: int, pace: Pace) -> None:
        self._draws = Draws(f"market {seed}")
        self._pace = pace
        self._start = start_ms
        self._now = float(start_ms)
        self._heap: list[_Pending] = []
        self._order = 0
        self._moves = {coin.symbol: 0.0 for coin in COINS}
        self._seen: tuple[int, set[tuple[Listed, Side, Decimal, Decimal]]] = (0, set())
        self._next_background = self._now + self._background_gap()
        self._next_shock = self._now + self._shock_gap()
        self._next_funding = (start_ms + 60_000) // _FUNDING_MS * _FUNDING_MS + _FUNDING_MS - 30_000.0
        if pace.opening:
            self._shock(self._now + 500, list(COINS[:3]), seconds=8, strength=pace.strength)

    def events(self) -> Iterator[Event]:
        while True:
            pending = self._next()
            self._drift(pending.time)
            yield from self._strike(pending)

    def _next(self) -> _Pending:
        while True:
            arrival = min(self._next_background, self._next_shock, self._next_funding)
            if self._heap and self._heap[0].time <= arrival:
                return heapq.heappop(self._heap)
            if arrival == self._next_funding:
                self._next_funding += _FUNDING_MS
                self._shock(arrival, list(COINS[:2]), seconds=90.0, strength=36)
            elif arrival == self._next_shock:
                self._next_shock += self._shock_gap()
                self._shock(arrival, self._struck(), self._draws.uniform(8, 25), self._pace.strength)
            else:
                self._next_background += self._background_gap()
                coin = self._draws.pick(COINS, _WEIGHTS)
                self._push(arrival, coin, self._side(0.5), 1.0)

    def _shock(self, time: float, coins: list[Coin], seconds: float, strength: int) -> None:
        side = self._side(0.65)
        for rank, coin in enumerate(coins):
            for _ in range(self._draws.integer(strength // 2, strength) // (1 + rank)):
                self._push(time + self._draws.uniform(0, seconds * 1000), coin, side, 5.0)

    def _struck(self) -> list[Coin]:
        left = list(COINS)
        struck = []
        for _ in range(self._draws.integer(1, 4)):
            struck.append(self._draws.pick(left, [coin.weight for coin in left]))
            left.remove(struck[-1])
        return struck

    def _strike(self, pending: _Pending) -> Iterator[Event]:
        coin, side = pending.coin, pending.side
        size = min(_MAX_USD, coin.size * pending.heat * self._tail())
        push = math.sqrt(size / coin.size) / _DEPTH / 100
        self._moves[coin.symbol] += -push if side is Side.LONG else push
        for _ in range(self._draws.poisson(_OFFSPRING)):
            child = coin if not self._draws.chance(_CONTAGION) else self._draws.pick(COINS, _WEIGHTS)
            turned = self._draws.chance(0.05)
            child_side = (Side.SHORT if side is Side.LONG else Side.LONG) if turned else side
            cooled = max(1.0, pending.heat * 0.9)
            self._push(pending.time + self._draws.exponential(_DELAY_MS), child, child_side, cooled)
        event = self._report(int(pending.time), coin, side, size)
        yield event
        # One order book sweep can liquidate two equal positions: identical rows of one frame.
        if event.contract.venue != "binance" and self._draws.chance(0.004):
            yield event

    def _report(self, time: int, coin: Coin, side: Side, size: float) -> Event:
        contract = self._draws.pick(_CONTRACTS[coin.symbol], _CONTRACT_SHARES[coin.symbol])
        mark = coin.price * math.exp(self._moves[coin.symbol] + 0.0002 * self._draws.normal())
        away = -1.0 if side is Side.LONG else 1.0
        limit: Decimal | None = None
        if contract.venue == "binance":
            price = _steps(mark * contract.multiplier, contract.tick)
            limit = _steps(mark * contract.multiplier * (1 + away * self._draws.uniform(0.004, 0.015)), contract.tick)
        else:
            bankruptcy = mark * (1 + away * self._draws.uniform(0.003, 0.007))
            price = _steps(bankruptcy * contract.multiplier, contract.tick)
        quantity = _steps(size / mark / float(contract.coins_per_lot), contract.step)
        if time != self._seen[0]:
            self._seen = (time, set())
        # No venue sends an id, so two rows of one millisecond that agree in everything would be one liquidation.
        while (key := (contract, side, price, quantity)) in self._seen[1]:
            quantity += contract.step
        self._seen[1].add(key)
        return Event(time, contract, side, price, limit, quantity)

    def _drift(self, time: float) -> None:
        hours = max(0.0, time - self._now) / _HOUR_MS
        self._now = max(self._now, time)
        market = self._draws.normal() * 0.005 * math.sqrt(hours)
        keep = math.exp(-hours / _REVERSION_HOURS)
        for coin in COINS:
            own = self._draws.normal() * coin.volatility * 0.5 * math.sqrt(hours)
            self._moves[coin.symbol] = self._moves[coin.symbol] * keep + market * coin.beta + own

    def _tail(self) -> float:
        """Log-normal around 1 with, now and then, a Pareto tail: most are small, a few are enormous."""
        body = math.exp(1.1 * self._draws.normal())
        if not self._draws.chance(0.03):
            return body
        return body * float((1.0 - self._draws.uniform()) ** (-1 / 1.3)) * 4

    def _push(self, time: float, coin: Coin, side: Side, heat: float) -> None:
        self._order += 1
        heapq.heappush(self._heap, _Pending(time, self._order, coin, side, heat))

    def _side(self, long_share: float) -> Side:
        return Side.LONG if self._draws.chance(long_share) else Side.SHORT

    def _background_gap(self) -> float:
        return self._draws.exponential(1000 / self._pace.background)

    def _shock_gap(self) -> float:
        return self._draws.exponential(1000 * self._pace.shock_seconds)


def _steps(value: float, step: Decimal) -> Decimal:
    return step * max(1, round(value / float(step)))
