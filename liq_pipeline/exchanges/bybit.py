"""Bybit linear (feed ``bybit``: USDT and USDC) and inverse (feed ``bybit:inverse``) liquidations.

Today's frame, pushed every 500 ms with every liquidation since the last::

    {"topic":"allLiquidation.BTCUSDT","type":"snapshot","ts":1791565601482,"data":[
     {"T":1791565600992,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"82396.90"},
     {"T":1791565601058,"s":"BTCUSDT","S":"Buy","v":"0.038","p":"82394.30"}]}

The side is the liquidated position's in every dialect: Buy is a LONG. Bybit's documentation says so for
``allLiquidation``; for the old ``liquidation`` topic, whose documentation long said the opposite, tardis-node's
mapper records Bybit's correction ("When side is Buy, a long position was liquidated"). ``p`` is the bankruptcy price.
Linear sizes are coins; inverse sizes are US dollars, so the value is ``v`` itself.

Dialects, by the dates of tardis-node's mappers and its oldest frames, Bybit's documentation and ccxt/ccxt#27929:

- ``liquidation v2`` until 2023-04-05: one object with ``symbol, side, price, qty, time``, at most one a second;
  also lists of such rows with an ``id``, which Tardis generated from REST.
- ``liquidation v5`` 2023-01-01 to 2026-02-17 (first reported as "handler not found"): one object with
  ``symbol, side, price, size, updatedTime``, at most one a second.
- ``allLiquidation`` since 2025-02-14 (the day of the documentation's example; widely served since 2025-02-25).

Identity is s, T, S, p, v in all of them, never the ``id`` of the generated rows, which the socket does not send.

There is no topic for all symbols: list them from the instruments endpoint, and again regularly for new listings.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from liq_pipeline.errors import InvalidLiquidationError
from liq_pipeline.exchanges import frames, rows, symbols
from liq_pipeline.exchanges.base import (
    Contract,
    FrameKind,
    Instruments,
    InstrumentsEndpoint,
    Landed,
    Listing,
    Parsed,
)
from liq_pipeline.exchanges.dialects import Dialect, day_ms
from liq_pipeline.exchanges.symbols import Name
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side, event_id

EXCHANGE: Final = "bybit"
MAX_ARGS: Final = 200
"""Topics in one subscribe message."""

V2: Final = Dialect("liquidation v2", "throttled-1s", until_ms=day_ms("2023-04-05"))
V5: Final = Dialect("liquidation v5", "throttled-1s", day_ms("2023-01-01"), day_ms("2026-02-17"))
ALL: Final = Dialect("allLiquidation", "complete", since_ms=day_ms("2025-02-14"))

_TOPIC: Final = "allLiquidation."
_OLD_TOPIC: Final = "liquidation."
_INVERSE_CONTRACT: Final = re.compile(r"(.+)USD(?:([HMUZ])(\d\d))?", re.ASCII)
_QUARTERS: Final = {"H": 3, "M": 6, "U": 9, "Z": 12}
_LONG, _SHORT = Side.LONG, Side.SHORT
_LINEAR, _INVERSE = Market.LINEAR, Market.INVERSE
_BANKRUPTCY, _LIQUIDATIONS = PriceKind.BANKRUPTCY, FrameKind.LIQUIDATIONS
_THOUSANDS: Final = (
    "APU", "BONK", "BTT", "CAT", "CATS", "FLOKI", "LUNC", "MUMU", "NEIROCTO", "PEPE", "RATS", "TAG", "TOSHI", "TURBO",
    "X", "XEC",
)  # fmt: skip
_BUNDLED: Final = {
    **{f"{coin}USDT": f"1000{coin}USDT" for coin in _THOUSANDS},
    **{f"{coin}USDT": f"10000{coin}USDT" for coin in ("COQ", "ELON", "LADYS", "QUBIC", "SATS", "WEN", "WHY")},
    **{f"{coin}USDT": f"1000000{coin}USDT" for coin in ("BABYDOGE", "CHEEMS", "MOG", "PEIPEI")},
    "SHIBUSDT": "SHIB1000USDT",
}


class _Row(msgspec.Struct, gc=False):
    T: int
    s: str
    S: str
    v: str
    p: str


class _Frame(msgspec.Struct, gc=False):
    topic: str
    data: list[_Row]


_decode = msgspec.json.Decoder(_Frame).decode


def market_of(contract: str) -> Market:
    """The market a contract's name tells: ``BTCUSD`` and ``BTCUSDZ25`` are inverse, all others linear."""
    return _INVERSE if _INVERSE_CONTRACT.fullmatch(contract) else _LINEAR


