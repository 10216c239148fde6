"""The same liquidations, written in every format and imported in any order, are one set of rows."""

import gzip
import json
import random
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.imports import sources
from liq_pipeline.imports.formats import FORMATS
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.reparse import reparse
from liq_pipeline_tests.imports.importing import import_source

FIRST_MS = 1_748_000_000_000
"""2025-05-23: Tardis' rows of Binance hold all fields of the identity."""
NOW_MS = 1_760_000_000_000
CONTRACTS = {
    Market.LINEAR: ("BTCUSDT", "ETHUSDC", "1000PEPEUSDT", "BTCUSDT_250926"),
    Market.INVERSE: ("BTCUSD_PERP", "ETHUSD_250926"),
}
FORMATS_OF = {
    Market.LINEAR: ("frames", "binance_vision", "tardis", "forceorder_csv"),
    Market.INVERSE: ("frames", "binance_vision", "tardis"),
}
EXACT = "event_id, time, exchange, market, contract, symbol, side, limit_price, feed_semantics"
FILLED = f"{EXACT}, price, price_kind, quantity, value_usd"
EMPTY = "TRUNCATE liquidations_raw, day_state, import_files, unmatched_days, frames_rejected"


@dataclass(frozen=True)
class Order:
    """A force order, its numbers in whatever notation a source may choose."""

    contract: str
    time: int
    side: str
    limit: Decimal
    average: Decimal
    filled: Decimal


def _orders(market: Market, seed: int) -> list[Order]:
    draw = random.Random(seed)
    size = "0.001" if market is Market.LINEAR else "1"
    return [
        Order(
            draw.choice(CONTRACTS[market]),
            FIRST_MS + draw.randrange(3 * 86_400_000),
            draw.choice(("BUY", "SELL")),
            Decimal(draw.randrange(1, 10**7)) / 100,
            Decimal(draw.randrange(1, 10**7)) / 100,
            draw.randrange(1, 10**4) * Decimal(size),
        )
        for _ in range(40)
    ]


def _text(number: Decimal, draw: random.Random) -> str:
    return f"{number:f}" + draw.choice(("", "0", "000") if "." in f"{number:f}" else ("", ".0"))


def _write(orders: Sequence[Order], format_: str, folder: Path) -> Path:
    """The orders in a format, some of them twice, in one or several files."""
    draw = random.Random(format_)
    orders = draw.sample(orders, len(orders)) + draw.choices(orders, k=5)
    target = folder / format_
    target.mkdir()
    {"frames": _frames, "binance_vision": _vision, "tardis": _tardis, "forceorder_csv": _force_orders}[format_](
        orders, target, draw
    )
    return target


def _frames(orders: Sequence[Order], folder: Path, draw: random.Random) -> None:
    def lines() -> Iterator[str]:
        for order in orders:
            limit, average, filled = (_text(number, draw) for number in (order.limit, order.average, order.filled))
            fields = {
                "s": order.contract, "S": order.side, "o": "LIMIT", "f": "IOC", "q": filled, "p": limit, "ap": average,
                "X": "FILLED", "l": "0.001", "z": filled, "T": order.time,
            }  # fmt: skip
            frame = {"e": "forceOrder", "E": order.time + 950, "o": fields}
            if draw.random() < 0.5:
                yield json.dumps({"received_at": order.time + 1000, "frame": {"stream": "x", "data": frame}})
            else:
                yield json.dumps(frame)

    (folder / "recording.jsonl").write_text("\n".join(lines()))


def _vision(orders: Sequence[Order], folder: Path, draw: random.Random) -> None:
    header = "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
    for contract in {order.contract for order in orders}:
        rows = [header + "last_fill_quantity,accumulated_fill_quantity"] if draw.random() < 0.5 else []
        for order in sorted((order for order in orders if order.contract == contract), key=lambda order: order.time):
            filled = _text(order.filled, draw)
            numbers = f"{filled},{_text(order.limit, draw)},{_text(order.average, draw)},FILLED,0.001,{filled}"
            rows += [f"{order.time},{order.side},LIMIT,IOC,{numbers}"] * 2
        name = f"{contract}-liquidationSnapshot-2025-05-23"
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.csv", "\n".join(rows))


def _tardis(orders: Sequence[Order], folder: Path, draw: random.Random) -> None:
    exchange = "binance-delivery" if any("USD_" in order.contract for order in orders) else "binance-futures"
    rows = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    for order in orders:
        # Tardis' numbers went through a 64-bit float, and are written as JavaScript writes them.
        price, amount = (repr(float(number)).removesuffix(".0") for number in (order.limit, order.filled))
        times = f"{order.time}000,{order.time + 120}457"
        rows.append(f"{exchange},{order.contract},{times},,{order.side.lower()},{price},{amount}")
    with gzip.open(folder / "PERPETUALS.csv.gz", "wt") as file:
        file.write("\n".join(rows))


