"""Binance USD-M (feed ``binance``) and COIN-M (feed ``binance:inverse``) liquidation orders.

A frame, wrapped as a combined stream sends it, or bare (only ``data``) from a single one::

    {"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791565603055,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT",
     "f":"IOC","q":"0.190","p":"82338.30","ap":"82651.90","X":"FILLED","l":"0.155","z":"0.190","T":1791565602120,
     "ps":"BTCUSDT","st":1}}}

``S`` is the side of the liquidation order: SELL liquidates a LONG. ``ap`` is the average fill and ``p`` the order's
limit, so the price is ``ap``; ``z`` is what was filled in all, ``l`` only the last fill. An order that was not FILLED
to the end is kept with what was filled. COIN-M sizes are contracts of 100 USD for BTC and 10 USD for every other coin
(``contractSize`` of GET /dapi/v1/exchangeInfo, as of 2026-11).

Frames have had one shape since 2019 (2026 only added keys), but their meaning is dated. At most one order per symbol
and second is published: the latest one until 2026-04-14, from then on the largest (USD-M changelog; the COIN-M
documentation still says the latest).

Since 2026-04-23 liquidations come only through the ``/market`` path: the unrouted URL still shakes hands and
acknowledges, then stays silent. The control stream shares the path, so its silence shows a wrong one. COIN-M has
its own host and no such path.

The COIN-M host also pushes USD-M orders: each feed rejects the other's contracts, so that nothing counts twice.
"""

from __future__ import annotations

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
    FrameKind,
    Instruments,
    InstrumentsEndpoint,
    Landed,
    Listing,
    Parsed,
)
from liq_pipeline.exchanges.dialects import day_ms
from liq_pipeline.exchanges.symbols import Name
from liq_pipeline.liquidation import Liquidation, Market, PriceKind, Side, event_id

EXCHANGE: Final = "binance"
LARGEST_SINCE_MS: Final = day_ms("2026-04-14")
"""When the USD-M stream's sample of a second changes from the latest order to the largest."""
MAX_SYMBOL_STREAMS: Final = 100
"""More symbols than this take the all-market stream: a connection may carry 200 streams."""

# Members looked up once: on Python 3.11 an enum's attribute costs as much as a whole number check.
_LONG, _SHORT = Side.LONG, Side.SHORT
_FILL, _ORDER = PriceKind.FILL, PriceKind.ORDER
_LINEAR, _LIQUIDATIONS = Market.LINEAR, FrameKind.LIQUIDATIONS
_ZERO: Final = re.compile(r"0+(?:\.0*)?", re.ASCII)
_BTC_CONTRACT_USD: Final = Decimal(100)
_OTHER_CONTRACT_USD: Final = Decimal(10)
_THOUSANDS: Final = ("BONK", "CAT", "CHEEMS", "FLOKI", "LUNC", "PEPE", "RATS", "SATS", "SHIB", "WHY", "X", "XEC")
_BUNDLED: Final = {
    **{f"{coin}USDT": f"1000{coin}USDT" for coin in _THOUSANDS},
    **{f"{coin}USDC": f"1000{coin}USDC" for coin in ("BONK", "PEPE", "SHIB")},
    "BABYDOGEUSDT": "1MBABYDOGEUSDT",
    "MOGUSDT": "1000000MOGUSDT",
}


class _Order(msgspec.Struct, gc=False):
    s: str
    S: str
    p: str
    z: str
    T: int
    ap: str = ""


class _Event(msgspec.Struct, gc=False):
    e: str = ""
    o: _Order | None = None


class _Frame(msgspec.Struct, gc=False):
    data: _Event | None = None
    e: str = ""
    o: _Order | None = None


_decode = msgspec.json.Decoder(_Frame).decode


@lru_cache(maxsize=4096)
def linear_name(contract: str) -> Name:
    """The canonical name of a USD-M contract: ``BTCUSDT``, or ``BTCUSDT_251226`` with an expiry."""
    symbols.check_contract(contract)
    if re.fullmatch(r".+USD_(?:PERP|\d{6})", contract, re.ASCII):
        raise InvalidLiquidationError(f"contract {contract!a} is COIN-M, it belongs to feed binance:inverse")
    pair, _, expiry = contract.partition("_")
    if "_" in contract and re.fullmatch(r"\d{6}", expiry, re.ASCII) is None:
        raise InvalidLiquidationError(f"contract {contract!a} is not a USD-M contract")
    return symbols.linear(*symbols.split_quote(pair), expiry or None)


