"""The real recordings as the frames the venues sent, and by hand what each frame means."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from liq_pipeline_tests.line.expected import Event, six_places

DATA = Path(__file__).parents[2].parent / "shared/data"
MISSING = f"the real recordings are not in {DATA}"

FIRST_DAY_MS = 1_685_577_600_000  # 2023-06-01: days before have no partition
OKX_CONTRACT_COINS = {
    "BTC-USDT-SWAP": Decimal("0.01"),
    "ETH-USDT-SWAP": Decimal("0.1"),
    "MINA-USDT-SWAP": Decimal(1),
    "MUBARAK-USDT-SWAP": Decimal(100),
}

Sent = tuple[str, list[Event]]
"""A frame's text, and the events it means."""


def files() -> list[Path]:
    """The headerless recordings of Binance."""
    return sorted((DATA / "recordings").glob("binance_usdm_*.csv"))


def binance() -> Iterator[Sent]:
    """Every row of the headerless recordings, in file order, repeats included, and of the three-venue file."""
    for path in files():
        for row in csv.reader(path.read_text().splitlines()):
            if " " not in row[0]:  # one line is glued to other text
                yield _binance_frame(*row[:11])
    for row in _three_venues("binance"):
        yield _binance_frame(
            row["symbol"], row["raw_side"], "LIMIT", "IOC", row["qty"], row["price"], "None", "FILLED", row["qty"],
            row["qty"], row["event_ts"],
        )  # fmt: skip
    for name in ("binance_usdm", "misc_binance_usdm"):
        for line in _frames(f"captured_2026/{name}.jsonl"):
            frame = json.loads(line)
            order = frame.get("data", frame)["o"]
            if order["T"] >= FIRST_DAY_MS:
                yield line, [_binance_event(order)]


def bybit() -> Iterator[Sent]:
    """Captured frames of the current topic, and the rows of the three-venue file."""
    for name in ("captured_2026/bybit.jsonl", "captured_2026/misc_bybit.jsonl", "tardis/bybit.jsonl"):
        for line in _frames(name):
            frame = json.loads(line)
            if frame["topic"].startswith("allLiquidation."):
                yield line, [_bybit_event(row) for row in frame["data"]]
    for row in _three_venues("bybit"):
        data = [
            {
                "T": int(row["event_ts"]),
                "s": row["symbol"],
                "S": row["raw_side"],
                "v": row["qty"],
                "p": row["price"],
            }
        ]
        frame = {"topic": "allLiquidation.ETHUSDT", "type": "snapshot", "ts": int(row["event_ts"]) + 300, "data": data}
        yield json.dumps(frame), [_bybit_event(data[0])]


def okx() -> Iterator[Sent]:
    """Captured frames, and the rows of the three-venue file."""
    for name in ("captured_2026/misc_okx.jsonl", "captured_2026/misc_okx_TESTNET.jsonl"):
        for line in _frames(name):
            (entry,) = json.loads(line)["data"]
            yield line, [_okx_event(entry["instId"], row) for row in entry["details"]]
    for row in _three_venues("okx"):
        position, side = row["raw_side"].split(":")
        detail = {
            "bkLoss": "0", "bkPx": row["price"], "ccy": "", "posSide": position, "side": side, "sz": row["qty"],
            "ts": row["event_ts"],
        }  # fmt: skip
        names = {"instFamily": "ETH-USDT", "instId": "ETH-USDT-SWAP", "instType": "SWAP", "uly": "ETH-USDT"}
        frame = {
            "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
            "data": [{"details": [detail], **names}],
        }
        yield json.dumps(frame), [_okx_event("ETH-USDT-SWAP", detail)]


def _frames(name: str) -> list[str]:
    return (DATA / "frames" / name).read_text().splitlines()


def _three_venues(exchange: str) -> Iterator[dict[str, str]]:
    with (DATA / "recordings/ethusdt_three_venues_2026-04-03.csv").open() as file:
        yield from (row for row in csv.DictReader(file) if row["exchange"] == exchange)


def _binance_frame(symbol: str, side: str, kind: str, tif: str, quantity: str, price: str, average: str, status: str,
                   last: str, filled: str, time: str) -> Sent:  # fmt: skip
    pair, _, expiry = symbol.partition("_")
    pair = pair if pair.endswith(("USDT", "USDC")) else pair + "USDT"
    order = {
        "s": f"{pair}_{expiry}" if expiry else pair, "S": side, "o": kind, "f": tif, "q": quantity, "p": price,
        "ap": "0" if average == "None" else average, "X": status, "l": last, "z": filled, "T": int(time),
    }  # fmt: skip
    frame = {"stream": "!forceOrder@arr", "data": {"e": "forceOrder", "E": int(time) + 4, "o": order}}
    return json.dumps(frame, separators=(",", ":")), [_binance_event(order)]


def _binance_event(order: dict[str, Any]) -> Event:
    limit, average, filled = Decimal(order["p"]), Decimal(order["ap"]), Decimal(order["z"])
    price = average or limit
    pair, _, expiry = order["s"].partition("_")
    bundle = re.match(r"(1000+|1M)(?=[A-Z])", pair)
    coins = Decimal({"1M": "1000000"}.get(bundle[1], bundle[1])) if bundle else Decimal(1)
    coin = pair[bundle.end() :] if bundle else pair
    return Event(
        time=order["T"],
        exchange="binance",
        contract=order["s"],
        symbol=f"{coin}-{expiry}" if expiry else coin,
        side={"SELL": "LONG", "BUY": "SHORT"}[order["S"]],
        price=price / coins,
        quantity=filled * coins,
        value_usd=six_places(price * filled),
        price_kind="fill" if average else "order",
        limit_price=limit / coins,
    )


def _bybit_event(row: dict[str, Any]) -> Event:
    price, size = Decimal(row["p"]), Decimal(row["v"])
    return Event(
        time=row["T"],
        exchange="bybit",
        contract=row["s"],
        symbol=row["s"],
        side={"Buy": "LONG", "Sell": "SHORT"}[row["S"]],
        price=price,
        quantity=size,
        value_usd=six_places(price * size),
        price_kind="bankruptcy",
    )


def _okx_event(contract: str, row: dict[str, Any]) -> Event:
    price, coins = Decimal(row["bkPx"]), Decimal(row["sz"]) * OKX_CONTRACT_COINS[contract]
    return Event(
        time=int(row["ts"]),
        exchange="okx",
        contract=contract,
        symbol=contract.removesuffix("-SWAP").replace("-", ""),
        side=row["posSide"].upper(),
        price=price,
        quantity=coins,
        value_usd=six_places(price * coins),
        price_kind="bankruptcy",
    )