def _force_orders(orders: Sequence[Order], folder: Path, draw: random.Random) -> None:
    def lines() -> Iterator[str]:
        for order in orders:
            filled = _text(order.filled, draw)
            symbol = order.contract.replace("USDT", "") if draw.random() < 0.5 else order.contract
            numbers = f"{filled},{_text(order.limit, draw)},{_text(order.average, draw)},FILLED,0.001,{filled}"
            yield f"{symbol},{order.side},LIMIT,IOC,{numbers},{order.time},1.5"

    (folder / "recording.csv.gz").write_bytes(gzip.compress("\n".join(lines()).encode()))


def _import(url: str, path: Path, market: Market, exchange: str = "binance") -> list[ImportReport]:
    format_ = FORMATS[path.name]
    found = sources.find(path, format_)
    settings = Settings(retention_days=0)
    return list(import_sources(found, exchange, market, format_, settings=settings, database_url=url, now=NOW_MS))


def _rows(url: str, columns: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT {columns} FROM liquidations_raw".encode()).fetchall()
        assert len(rows) == len(set(rows))
        return set(rows)


def _empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(EMPTY)


def _orders_of(names: Sequence[str]) -> list[list[str]]:
    """Each name first, each last, and every two in both orders one after another."""
    turned = [[*names[turn:], *names[:turn]] for turn in range(len(names))]
    return turned + [order[::-1] for order in turned]


@pytest.mark.parametrize("market", Market)
def test_every_format_in_any_order_gives_the_same_rows(warehouse_url: str, tmp_path: Path, market: Market) -> None:
    orders = _orders(market, seed=7)
    paths = {name: _write(orders, name, tmp_path) for name in FORMATS_OF[market]}
    expected: set[tuple[Any, ...]] = set()
    for names in _orders_of(FORMATS_OF[market]):
        for position, name in enumerate(names):
            reports = _import(warehouse_url, paths[name], market)
            assert sum(report.rejected + report.refused.total() for report in reports) == 0
            assert sum(report.new for report in reports) == (0 if position else len(orders))
        rows = _rows(warehouse_url, EXACT)
        assert rows == (expected or rows)
        expected = rows
        _empty(warehouse_url)


@pytest.mark.parametrize("market", Market)
def test_formats_with_the_average_fill_agree_on_price_and_value_too(
    warehouse_url: str, tmp_path: Path, market: Market
) -> None:
    orders = _orders(market, seed=8)
    seen = []
    for name in FORMATS_OF[market]:
        if name != "tardis":
            _import(warehouse_url, _write(orders, name, tmp_path), market)
            seen.append(_rows(warehouse_url, FILLED))
            _empty(warehouse_url)
    assert all(rows == seen[0] for rows in seen)
    assert len(seen[0]) == len(orders)


def test_rows_that_come_with_the_limit_price_alone_say_so_and_are_worth_it(warehouse_url: str, tmp_path: Path) -> None:
    orders = _orders(Market.LINEAR, seed=9)
    half = orders[: len(orders) // 2]
    _import(warehouse_url, _write(half, "frames", tmp_path), Market.LINEAR)
    _import(warehouse_url, _write(orders, "tardis", tmp_path), Market.LINEAR)
    worth = "price_kind, count(*), sum(value_usd)"
    with psycopg.connect(warehouse_url) as connection:
        rows = connection.execute(f"SELECT {worth} FROM liquidations_raw GROUP BY 1 ORDER BY 1".encode()).fetchall()
    assert rows == [
        ("fill", len(half), sum(order.average * order.filled for order in half)),
        ("order", len(orders) - len(half), sum(order.limit * order.filled for order in orders[len(half) :])),
    ]


@pytest.mark.parametrize("market", Market)
def test_rows_of_every_format_are_read_again_as_they_are(warehouse_url: str, tmp_path: Path, market: Market) -> None:
    for seed, name in enumerate(FORMATS_OF[market]):
        _import(warehouse_url, _write(_orders(market, seed), name, tmp_path), market)
    _import(warehouse_url, _tardis_file(tmp_path / "okx", _okx_row(FIRST_MS)), Market.LINEAR, "okx")
    days = [date(2025, 5, 23) + timedelta(days=index) for index in range(4)]
    settings = Settings(retention_days=0)
    report = reparse(warehouse_url, days, settings, exchanges=("binance", "okx"), now=NOW_MS)
    assert sum(day.rows for day in report.days.values()) == 40 * len(FORMATS_OF[market]) + 1
    assert sum(day.changed + day.rejected for day in report.days.values()) == 0
    assert report.stale == set()


def _tardis_file(folder: Path, *rows: str) -> Path:
    target = folder / "tardis"
    target.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["exchange,symbol,timestamp,local_timestamp,id,side,price,amount", *rows])
    (target / "SYMBOLS.csv").write_text(text)
    return target


def _frames_file(folder: Path, *frames: dict[str, Any]) -> Path:
    target = folder / "frames"
    target.mkdir(exist_ok=True)
    (target / "recording.jsonl").write_text("\n".join(map(json.dumps, frames)))
    return target


def _okx_frame(time: int) -> dict[str, Any]:
    detail = {"posSide": "long", "side": "sell", "bkPx": "30000.5", "sz": "2", "ts": str(time)}
    return {"arg": {"channel": "liquidation-orders"}, "data": [{"instId": "BTC-USDT-SWAP", "details": [detail]}]}


def _okx_row(time: int) -> str:
    return f"okex-swap,BTC-USDT-SWAP,{time}000,{time + 90}123,,sell,30000.5,2"


def _bybit_frame(*times: int) -> dict[str, Any]:
    rows = [{"T": time, "s": "BTCUSDT", "S": "Sell", "v": "0.500", "p": "30000.50"} for time in times]
    return {"topic": "allLiquidation.BTCUSDT", "ts": times[-1] + 100, "type": "snapshot", "data": rows}


def test_frames_of_bybit_and_tardis_are_one_set_of_rows(warehouse_url: str, tmp_path: Path) -> None:
    times = [FIRST_MS + index for index in range(5)]
    frames = _frames_file(tmp_path, _bybit_frame(*times[:3]), _bybit_frame(*times[2:]))
    rows = [f"bybit,BTCUSDT,{time}000,{time + 90}123,,buy,30000.5,0.5" for time in times]
    tardis = _tardis_file(tmp_path, *rows)
    for paths in ((frames, tardis), (tardis, frames)):
        for path in paths:
            _import(warehouse_url, path, Market.LINEAR, "bybit")
        assert len(_rows(warehouse_url, FILLED)) == len(times)
        _empty(warehouse_url)


def test_where_a_source_cannot_be_matched_the_days_another_has_are_refused_and_its_others_land(
    warehouse_url: str, tmp_path: Path
) -> None:
    day = 86_400_000
    first = FIRST_MS - FIRST_MS % day
    _import(warehouse_url, _frames_file(tmp_path, _okx_frame(first)), Market.LINEAR, "okx")
    tardis = _tardis_file(tmp_path, _okx_row(first), _okx_row(first + day))
    (report,) = _import(warehouse_url, tardis, Market.LINEAR, "okx")
    assert (report.new, report.refused.total()) == (1, 1)
    (reason,) = report.refusals
    assert "BTC-USDT-SWAP" in reason and "2025-05-23" in reason

    (report,) = _import(warehouse_url, _frames_file(tmp_path, _okx_frame(first + day)), Market.LINEAR, "okx")
    assert (report.new, report.refused.total()) == (0, 1)
    assert any("2025-05-24" in reason and "import:tardis" in reason for reason in report.refusals)

    (report,) = _import(warehouse_url, tardis, Market.LINEAR, "okx")
    assert (report.new, report.duplicate, report.refused.total()) == (0, 1, 1)
    assert len(_rows(warehouse_url, FILLED)) == 2


def test_a_file_of_trades_or_of_another_exchange_is_refused_whole_header_or_not(
    warehouse_url: str, tmp_path: Path
) -> None:
    trades = [f"binance-futures,BTCUSDT,{FIRST_MS + i}000,{FIRST_MS + i}123,{i},buy,100,1" for i in range(200)]
    with pytest.raises(ImportRefusedError, match=r"line 2: id '0': .*this is a row of trades"):
        _import(warehouse_url, _tardis_file(tmp_path, *trades), Market.LINEAR)
    others = [_okx_row(FIRST_MS + index) for index in range(200)]
    with pytest.raises(ImportRefusedError, match="use --exchange okx"):
        _import(warehouse_url, _tardis_file(tmp_path, *others), Market.LINEAR)
    with pytest.raises(ImportRefusedError, match=r"SYMBOLS\.csv: this file looks like tardis, not binance_vision"):
        (found,) = sources.find(tmp_path / "tardis")
        import_source(
            found, "binance", Market.LINEAR, FORMATS["binance_vision"], settings=Settings(),
            database_url=warehouse_url, now=NOW_MS,
        )  # fmt: skip
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM frames_rejected").fetchall() == [(0,)]


RECORDING = (
    Path(__file__).parents[2].parent
    / "shared/data/recordings/binance_coinm_BTCUSD_PERP_liquidationSnapshot_excerpt.csv"
)


@pytest.mark.skipif(not RECORDING.is_file(), reason=f"{RECORDING} is not there")
def test_the_recorded_archive_lands_once_whatever_it_is_packed_in(warehouse_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "binance_vision"
    folder.mkdir()
    with zipfile.ZipFile(folder / "BTCUSD_PERP-liquidationSnapshot-2023-06-25.zip", "w") as archive:
        archive.write(RECORDING, "BTCUSD_PERP-liquidationSnapshot-2023-06-25.csv")
    (folder / f"{RECORDING.name}.gz").write_bytes(gzip.compress(RECORDING.read_bytes()))
    (folder / RECORDING.name).write_bytes(RECORDING.read_bytes())
    reports = _import(warehouse_url, folder, Market.INVERSE)
    counts = sorted((report.new, report.duplicate, report.rejected) for report in reports)
    assert counts == [(0, 9, 0), (0, 9, 0), (6, 3, 0)]
    rows = _rows(warehouse_url, "contract, symbol, value_usd, quantity")
    assert ("BTCUSD_PERP", "BTCUSD", Decimal(4300), round(Decimal(4300) / Decimal("30631.6"), 12)) in rows
    assert len(rows) == 6