@lru_cache(maxsize=4096)
def inverse_name(contract: str) -> Name:
    """The canonical name of a COIN-M contract: ``BTCUSD_PERP``, or ``BTCUSD_251226`` with an expiry."""
    symbols.check_contract(contract)
    found = re.fullmatch(r"(.+)USD_(?:PERP|(\d{6}))", contract, re.ASCII)
    if found is None:
        raise InvalidLiquidationError(f"contract {contract!a} is not a COIN-M contract, it belongs to feed binance")
    return symbols.inverse(found[1], found[2])


def contract_usd(contract: str) -> Decimal:
    """How many US dollars one COIN-M contract is."""
    return _BTC_CONTRACT_USD if contract.startswith("BTCUSD_") else _OTHER_CONTRACT_USD


def semantics(market: Market, time: int) -> str:
    """What the feed published at ``time``, UTC milliseconds."""
    if market is _LINEAR and time >= LARGEST_SINCE_MS:
        return "throttled-1s-largest"
    return "throttled-1s-latest"


def from_force_order_row(
    contract: object,
    side: object,
    limit_price: object,
    average_price: object,
    filled: object,
    time_ms: object,
    *,
    market: Market = _LINEAR,
    ordinal: int = 0,
) -> Liquidation:
    """The liquidation in the fields of one force order, whatever they came in: a frame, an archive, a recording.

    ``side`` is the order's, ``filled`` its accumulated quantity (``z``); fields may be text or numbers. Where the
    average price is absent, empty or zero, the limit price stands in, with ``price_kind`` ``order``.
    Raises InvalidLiquidationError naming the field and the value.
    """
    if not isinstance(contract, str):
        raise InvalidLiquidationError(f"symbol s {rows.shown(contract)} is not text")
    if side not in ("BUY", "SELL"):
        raise InvalidLiquidationError(f"side S {rows.shown(side)} is neither BUY nor SELL")
    liquidated = _LONG if side == "SELL" else _SHORT
    name = linear_name(contract) if market is _LINEAR else inverse_name(contract)
    time = rows.milliseconds("time T", time_ms)
    limit = rows.decimal_text("price p", limit_price)
    size = rows.decimal_text("quantity z", filled)
    if average_price is None or average_price == "" or _is_zero(average_price):
        price, kind = limit, _ORDER
    else:
        price, kind = rows.decimal_text("average price ap", average_price), _FILL
    event = event_id(EXCHANGE, contract, str(time), str(side), limit, size, ordinal=ordinal)
    meaning = semantics(market, time)
    if market is _LINEAR:
        return rows.linear(
            EXCHANGE, contract, name, time, liquidated, price, kind, size, limit, meaning, event, ordinal
        )
    return rows.inverse(
        EXCHANGE, contract, name, time, liquidated, price, kind, size, limit, meaning, event, ordinal,
        contract_usd(contract),
    )  # fmt: skip


def _is_zero(value: object) -> bool:
    if isinstance(value, str):
        # The first character decides nearly always, without the regular expression.
        return value[0] == "0" and _ZERO.fullmatch(value) is not None
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value == 0


