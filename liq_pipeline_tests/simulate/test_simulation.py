from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from liq_pipeline.cli import liq
from liq_pipeline.simulate.market import DEFAULT_START_MS, LIVE, generate
from liq_pipeline.simulate.simulation import simulate, write
from liq_pipeline_tests.simulate.naive import Cascade, cascades, landed, read

# What one unit of the venue's quantity is in coins, and of its price in coins: typed here a second time, on purpose.
OKX_COINS = {
    "BTC-USDT-SWAP": "0.01",
    "ETH-USDT-SWAP": "0.1",
    "SOL-USDT-SWAP": "1",
    "XRP-USDT-SWAP": "100",
    "DOGE-USDT-SWAP": "1000",
    "PEPE-USDT-SWAP": "10000000",
    "SHIB-USDT-SWAP": "1000000",
    "ADA-USDT-SWAP": "100",
    "LINK-USDT-SWAP": "1",
    "BTC-USDC-SWAP": "0.0001",
}


def symbol_and_bundle(contract: str) -> tuple[str, int]:
    plain = contract.removesuffix("-SWAP").replace("-", "")
    bundle = 1000 if "1000" in plain else 1
    plain = plain.replace("1000", "")
    return (plain.removesuffix("PERP") + "USDC" if plain.endswith("PERP") else plain), bundle