@lru_cache(maxsize=4096)
def linear_name(contract: str) -> Name:
    """The canonical name of ``BTCUSDT`` or, margined in USDC, ``BTCPERP``, and of futures as ``BTC-26DEC25``."""
    symbols.check_contract(contract)
    if market_of(contract) is _INVERSE:
        raise InvalidLiquidationError(f"contract {contract!a} is inverse, it belongs to feed bybit:inverse")
    pair, _, day = contract.partition("-")
    expiry = symbols.expiry_of_day(day) if "-" in contract else None
    if len(pair) > 4 and pair.endswith("PERP"):
        return symbols.linear(pair[:-4], "USDC", expiry)
    if expiry is not None and not pair.endswith(symbols.QUOTES):
        return symbols.linear(pair, "USDC", expiry)
    return symbols.linear(*symbols.split_quote(pair), expiry)


@lru_cache(maxsize=4096)
def inverse_name(contract: str) -> Name:
    """The canonical name of ``BTCUSD``, or of ``BTCUSDZ25``, which expires on the last Friday of its quarter."""
    symbols.check_contract(contract)
    found = _INVERSE_CONTRACT.fullmatch(contract)
    if found is None:
        raise InvalidLiquidationError(f"contract {contract!a} is not inverse, it belongs to feed bybit")
    if found[2] is None:
        return symbols.inverse(found[1])
    month = _QUARTERS[found[2]]
    friday = max(week[calendar.FRIDAY] for week in calendar.monthcalendar(2000 + int(found[3]), month))
    return symbols.inverse(found[1], f"{found[3]}{month:02}{friday:02}")


def from_row(
    contract: object,
    side: object,
    price: object,
    size: object,
    time_ms: object,
    *,
    market: Market = Market.LINEAR,
    dialect: Dialect = ALL,
    ordinal: int = 0,
) -> Liquidation:
    """The liquidation in one row's fields, whatever they came in; fields may be text or numbers.

    Raises InvalidLiquidationError naming the field and the value, or the dialect's time.
    """
    if not isinstance(contract, str):
        raise InvalidLiquidationError(f"symbol s {rows.shown(contract)} is not text")
    if side not in ("Buy", "Sell"):
        raise InvalidLiquidationError(f"side S {rows.shown(side)} is neither Buy nor Sell")
    name = linear_name(contract) if market is _LINEAR else inverse_name(contract)
    time = rows.milliseconds("time T", time_ms)
    dialect.check(time)
    price = rows.decimal_text("price p", price)
    size = rows.decimal_text("size v", size)
    event = event_id(EXCHANGE, contract, str(time), str(side), price, size, ordinal=ordinal)
    build = rows.linear if market is _LINEAR else rows.inverse
    return build(
        EXCHANGE, contract, name, time, _LONG if side == "Buy" else _SHORT, price, _BANKRUPTCY, size, None,
        dialect.feed_semantics, event, ordinal,
    )  # fmt: skip