@dataclass(frozen=True)
class BinanceAdapter:
    """One of Binance's two futures markets; see base.Adapter for the meaning of the members."""

    market: Market
    ws_url: str
    rest_url: str
    base_path: str
    control_stream: str
    exchange: str = EXCHANGE
    # Binance pings every 3 minutes at protocol level and wants a pong within 10: the WebSocket library's business.
    keepalive_message: str | None = None
    keepalive_seconds: float = 0.0
    # The control stream speaks every second.
    silence_seconds: float = 15.0
    # Snapshots are released about a second after the trade: E - T was 935 to 1012 ms in 2026.
    publish_seconds: float = 1.5
    # The venue closes connections after 24 hours.
    renew_seconds: float = 23 * 3600.0
    complete: bool = False
    instruments_endpoint: InstrumentsEndpoint | None = None
    needs_symbols: bool = False

    def streams(self, symbols: Sequence[str]) -> list[str]:
        """The liquidation streams for these contracts, and the control stream."""
        if not symbols or len(symbols) > MAX_SYMBOL_STREAMS:
            return ["!forceOrder@arr", self.control_stream]
        return [*(f"{contract.lower()}@forceOrder" for contract in symbols), self.control_stream]

    def path(self, symbols: Sequence[str]) -> str:
        return f"{self.base_path}/stream?streams={'/'.join(self.streams(symbols))}"

    def subscribe(self, symbols: Sequence[str]) -> list[str]:
        """The streams of the path once more: asking twice gives nothing twice, and a refusal is answered."""
        return [frames.encode({"method": "SUBSCRIBE", "params": self.streams(symbols), "id": 1}).decode()]

    def expected_acks(self, symbols: Sequence[str]) -> int:
        return 1

    def contract_of(self, symbol: str) -> str:
        pair, _, expiry = symbol.partition("-")
        if self.market is Market.INVERSE:
            return f"{pair}_{expiry or 'PERP'}"
        return f"{pair}_{expiry}" if expiry else _BUNDLED.get(symbol, symbol)

    def semantics(self, time: int) -> str:
        return semantics(self.market, time)

    def wants(self, liquidation: Liquidation, symbols: Sequence[str]) -> bool:
        return not symbols or liquidation.symbol in symbols or liquidation.contract in symbols

    def parse_instruments(self, body: bytes) -> Listing:
        raise InvalidLiquidationError("Binance's instruments are not needed and not read")

    def parse(self, frame: bytes, instruments: Instruments, *, ordinal: int = 0) -> Parsed:
        try:
            decoded = _decode(frame)
            event = decoded.data or decoded
            order = event.o
            if order is not None and event.e == "forceOrder" and frames.storable(frame):
                liquidation = from_force_order_row(
                    order.s, order.S, order.p, order.ap, order.z, order.T, market=self.market, ordinal=ordinal
                )
                return Parsed(_LIQUIDATIONS, (Landed(liquidation, frame),))
        except (msgspec.DecodeError, InvalidLiquidationError, RecursionError, ValueError):
            pass
        return self._explain(frame, ordinal)

    def _explain(self, frame: bytes, ordinal: int) -> Parsed:
        """Everything but the common frame: control frames, acknowledgements, lists, and what is wrong with the rest."""
        try:
            value = frames.read(frame)
        except InvalidLiquidationError as error:
            return frames.invalid(str(error), frame)
        if not isinstance(value, dict):
            return frames.invalid("the frame is not a JSON object", frame)
        if (refusal := _refusal(value)) is not None:
            return frames.refused(refusal, frame)
        data = value if value.get("data") is None else value["data"]
        if isinstance(data, list):
            return self._list(frame, data, ordinal)
        if isinstance(data, dict):
            if data.get("e") == "markPriceUpdate":
                sent_at = data.get("E")
                return Parsed(FrameKind.CONTROL, sent_at=sent_at if type(sent_at) is int else None)
            if data.get("e") == "forceOrder":
                return frames.gather([data], [frame], self._row, frame, ordinal)
        if data is value and "result" in value and "id" in value:
            return Parsed(FrameKind.ACK)
        return frames.invalid("the frame is neither a liquidation nor an answer of Binance", frame)

    def _list(self, frame: bytes, data: list[Any], ordinal: int) -> Parsed:
        """Several events in one frame; none is documented, but nothing is lost if the venue begins to."""
        if len(data) <= 1:
            return frames.gather(data, [frame] * len(data), self._row, frame, ordinal)
        return frames.gather_apart(data, self._row, frame, ordinal)

    def _row(self, event: Any, ordinal: int) -> Liquidation:
        order = event.get("o") if isinstance(event, dict) and event.get("e") == "forceOrder" else None
        if not isinstance(order, dict):
            raise InvalidLiquidationError("the event is no forceOrder with an order o")
        return from_force_order_row(
            order.get("s"), order.get("S"), order.get("p"), order.get("ap"), order.get("z"), order.get("T"),
            market=self.market, ordinal=ordinal,
        )  # fmt: skip


def _refusal(value: dict[str, Any]) -> str | None:
    """The venue's own words if the frame is an error: ``{"error":{"code":2,"msg":"..."},"id":1}`` or flat."""
    error = value.get("error", value)
    if not isinstance(error, dict) or "msg" not in error or "code" not in error:
        return None
    return f"Binance refused: {rows.shown(error['msg'])} (code {rows.shown(error['code'])})"


LINEAR: Final = BinanceAdapter(
    market=Market.LINEAR,
    ws_url="wss://fstream.binance.com",
    rest_url="https://fapi.binance.com",
    base_path="/market",
    control_stream="btcusdt@markPrice@1s",
)
INVERSE: Final = BinanceAdapter(
    market=Market.INVERSE,
    ws_url="wss://dstream.binance.com",
    rest_url="https://dapi.binance.com",
    base_path="",
    control_stream="btcusd_perp@markPrice@1s",
)
