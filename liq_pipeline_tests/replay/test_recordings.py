from pathlib import Path

import pytest

from liq_pipeline.errors import ImportRefusedError, ReplayError
from liq_pipeline.liquidation import Market
from liq_pipeline.replay.recordings import Wanted
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.replay.making import binance, recordings, write

COINM = frames.binance(1, "BTCUSD_PERP")
FORCE_ORDER = "BTC,SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565601058"
SNAPSHOT = "1791565601058,BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7"
TARDIS = "binance-futures,BTCUSDT,1791565601058000,1791565601158123,,sell,94210.3,0.012"
QUIET = '{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1791565602120}}'


@pytest.mark.parametrize(
    ("name", "lines", "kind"),
    [
        ("a.jsonl", [frames.binance(1)], "binance linear, frames"),
        ("a.jsonl", [COINM], "binance inverse, frames"),
        ("a.jsonl", [frames.bybit(1)], "bybit linear, frames"),
        ("a.jsonl.gz", [frames.bybit(1, "BTCUSD")], "bybit inverse, frames"),
        ("a.jsonl", [frames.okx(1)], "okx linear, frames"),
        ("a.jsonl", [frames.okx(1, "BTC-USD-SWAP")], "okx inverse, frames"),
        ("a.jsonl", ["pong", QUIET, "{}", frames.okx(1)], "okx linear, frames"),
        ("a.jsonl", [QUIET] * 5000 + [frames.binance(1)], "binance linear, frames"),
        ("a.csv", [FORCE_ORDER], "binance linear, forceorder_csv"),
        ("BTCUSDT-liquidationSnapshot-2026-10-09.csv", [SNAPSHOT], "binance linear, binance_vision"),
        ("BTCUSD_PERP-liquidationSnapshot-2026-10-09.csv", [SNAPSHOT], "binance inverse, binance_vision"),
        ("BTCUSDT.csv.gz", [TARDIS], "binance linear, tardis"),
    ],
)
def test_a_recording_that_can_only_be_one_thing_says_itself_what_it_is(
    tmp_path: Path, name: str, lines: list[str], kind: str
) -> None:
    (recording,) = recordings(write(tmp_path / name, lines))
    assert recording.kind == kind


def test_a_recording_of_both_markets_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [frames.okx(1), frames.okx(1, "BTC-USD-SWAP")])
    with pytest.raises(ReplayError, match="read as okx linear, frames or okx inverse, frames: say which with --exch"):
        recordings(path)
    (recording,) = recordings(path, wanted=Wanted(market=Market.INVERSE))
    assert recording.kind == "okx inverse, frames"


def test_what_is_said_is_believed_if_it_can_be(tmp_path: Path) -> None:
    path = binance(tmp_path / "a.jsonl", 1)
    (recording,) = recordings(path, wanted=Wanted("binance", Market.LINEAR, "frames"))
    assert recording.kind == "binance linear, frames"
    with pytest.raises(ReplayError, match="understood as bybit linear, frames: looks like binance, not bybit; check"):
        recordings(path, wanted=Wanted("bybit", Market.LINEAR, "frames"))
    with pytest.raises(ReplayError, match="none of its first 1 lines is understood in any format"):
        recordings(path, wanted=Wanted(exchange="okx"))
    with pytest.raises(ImportRefusedError, match="forceorder_csv holds linear contracts of binance"):
        recordings(path, wanted=Wanted("bybit", None, "forceorder_csv"))


def test_a_contract_that_no_name_tells_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [SNAPSHOT])
    with pytest.raises(ImportRefusedError, match="name it with --contract"):
        recordings(path)
    (recording,) = recordings(path, wanted=Wanted(contract="ETHUSD_PERP"))
    assert (recording.kind, recording.origin.contract) == ("binance inverse, binance_vision", "ETHUSD_PERP")


@pytest.mark.parametrize("lines", [["# a text", "about things"], ['{"op":"notify","topic":"x"}'], ["pongo"]])
def test_a_file_that_nobody_understands_is_refused_by_name(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(ReplayError, match=r"a\.txt: none of its first \d lines is understood in any format: leave"):
        recordings(write(tmp_path / "a.txt", lines))


@pytest.mark.parametrize("lines", [[], [QUIET, QUIET], ["pong"], ['{"result":null,"id":1}']])
def test_a_recording_of_a_quiet_day_is_none(tmp_path: Path, lines: list[str]) -> None:
    assert recordings(write(tmp_path / "a.jsonl", lines)) == []