def meaning(exchange: str, frame: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The events of a good frame by the venues' documentation alone."""
    raw: list[tuple[str, str, str, str, str | None, int]] = []
    if exchange == "binance":
        order = frame["data"]["o"]
        side = {"SELL": "LONG", "BUY": "SHORT"}[order["S"]]
        raw.append((order["s"], side, order["ap"], order["z"], order["p"], order["T"]))
    elif exchange == "bybit":
        for row in frame["data"]:
            raw.append((row["s"], {"Buy": "LONG", "Sell": "SHORT"}[row["S"]], row["p"], row["v"], None, row["T"]))
    else:
        for entry in frame["data"]:
            for row in entry["details"]:
                side = {"sell": "LONG", "buy": "SHORT"}[row["side"]]
                assert row["posSide"] in ("net", side.lower())
                raw.append((entry["instId"], side, row["bkPx"], row["sz"], None, int(row["ts"])))
    events = []
    for contract, side, price, quantity, limit, time in raw:
        symbol, bundle = symbol_and_bundle(contract)
        coins = Fraction(quantity) * Fraction(OKX_COINS.get(contract, "1")) * bundle
        usd = round(Fraction(price) / bundle * coins, 6)
        events.append(
            (
                contract,
                symbol,
                side,
                Fraction(price) / bundle,
                coins,
                usd,
                None if limit is None else Fraction(limit) / bundle,
                time,
            )
        )
    return events


def stated(row: dict[str, Any]) -> tuple[Any, ...]:
    limit = row.get("limit_price")
    return (
        row["contract"],
        row["symbol"],
        row["side"],
        Fraction(row["price"]),
        Fraction(row["quantity"]),
        Fraction(row["value_usd"]),
        None if limit is None else Fraction(limit),
        row["time"],
    )


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    write(simulate(10_000, 1), out)
    return out


@pytest.fixture(scope="module")
def ten_thousands_cascades(ten_thousand: Path) -> list[Cascade]:
    return cascades(landed(read(ten_thousand / "ledger.jsonl")))


@pytest.fixture(scope="module")
def with_defects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("defects")
    write(simulate(10_000, 1, defects=True), out)
    return out


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write(simulate(400, seed, defects=True, throttle=True), tmp_path / name)
    for file in ("binance.jsonl", "bybit.jsonl", "okx.jsonl", "ledger.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert (tmp_path / "a" / file).read_bytes() != (tmp_path / "c" / file).read_bytes()


def test_seed_1_with_10000_events_holds_what_the_contract_promises(
    ten_thousand: Path, ten_thousands_cascades: list[Cascade]
) -> None:
    rows = landed(read(ten_thousand / "ledger.jsonl"))
    assert len(rows) == 10_000
    assert len({row["symbol"] for row in rows}) >= 3
    assert {row["exchange"] for row in rows} == {"binance", "bybit", "okx"}
    assert len(ten_thousands_cascades) >= 5
    assert any(len(cascade.exchanges) > 1 for cascade in ten_thousands_cascades)


def test_a_cascade_crosses_midnight_with_the_default_start(ten_thousands_cascades: list[Cascade]) -> None:
    midnight = (DEFAULT_START_MS // 86_400_000 + 1) * 86_400_000
    crossing = [c for c in ten_thousands_cascades if c.start < midnight <= c.end]
    assert {cascade.symbol for cascade in crossing} >= {"BTCUSDT"}


def test_the_ledger_says_what_the_frames_say(ten_thousand: Path) -> None:
    ledger = read(ten_thousand / "ledger.jsonl")
    for exchange in ("binance", "bybit", "okx"):
        told: dict[int, list[tuple[Any, ...]]] = {}
        for row in ledger:
            if row["exchange"] == exchange:
                told.setdefault(row["line"], []).append(stated(row))
        lines = read(ten_thousand / f"{exchange}.jsonl")
        for number, line in enumerate(lines, 1):
            assert told.pop(number) == meaning(exchange, line["frame"])
        assert not told


def test_an_order_not_filled_completely_counts_with_its_filled_part(ten_thousand: Path) -> None:
    orders = [line["frame"]["data"]["o"] for line in read(ten_thousand / "binance.jsonl")]
    partial = [order for order in orders if order["X"] == "PARTIALLY_FILLED"]
    assert partial
    assert all(Decimal(order["z"]) < Decimal(order["q"]) for order in partial)
    assert all(Decimal(order["l"]) <= Decimal(order["z"]) for order in orders)


def test_frames_hold_batches_several_instruments_and_identical_rows(ten_thousand: Path) -> None:
    bybit = [line["frame"] for line in read(ten_thousand / "bybit.jsonl")]
    okx = [line["frame"] for line in read(ten_thousand / "okx.jsonl")]
    assert max(len(frame["data"]) for frame in bybit) > 1
    assert max(len(frame["data"]) for frame in okx) > 1
    assert any(len(entry["details"]) > 1 for frame in okx for entry in frame["data"])
    assert any(n > 1 for frame in bybit for n in Counter(json.dumps(row) for row in frame["data"]).values())
    assert all(row["T"] < frame["ts"] <= row["T"] + 600 for frame in bybit for row in frame["data"])


def test_two_rows_of_different_frames_are_never_the_same_liquidation(ten_thousand: Path) -> None:
    frames_of: dict[tuple[Any, ...], set[int]] = {}
    for row in read(ten_thousand / "ledger.jsonl"):
        frames_of.setdefault((row["exchange"], *stated(row)), set()).add(row["line"])
    assert all(len(lines) == 1 for lines in frames_of.values())


def test_frames_arrive_in_order_and_binance_about_a_second_late(ten_thousand: Path) -> None:
    for exchange in ("binance", "bybit", "okx"):
        received = [line["received_at"] for line in read(ten_thousand / f"{exchange}.jsonl")]
        assert received == sorted(received)
    late = sorted(
        line["frame"]["data"]["E"] - line["frame"]["data"]["o"]["T"] for line in read(ten_thousand / "binance.jsonl")
    )
    assert 930 <= late[0] <= late[len(late) // 2] <= 1020


def test_throttling_keeps_the_largest_of_a_contracts_second_and_notes_the_rest(tmp_path: Path) -> None:
    write(simulate(5_000, 2, throttle=True), tmp_path)
    ledger = read(tmp_path / "ledger.jsonl")
    suppressed = [row for row in ledger if row["outcome"] == "suppressed"]
    assert len(landed(ledger)) + len(suppressed) == 5_000
    assert {row["exchange"] for row in suppressed} == {"binance", "okx"}
    assert all("line" not in row for row in suppressed)
    kept = [row for row in landed(ledger) if row["exchange"] == "binance"]
    for row in suppressed:
        if row["exchange"] == "binance":
            rivals = [k for k in kept if k["contract"] == row["contract"] and abs(k["time"] - row["time"]) < 1000]
            assert any(Decimal(rival["value_usd"]) >= Decimal(row["value_usd"]) for rival in rivals)


def test_defects_lose_no_event_and_every_line_has_its_outcome(ten_thousand: Path, with_defects: Path) -> None:
    ledger = read(with_defects / "ledger.jsonl")
    without_oddities = [row for row in landed(ledger) if row.get("defect") != "non_ascii_symbol"]
    clean = landed(read(ten_thousand / "ledger.jsonl"))
    assert sorted((row["exchange"], *map(str, stated(row))) for row in without_oddities) == sorted(
        (row["exchange"], *map(str, stated(row))) for row in clean
    )
    assert {row["outcome"] for row in ledger} == {"landed", "duplicate", "rejected", "ignored"}
    numbers = {row["row"] for row in ledger}
    assert len(numbers) == len(ledger)
    assert all(row["duplicate_of"] in numbers for row in ledger if row["outcome"] == "duplicate")
    for exchange in ("binance", "bybit", "okx"):
        lines = len(read(with_defects / f"{exchange}.jsonl"))
        assert {row["line"] for row in ledger if row["exchange"] == exchange} == set(range(1, lines + 1))


def test_a_repetition_is_byte_for_byte_the_frame_it_repeats(with_defects: Path) -> None:
    ledger = read(with_defects / "ledger.jsonl")
    by_row = {row["row"]: row for row in ledger}
    lines = {venue: read(with_defects / f"{venue}.jsonl") for venue in ("binance", "bybit", "okx")}
    repeated = [row for row in ledger if row["outcome"] == "duplicate"]
    assert repeated
    for row in repeated:
        first = by_row[row["duplicate_of"]]
        frames = lines[row["exchange"]]
        assert frames[row["line"] - 1]["frame"] == frames[first["line"] - 1]["frame"]
        assert stated(row) == stated(first)


def test_every_kind_of_defect_appears_at_every_venue(with_defects: Path) -> None:
    seen: dict[str, set[str]] = {}
    for row in read(with_defects / "ledger.jsonl"):
        if "defect" in row:
            seen.setdefault(row["exchange"], set()).add(row["defect"])
    everywhere = {"truncated", "refusal", "unknown_quote", "nan_quantity", "negative_quantity", "chatter", "html"}
    for defects in seen.values():
        assert everywhere | {"repeated", "missing_time", "time_absurd", "unknown_side", "bare_nan"} <= defects
    assert "unlisted_contract" in seen["okx"]
    assert "non_ascii_symbol" in seen["binance"]


def test_a_live_market_strikes_every_venue_within_seconds_and_its_cascades_end() -> None:
    events = list(islice(generate(4, DEFAULT_START_MS, LIVE), 4_000))
    soon = [event for event in events if event.time < DEFAULT_START_MS + 5_000]
    assert {event.contract.venue for event in soon} == {"binance", "bybit", "okx"}
    rows = [
        {
            "symbol": event.contract.symbol,
            "time": event.time,
            "exchange": event.contract.venue,
            "value_usd": event.price * event.quantity * event.contract.contract_value,
        }
        for event in events
    ]
    found = cascades(rows)
    assert min(cascade.start for cascade in found) < DEFAULT_START_MS + 10_000
    lengths = sorted(cascade.end - cascade.start for cascade in found)
    assert lengths[len(lengths) // 2] < 300_000


def test_the_command_writes_files_and_prints_where(tmp_path: Path) -> None:
    out = tmp_path / "sim"
    result = CliRunner().invoke(
        liq,
        ["simulate", "--events", "200", "--seed", "3", "--out", str(out), "--start", "2026-05-01T12:00", "--defects"],
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["binance.jsonl", "bybit.jsonl", "ledger.jsonl", "okx.jsonl"]
    assert all(name in result.output for name in ("binance", "BTCUSDT", "landed", "rejected", "ledger.jsonl"))
    assert "2026-05-01 12:0" in result.output


@pytest.mark.parametrize("start", ["yesterday", "1899-01-01"])
def test_a_start_that_is_no_time_is_named_in_the_error(tmp_path: Path, start: str) -> None:
    arguments = ["simulate", "--events", "1", "--seed", "1", "--out", str(tmp_path), "--start", start]
    result = CliRunner().invoke(liq, arguments)
    assert result.exit_code == 2
    assert start in result.output


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = CliRunner().invoke(liq, ["simulate", "--events", "1", "--seed", "1", "--out", str(blocked / "sim")])
    assert result.exit_code != 0
    assert str(blocked) in str(result.exception)
