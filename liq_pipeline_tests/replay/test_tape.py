from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liq_pipeline.errors import ReplayError
from liq_pipeline.imports import lines
from liq_pipeline.liquidation import Market
from liq_pipeline.replay.reading import Admission
from liq_pipeline.replay.recordings import Wanted
from liq_pipeline.replay.tape import Tape
from liq_pipeline_tests.fakes import frames
from liq_pipeline_tests.replay.making import (
    NOW,
    START,
    binance,
    event_times,
    received,
    recordings,
    tape_of,
    window,
    write,
)


def test_files_are_merged_by_time_whatever_they_are_packed_in(tmp_path: Path) -> None:
    plain = binance(tmp_path / "a.jsonl", 0, 2000, 4000)
    packed = write(tmp_path / "b.jsonl.gz", [frames.okx(number) for number in (0, 2000, 4000)])
    with tape_of(plain, packed) as tape:
        played = list(tape.play(0, len(tape)))
        assert tape.times.tolist() == sorted(tape.times.tolist())
    assert [one.exchange for one in played] == ["okx", "binance"] * 3


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=4))
def test_a_recording_out_of_order_is_played_in_order(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("recordings")
    paths = [binance(folder / f"{index}.jsonl", *numbers) for index, numbers in enumerate(files)]
    with tape_of(*paths) as tape:
        repeated = tape.inventory.repeated
        times = event_times(tape)
    assert times == sorted(times)
    assert set(times) == {START + number for numbers in files for number in numbers}
    assert len(times) + repeated == sum(map(len, files))


def test_the_time_of_receipt_goes_before_that_of_the_event(tmp_path: Path) -> None:
    late, early = received(frames.binance(0), START + 9_000), received(frames.binance(500), START + 1_500)
    with tape_of(write(tmp_path / "a.jsonl", [late, early, frames.binance(5_000)])) as tape:
        assert [time - START for time in tape.times] == [1_500, 5_000, 9_000]
        assert [time - START for time in event_times(tape)] == [500, 5_000, 0]
        assert [entry.received_at - START for one in tape.play(0, 3) for entry in one.entries] == [1_500, 5_000, 9_000]


def test_lines_of_one_time_keep_their_order(tmp_path: Path) -> None:
    symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    first = write(tmp_path / "a.jsonl", [frames.binance(7, symbol) for symbol in symbols[:2]])
    second = write(tmp_path / "b.jsonl", [frames.binance(7, symbol) for symbol in symbols[2:]])
    with tape_of(first, second, binance(tmp_path / "c.jsonl", 1)) as tape:
        played = [entry.liquidation.symbol for one in tape.play(0, len(tape)) for entry in one.entries]
    assert played == ["BTCUSDT", *symbols]


def test_a_part_of_it_can_be_played_and_found_by_time(tmp_path: Path) -> None:
    with tape_of(binance(tmp_path / "a.jsonl", *range(0, 100, 10))) as tape:
        assert [tape.find(START + offset) for offset in (-5, 0, 5, 90, 91)] == [0, 0, 1, 9, 10]
        assert [one.entries[0].liquidation.time - START for one in tape.play(3, 6)] == [30, 40, 50]


def test_rejected_lines_take_the_place_where_they_were(tmp_path: Path) -> None:
    bad = frames.binance(1).replace("SELL", "SIDEWAYS")
    path = write(tmp_path / "a.jsonl", [bad, frames.binance(10), "{}", frames.binance(20), "pong"])
    with tape_of(path) as tape:
        assert [time - START for time in tape.times] == [10, 10, 10, 20, 20]
        played = list(tape.play(0, 5))
        inventory = tape.inventory
    assert [len(one.rejections) for one in played] == [1, 0, 1, 0, 1]
    assert played[0].rejected_as == "replay"
    assert (inventory.rows, inventory.rejected) == (2, 3)
    assert inventory.first_rejected[0].reason == "side S 'SIDEWAYS' is neither BUY nor SELL"
    assert [one.number for one in inventory.first_rejected] == [1, 3, 5]


def test_acknowledgements_rows_of_the_other_market_and_repeats_are_counted_not_played(tmp_path: Path) -> None:
    ack = '{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"},"connId":"x"}'
    inverse = frames.okx(1, "BTC-USD-SWAP")
    path = write(tmp_path / "a.jsonl", [ack, "pong", frames.okx(1), frames.okx(1), inverse])
    with Tape(recordings(path, wanted=Wanted(market=Market.LINEAR)), Admission(window())) as tape:
        tape.read()
        inventory = tape.inventory
    assert len(tape) == 1
    assert (inventory.other, inventory.elsewhere, inventory.repeated) == (2, 1, 1)


def test_excluded_days_are_refused_and_all_others_played(tmp_path: Path) -> None:
    old, future = frames.binance(-90 * 86_400_000), frames.binance(60 * 86_400_000)
    with tape_of(
        write(tmp_path / "a.jsonl", [old, frames.binance(0), future]), within=window(retention_days=90)
    ) as tape:
        assert event_times(tape) == [START]
        inventory = tape.inventory
    assert inventory.refused.total() == 1
    assert "LIQ_RETENTION_DAYS=90" in inventory.refusals.pop()
    assert inventory.first_rejected[0].reason.endswith("is in the future")


def test_days_whose_events_are_gone_are_refused_each_asked_for_once(tmp_path: Path) -> None:
    day, asked = 86_400_000, []

    def gone(one: date) -> str | None:
        asked.append(one)
        return f"{one} is gone" if one == date(2026, 10, 10) else None

    path = binance(tmp_path / "a.jsonl", 0, 1, day, day + 1, 2 * day)
    with Tape(recordings(path), Admission(window(), gone)) as tape:
        tape.read()
        assert [time - START for time in event_times(tape)] == [0, 1, 2 * day]
        assert tape.inventory.refused == {date(2026, 10, 10): 2}
        assert tape.inventory.refusals == {"2026-10-10 is gone"}
    assert asked == [date(2026, 10, 9), date(2026, 10, 10), date(2026, 10, 11)]


def test_rows_that_cannot_be_matched_are_refused(tmp_path: Path) -> None:
    row = "okex-swap,BTC-USDT-SWAP,1791565601058000,1791565601158123,,sell,94210.3,5"
    with tape_of(write(tmp_path / "a.csv", [row])) as tape:
        assert len(tape) == 0
        assert tape.inventory.refused.total() == 1
        assert "bring them in with `liq import`" in tape.inventory.refusals.pop()


def test_an_endless_line_is_rejected_with_its_beginning(tmp_path: Path) -> None:
    endless = '{"x":"' + "y" * lines.MAX_LINE
    for name in ("a.jsonl", "a.jsonl.gz"):
        with tape_of(write(tmp_path / name, [frames.binance(0), endless, frames.binance(1)])) as tape:
            assert [time - START for time in event_times(tape)] == [0, 1]
            _, bad, _ = tape.play(0, 3)
        (rejection,) = bad.rejections
        assert rejection.frame == endless[:65_536].encode()
        assert "line longer than" in rejection.reason


def test_a_byte_order_mark_and_blank_lines_are_no_part_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\r\n\n  " + frames.binance(0).encode() + b" \r\n\r\n" + frames.binance(1).encode())
    with tape_of(path) as tape:
        assert [one.entries[0].raw.decode() for one in tape.play(0, 2)] == [frames.binance(0), frames.binance(1)]


def test_a_file_that_was_cut_meanwhile_is_named(tmp_path: Path) -> None:
    path = binance(tmp_path / "a.jsonl", 0, 1, 2)
    with tape_of(path) as tape:
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ReplayError, match=r"a\.jsonl became shorter while it was replayed"):
            event_times(tape)