@dataclass(frozen=True)
class BybitAdapter:
    """One of Bybit's two futures markets; see base.Adapter for the meaning of the members."""

    market: Market
    category: str
    exchange: str = EXCHANGE
    ws_url: str = "wss://stream.bybit.com"
    rest_url: str = "https://api.bybit.com"
    keepalive_message: str | None = '{"op":"ping"}'
    keepalive_seconds: float = 20.0
    # Two answers to our pings missed.
    silence_seconds: float = 45.0
    publish_seconds: float = 1.0
    # Bybit documents no age limit; a day keeps a connection from outliving the venue's deployments.
    renew_seconds: float = 24 * 3600.0
    complete: bool = True
    needs_symbols: bool = True

    @property
    def instruments_endpoint(self) -> InstrumentsEndpoint:
        return InstrumentsEndpoint("/v5/market/instruments-info", self._params())

    def _params(self) -> dict[str, str]:
        return {"category": self.category, "limit": "1000"}

    def path(self, symbols: Sequence[str]) -> str:
        return f"/v5/public/{self.category}"

    def subscribe(self, symbols: Sequence[str]) -> list[str]:
        """Batches of topics; ``req_id`` is answered, so that a refusal says which batch it means."""
        topics = [_TOPIC + contract for contract in symbols]
        batches = [topics[start : start + MAX_ARGS] for start in range(0, len(topics), MAX_ARGS)]
        return [
            frames.encode({"req_id": str(number), "op": "subscribe", "args": batch}).decode()
            for number, batch in enumerate(batches, 1)
        ]

    def expected_acks(self, symbols: Sequence[str]) -> int:
        return -(-len(symbols) // MAX_ARGS)

    def contract_of(self, symbol: str) -> str:
        if self.market is _LINEAR and symbol.endswith("USDC"):
            return f"{symbol[:-4]}PERP"
        return _BUNDLED.get(symbol, symbol)

    def semantics(self, time: int) -> str:
        return (ALL if time >= ALL.since_ms else V5).feed_semantics

    def wants(self, liquidation: Liquidation, symbols: Sequence[str]) -> bool:
        return not symbols or liquidation.symbol in symbols or liquidation.contract in symbols

    def parse_instruments(self, body: bytes) -> Listing:
        """Contracts whose names can be read; those in other quote currencies could not be landed anyway."""
        value = frames.read(body)
        result = value.get("result") if isinstance(value, dict) and value.get("retCode") == 0 else None
        listed = result.get("list") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(listed, list):
            raise InvalidLiquidationError(f"Bybit's instruments reply is no list: {rows.shown(body[:200])}")
        names = [str(entry.get("symbol")) for entry in listed if isinstance(entry, dict)]
        contracts = [Contract(name, self.market, Decimal(1)) for name in names if self._readable(name)]
        cursor = result.get("nextPageCursor")
        return Listing(contracts, {**self._params(), "cursor": cursor} if cursor else None)

    def _readable(self, contract: str) -> bool:
        try:
            return bool(linear_name(contract) if self.market is _LINEAR else inverse_name(contract))
        except InvalidLiquidationError:
            return False

    def parse(self, frame: bytes, instruments: Instruments, *, ordinal: int = 0) -> Parsed:
        try:
            decoded = _decode(frame)
            if decoded.topic.startswith(_TOPIC) and len(decoded.data) == 1 and frames.storable(frame):
                row = decoded.data[0]
                liquidation = from_row(row.s, row.S, row.p, row.v, row.T, market=self.market, ordinal=ordinal)
                return Parsed(_LIQUIDATIONS, (Landed(liquidation, frame),))
        except (msgspec.DecodeError, InvalidLiquidationError, RecursionError, ValueError):
            pass
        return self._explain(frame, ordinal)

    def _explain(self, frame: bytes, ordinal: int) -> Parsed:
        """Frames of several rows, of old dialects, answers to us, and what is wrong with the rest."""
        try:
            value = frames.read(frame)
        except InvalidLiquidationError as error:
            return frames.invalid(str(error), frame)
        if not isinstance(value, dict):
            return frames.invalid("the frame is not a JSON object", frame)
        topic = value.get("topic")
        if isinstance(topic, str) and topic.startswith((_TOPIC, _OLD_TOPIC)):
            return self._rows(frame, topic, value.get("data"), ordinal)
        if value.get("success") is False:
            return frames.refused(f"Bybit refused: {rows.shown(value.get('ret_msg'), 300)}", frame)
        if value.get("op") == "pong" or value.get("ret_msg") == "pong":
            return Parsed(FrameKind.PONG)
        if value.get("success") is True and value.get("op") == "subscribe":
            return Parsed(FrameKind.ACK)
        return frames.invalid("the frame is neither a liquidation nor an answer of Bybit", frame)

    def _rows(self, frame: bytes, topic: str, data: object, ordinal: int) -> Parsed:
        build = self._all_row if topic.startswith(_TOPIC) else self._old_row
        if not isinstance(data, list):
            return frames.gather([data], [frame], build, frame, ordinal)
        if len(data) <= 1:
            return frames.gather(data, [frame] * len(data), build, frame, ordinal)
        return frames.gather_apart(data, build, frame, ordinal)

    def _all_row(self, row: Any, ordinal: int) -> Liquidation:
        row = _object(row)
        return from_row(
            row.get("s"), row.get("S"), row.get("p"), row.get("v"), row.get("T"), market=self.market, ordinal=ordinal
        )

    def _old_row(self, row: Any, ordinal: int) -> Liquidation:
        row = _object(row)
        dialect, size, time = (V5, "size", "updatedTime") if "updatedTime" in row else (V2, "qty", "time")
        return from_row(
            row.get("symbol"), row.get("side"), row.get("price"), row.get(size), row.get(time),
            market=self.market, dialect=dialect, ordinal=ordinal,
        )  # fmt: skip


def _object(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InvalidLiquidationError(f"a row {rows.shown(row)} is not a JSON object")
    return row


LINEAR: Final = BybitAdapter(Market.LINEAR, "linear")
INVERSE: Final = BybitAdapter(Market.INVERSE, "inverse")