def test_more_files_than_may_be_open_are_played(tmp_path: Path) -> None:
    paths = [binance(tmp_path / f"{number:03}.jsonl", number, number + 500) for number in range(100)]
    with tape_of(*paths) as tape:
        assert len(set(event_times(tape))) == 200


def test_a_tape_is_moved_as_a_whole(tmp_path: Path) -> None:
    lines_of = [received(frames.binance(number), START + number + 900) for number in (0, 50)]
    with tape_of(write(tmp_path / "a.jsonl", lines_of), moving=True) as tape:
        tape.move(NOW - START)
        assert event_times(tape) == [NOW, NOW + 50]
        assert [entry.received_at for one in tape.play(0, 2) for entry in one.entries] == [NOW + 900, NOW + 950]
        assert [one.received_at for one in tape.play(0, 2)] == [NOW + 900, NOW + 950]


def test_what_a_venue_does_not_say_any_more_cannot_be_moved_to_the_present(tmp_path: Path) -> None:
    old = (
        '{"topic":"liquidation.BTCUSDT","type":"snapshot","ts":1741450605553,"data":{"updatedTime":1741450605236,'
        '"symbol":"BTCUSDT","side":"Buy","size":"0.001","price":"85823.60"}}'
    )
    path = write(tmp_path / "a.jsonl", [old])
    with (
        tape_of(path, moving=True) as tape,
        pytest.raises(ReplayError, match=r"a\.jsonl cannot be moved in time: a liquidation v5 row of 2026"),
    ):
        tape.move(NOW - 1741450605236)
