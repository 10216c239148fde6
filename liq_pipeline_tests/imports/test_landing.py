import contextlib
import gzip
import itertools
import json
import random
import signal
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liq_pipeline.errors import ImportRefusedError, SchemaError, ServerError
from liq_pipeline.exchanges.instruments import snapshot
from liq_pipeline.imports import blocks
from liq_pipeline.imports.blocks import Block
from liq_pipeline.imports.formats import format_named
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.reading import Reading
from liq_pipeline.imports.report import ImportReport, RejectedLine
from liq_pipeline.imports.sources import find
from liq_pipeline.imports.window import Window
from liq_pipeline.imports.workers import work_force
from liq_pipeline.liquidation import Market
from liq_pipeline.settings import Settings
from liq_pipeline_tests.imports.importing import import_source

RECORDINGS = Path(__file__).parents[2].parent / "shared/data/recordings"
NOW = 1_795_300_000_000  # 2026-11-21
KEPT_FOR_EVER = Settings(retention_days=0)

Importer = Callable[..., ImportReport]


@pytest.fixture
def import_(warehouse_url: str) -> Importer:
    def run(path: Path, exchange: str = "binance", name: str = "forceorder_csv", **changed: Any) -> ImportReport:
        arguments = {"settings": KEPT_FOR_EVER, "database_url": warehouse_url, "now": NOW, **changed}
        return import_source(find(path)[0], exchange, Market.LINEAR, format_named(name), **arguments)

    return run


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def _everything(url: str) -> list[list[tuple[Any, ...]]]:
    return [
        _rows(url, query)
        for query in (
            "SELECT * FROM liquidations_raw ORDER BY time, event_id",
            "SELECT day, raw_version FROM day_state ORDER BY day",
            "SELECT stream_id, exchange, reason, frame FROM frames_rejected ORDER BY stream_id",
        )
    ]


def _row(index: int = 0, symbol: str = "BTC", time: int = 1_790_000_000_000) -> str:
    return f"{symbol},SELL,LIMIT,IOC,1,{100 + index},{101 + index}.5,FILLED,1,1,{time + index},1"


def _refuse(url: str, price: str) -> None:
    """Let the database take no row with that price: none that the parsers let through is known to be refused."""
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE liquidations_raw ADD CHECK (price <> {price})".encode())


def _file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "file"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the real recordings are not in {RECORDINGS}")
@pytest.mark.parametrize(
    ("name", "new", "duplicate", "rejected"),
    [
        ("binance_usdm_2024-08-17.csv", 456, 0, 0),
        ("binance_usdm_2024-08-18_mixed_symbols.csv", 385, 0, 0),
        ("binance_usdm_2025-01-26_two_writers.csv", 1837, 1673, 0),
        ("binance_usdm_2025-06-23_part1_no_avg_price.csv", 445, 0, 1),
        ("binance_usdm_2025-06-23_part2_no_avg_price.csv", 700, 0, 0),
    ],
)
def test_every_headerless_recording_imports_and_importing_twice_changes_nothing(
    import_: Importer, warehouse_url: str, name: str, new: int, duplicate: int, rejected: int
) -> None:
    first = import_(RECORDINGS / name)
    assert (first.new, first.duplicate, first.rejected) == (new, duplicate, rejected)
    assert first.rows == first.lines == new + duplicate + rejected
    assert first.days.total() == new
    landed = _everything(warehouse_url)
    assert len(landed[0]) == new
    second = import_(RECORDINGS / name)
    assert (second.new, second.duplicate, second.rejected) == (0, new + duplicate, rejected)
    assert not second.days
    assert _everything(warehouse_url) == landed


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the real recordings are not in {RECORDINGS}")
def test_the_line_glued_to_other_text_is_reported_with_its_number(import_: Importer, warehouse_url: str) -> None:
    report = import_(RECORDINGS / "binance_usdm_2025-06-23_part1_no_avg_price.csv")
    (line,) = report.first_rejected
    assert line.number == 1
    assert "Hello Arbitrage Trading BotADA" in line.reason
    ((reason, frame),) = _rows(warehouse_url, "SELECT reason, frame FROM frames_rejected")
    assert reason == line.reason
    assert frame.startswith("Hello Arbitrage Trading BotADA,SELL,LIMIT,IOC,17616,0.55660,None,FILLED")
    kinds = _rows(warehouse_url, "SELECT price_kind, price = limit_price, count(*) FROM liquidations_raw GROUP BY 1, 2")
    assert kinds == [("order", True, 445)]


def test_what_was_landed_says_where_it_came_from(import_: Importer, warehouse_url: str, tmp_path: Path) -> None:
    import_(_file(tmp_path, _row()))
    ((source, received_late, raw, version),) = _rows(
        warehouse_url,
        "SELECT source, received_at - time, raw_data, raw_version FROM liquidations_raw, day_state",
    )
    assert (source, received_late.total_seconds(), version) == ("import:forceorder_csv", 0, 1)
    assert raw["trade_time"] == "1790000000000"


def test_a_new_row_raises_the_version_of_its_day_alone(import_: Importer, warehouse_url: str, tmp_path: Path) -> None:
    day = 86_400_000
    import_(_file(tmp_path, _row(0), _row(1), _row(2, time=1_790_000_000_000 + day)))
    report = import_(_file(tmp_path, _row(0), _row(1), _row(3)))
    assert (report.new, report.duplicate, dict(report.days)) == (1, 2, {date(2026, 9, 21): 1})
    assert _rows(warehouse_url, "SELECT day, raw_version FROM day_state ORDER BY day") == [
        (date(2026, 9, 21), 2),
        (date(2026, 9, 22), 1),
    ]


def test_damaged_lines_are_reported_with_their_numbers_and_recorded_once(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, _row(0), "", "BTC,SELL", _row(1), _row(2).replace(",102", ",abc"), "BTC,SELL")
    for _ in range(2):
        report = import_(path)
        assert report.rejected == 3
        assert report.first_rejected == [
            RejectedLine(3, "2 columns where forceorder_csv has at least 11"),
            RejectedLine(5, "price p 'abc' is not a number"),
            RejectedLine(6, "2 columns where forceorder_csv has at least 11"),
        ]
        frames = _rows(warehouse_url, "SELECT frame FROM frames_rejected ORDER BY frame")
        assert [frame for (frame,) in frames] == ["BTC,SELL", _row(2).replace(",102", ",abc")]


def test_what_text_columns_cannot_hold_is_recorded_readably(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(_row().encode() + b"\nA\x00B\xff,SELL\n")
    assert import_(path).rejected == 1
    assert _rows(warehouse_url, "SELECT frame FROM frames_rejected") == [("A\\x00B\\xff,SELL",)]


def test_a_row_the_database_refuses_is_rejected_with_its_line_and_the_others_land(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    _refuse(warehouse_url, "102.5")
    report = import_(_file(tmp_path, _row(0), _row(1), _row(2)))
    assert (report.new, report.rejected) == (2, 1)
    assert report.first_rejected[0].number == 2
    assert report.first_rejected[0].reason.startswith("PostgreSQL: ")
    ((frame,),) = _rows(warehouse_url, "SELECT frame FROM frames_rejected")
    assert "102.5" in frame


def test_only_the_first_rejections_are_listed_and_all_are_counted_and_recorded(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    report = import_(_file(tmp_path, _row(), *(f"bad {index}" for index in range(50))))
    assert (report.rejected, len(report.first_rejected)) == (50, 20)
    assert _rows(warehouse_url, "SELECT count(*) FROM frames_rejected") == [(50,)]


def test_days_before_the_start_date_are_refused_and_the_others_land(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    early = 1_685_577_599_999  # the last millisecond of 2023-05-31
    report = import_(_file(tmp_path, _row(0, time=early), _row(0, time=early + 1)))
    assert (report.new, dict(report.refused), report.rows) == (1, {date(2023, 5, 31): 1}, 2)
    (refusal,) = report.refusals
    assert refusal.startswith("days before LIQ_START_DATE=2023-06-01 have no partition")
    assert _rows(warehouse_url, "SELECT day FROM day_state") == [(date(2023, 6, 1),)]


def test_days_that_retention_would_remove_are_refused_naming_the_setting(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    first_kept = 1_787_443_200_000  # 2026-08-23, 90 days before NOW
    path = _file(tmp_path, _row(0, time=first_kept - 1), _row(0, time=first_kept))
    report = import_(path, settings=Settings())
    assert (report.new, dict(report.refused)) == (1, {date(2026, 8, 22): 1})
    (refusal,) = report.refusals
    assert "LIQ_RETENTION_DAYS=90 would remove days before 2026-08-23 again" in refusal
    assert import_(path, settings=Settings(retention_days=91)).new == 1


def test_events_of_the_future_are_rejected(import_: Importer, tmp_path: Path) -> None:
    report = import_(_file(tmp_path, _row(0), _row(0, time=NOW + 86_400_001)))
    assert (report.new, report.rejected) == (1, 1)
    assert report.first_rejected[0].reason == "time 2026-11-22 22:26 is in the future"


@pytest.mark.parametrize(
    ("content", "asked", "looks_like"),
    [(_row(), "frames", "forceorder_csv"), ('{"e":"forceOrder"}', "forceorder_csv", "frames")],
)
def test_a_file_of_another_format_is_refused_by_name(
    import_: Importer, warehouse_url: str, tmp_path: Path, content: str, asked: str, looks_like: str
) -> None:
    with pytest.raises(ImportRefusedError, match=f"this file looks like {looks_like}, not {asked}"):
        import_(_file(tmp_path, content), name=asked)
    assert _everything(warehouse_url) == [[], [], []]


@pytest.mark.parametrize("lines", [1, 100])
def test_a_file_of_another_exchange_is_refused_by_name_not_recorded_line_by_line(
    import_: Importer, warehouse_url: str, tmp_path: Path, lines: int
) -> None:
    bybit = '{"topic":"allLiquidation.A","type":"snapshot","ts":1,"data":[{"T":1790000000000,"s":"AUSDT","S":"Buy",'
    path = _file(tmp_path, *[bybit + '"v":"1","p":"2"}]}'] * lines)
    with pytest.raises(ImportRefusedError, match="looks like bybit linear, not binance linear; use --exchange bybit"):
        import_(path, name="frames")
    assert _everything(warehouse_url) == [[], [], []]


def test_a_long_file_of_which_nothing_is_understood_is_refused_not_recorded_line_by_line(
    import_: Importer, warehouse_url: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, *['{"e":"somethingElse"}'] * 100)
    with pytest.raises(ImportRefusedError, match="none of the first 100 lines is understood as frames, line 1: "):
        import_(path, name="frames")
    assert _everything(warehouse_url) == [[], [], []]


def test_a_short_file_of_nothing_known_is_refused_too(import_: Importer, warehouse_url: str, tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="none of the first 2 lines is understood as frames, line 1"):
        import_(_file(tmp_path, "time;price", "1;2"), name="frames")
    assert _everything(warehouse_url) == [[], [], []]


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ImportRefusedError, match="'csv' is not a known format; use one of: frames, binance_vision"):
        format_named("csv")


def test_an_empty_file_is_nothing_to_do(import_: Importer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert import_(tmp_path / "file") == ImportReport(str(tmp_path / "file"))


def test_a_file_in_many_batches_lands_whole_and_progress_reaches_its_end(
    import_: Importer, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    path = _file(tmp_path, *(_row(index // 2) for index in range(100)), "bad")
    offsets: list[int] = []
    report = import_(path, progress=offsets.append)
    assert (report.new, report.duplicate, report.rejected) == (50, 50, 1)
    assert len(offsets) > 10
    assert offsets == sorted(offsets)
    assert offsets[-1] == path.stat().st_size


def _interrupt(offset: int) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_import_goes_on_where_it_was(
    import_: Importer, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 600)
    earlier = 1_790_000_000_000 - 86_400_000
    path = _file(tmp_path, _row(0, time=earlier), *(_row(index) for index in range(1, 35)), "bad")
    with pytest.raises(KeyboardInterrupt):
        import_(path, progress=_interrupt)
    done = _rows(warehouse_url, "SELECT count(*) FROM liquidations_raw")[0][0]
    assert 0 < done < 35
    report = import_(path)
    assert (report.resumed_after, report.new, report.duplicate) == (done, 35 - done, 0)
    assert [set(report.days), report.touched] == [{date(2026, 9, 21)}, {date(2026, 9, 20), date(2026, 9, 21)}]
    assert report.first_rejected[0].number == 36
    assert _rows(warehouse_url, "SELECT count(*) FROM liquidations_raw") == [(35,)]
    ((size, lines, complete, counts),) = _rows(
        warehouse_url, "SELECT done_bytes, done_lines, completed_at IS NOT NULL, counts FROM import_files"
    )
    assert (size, lines, complete) == (path.stat().st_size, 36, True)
    assert (counts["new"], counts["rejected"], counts["lines"]) == (35, 1, 36)


def test_a_complete_import_is_repeated_from_the_start(import_: Importer, warehouse_url: str, tmp_path: Path) -> None:
    path = _file(tmp_path, *(_row(index) for index in range(3)))
    import_(path)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("DELETE FROM liquidations_raw WHERE price = 101.5")
    report = import_(path)
    assert (report.resumed_after, report.new, report.duplicate) == (0, 1, 2)


def test_what_was_refused_before_an_interruption_is_tried_again(
    import_: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 300)
    path = _file(tmp_path, *(_row(index, time=1_700_000_000_000) for index in range(20)))
    with pytest.raises(KeyboardInterrupt):
        import_(path, settings=Settings(retention_days=90), progress=_interrupt)
    assert import_(path).new == 20


def test_acknowledgements_are_counted_apart(import_: Importer, tmp_path: Path) -> None:
    frame = {
        "e": "forceOrder",
        "E": 1790000000002,
        "o": {"s": "BTCUSDT", "S": "SELL", "p": "1", "ap": "1.1", "z": "1", "T": 1790000000001},
    }
    path = _file(tmp_path, '{"result":null,"id":1}', json.dumps({"received_at": 1790000000009, "frame": frame}))
    report = import_(path, name="frames")
    assert (report.lines, report.other, report.rows, report.new) == (2, 1, 1, 1)


def test_an_old_schema_and_an_unreachable_server_are_named_with_the_fix(
    import_: Importer, database_url: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, _row())
    with pytest.raises(SchemaError, match="run `liq up`"):
        import_(path, database_url=database_url)
    with pytest.raises(ServerError, match="start PostgreSQL, or correct the address in LIQ_DATABASE_URL"):
        import_(path, database_url="postgresql://liq@127.0.0.1:1/liq")


_rows_of_files = st.lists(st.integers(0, 30).map(_row) | st.sampled_from(["bad", "BTC,SELL"]), min_size=1, max_size=40)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(lines=_rows_of_files, cuts=st.lists(st.integers(0, 40), max_size=3), seed=st.integers(0, 9))
def test_any_order_and_split_of_a_file_imported_twice_lands_what_the_file_does_once(
    import_: Importer, warehouse_url: str, tmp_path: Path, lines: list[str], cuts: list[int], seed: int
) -> None:
    def empty() -> None:
        with psycopg.connect(warehouse_url) as connection:
            connection.execute("TRUNCATE liquidations_raw, day_state, frames_rejected")

    lines = [_row(99), *lines]
    empty()
    import_(_file(tmp_path, *lines))
    once, _, rejected_once = _everything(warehouse_url)
    empty()
    shuffled = random.Random(seed).sample(lines, len(lines))
    edges = [0, *sorted(cuts), len(shuffled)]
    for _ in range(2):
        for start, end in itertools.pairwise(edges):
            # A part of which nothing is understood would be refused.
            import_(_file(tmp_path, _row(99), *shuffled[start:end]))
    landed, _, rejected = _everything(warehouse_url)
    assert landed == once
    assert rejected == rejected_once


@pytest.fixture
def import_all(warehouse_url: str) -> Callable[..., list[ImportReport]]:
    def run(path: Path, name: str = "forceorder_csv", **changed: Any) -> list[ImportReport]:
        arguments = {"settings": KEPT_FOR_EVER, "database_url": warehouse_url, "now": NOW, **changed}
        format_ = format_named(name)
        return list(import_sources(find(path, format_), "binance", Market.LINEAR, format_, **arguments))

    return run


ImportAll = Callable[..., list[ImportReport]]


def _folder(tmp_path: Path) -> Path:
    """A plain file, a compressed one and a zip of two, that share a row."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.csv").write_text("\n".join(_row(index) for index in range(50)) + "\nbad\n")
    (folder / "2.csv.gz").write_bytes(gzip.compress("\n".join(_row(index) for index in range(49, 90)).encode()))
    with zipfile.ZipFile(folder / "3.zip", "w") as archive:
        archive.writestr("a.csv", _row(90))
        archive.writestr("b.csv", "")
    return folder


def test_processes_land_what_one_does_in_the_same_order_with_one_report_a_file(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 700)
    folder = _folder(tmp_path)
    size, progress = sum(source.size for source in find(folder)), list[int]()
    reports = import_all(folder, workers=2, progress=progress.append)
    assert [(report.name.rpartition("folder/")[2], report.new, report.duplicate) for report in reports] == [
        ("1.csv", 50, 0),
        ("2.csv.gz", 40, 1),
        ("3.zip/a.csv", 1, 0),
        ("3.zip/b.csv", 0, 0),
    ]
    assert reports[0].first_rejected == [RejectedLine(51, "1 columns where forceorder_csv has at least 11")]
    assert progress == sorted(progress)
    assert progress[-1] == size
    landed = _everything(warehouse_url)
    assert [len(rows) for rows in landed] == [91, 1, 1]
    assert [report.new for report in import_all(folder, workers=0)] == [0, 0, 0, 0]
    assert _everything(warehouse_url) == landed


def test_one_file_of_another_format_keeps_all_from_landing(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    (folder / "4.csv").write_text('{"e":"forceOrder"}')
    with pytest.raises(ImportRefusedError, match=r"4\.csv: this file looks like frames, not forceorder_csv"):
        import_all(folder)
    assert _everything(warehouse_url) == [[], [], []]


def test_a_file_damaged_further_on_is_landed_up_to_there_and_the_others_whole(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2**16)
    folder = tmp_path / "folder"
    folder.mkdir()
    draw = random.Random(1)
    rows = "\n".join(_row(draw.randrange(10**6), symbol=f"C{draw.randrange(10**9)}") for _ in range(40_000))
    packed = gzip.compress(rows.encode())
    (folder / "1.csv.gz").write_bytes(packed[: len(packed) * 2 // 3])
    (folder / "2.csv").write_text(_row(1))
    damaged, whole = import_all(folder)
    assert damaged.failure is not None
    assert "1.csv.gz is damaged after" in damaged.failure
    assert 0 < damaged.new < 40_000
    assert (whole.failure, whole.new) == (None, 1)
    complete = _rows(warehouse_url, "SELECT path, completed_at IS NOT NULL FROM import_files ORDER BY path")
    assert complete == [(str(folder / "1.csv.gz"), False), (str(folder / "2.csv"), True)]


def test_a_process_that_is_killed_is_told_and_what_landed_is_not_read_again(
    import_all: ImportAll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 700)
    path = _file(tmp_path, *(_row(index) for index in range(2000)))

    def kill(done: int) -> None:
        for child in psutil.Process().children():
            # One that was killed the time before may be a zombie by now.
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()

    with pytest.raises(ImportRefusedError, match="was killed, likely for want of memory; what is landed stays"):
        import_all(path, workers=2, progress=kill)
    (report,) = import_all(path)
    assert report.resumed_after > 0
    assert report.resumed_after + report.new == 2000


def test_ctrl_c_is_the_parents_from_the_moment_a_process_starts() -> None:
    window = Window(Settings(retention_days=0), 1_795_000_000_000)
    reading = Reading("forceorder_csv", "binance", Market.LINEAR, snapshot("binance"), window)
    with work_force(reading, 2) as pool:
        work = pool.prepare(None, Block(_row().encode(), 1, 1, 0))
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGINT)
        assert work.result().account.lines == 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _outcome(report: ImportReport) -> tuple[object, ...]:
    return (report.counts(), report.first_rejected, report.days, report.refused, report.refusals)


def test_a_dry_run_says_what_landing_then_does_and_lands_nothing(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 700)
    folder = _folder(tmp_path)
    nul = _row(200).replace("IOC,1,", "IOC,1\0,")
    old = _row(0, time=1_600_000_000_000)
    (folder / "5.csv").write_text("\n".join([*map(_row, (3, 120, 120, 121, 120)), nul, old, old]))
    empty = _everything(warehouse_url)
    dry = import_all(folder, dry_run=True)
    assert _everything(warehouse_url) == empty
    assert _rows(warehouse_url, "SELECT count(*) FROM import_files") == [(0,)]
    real = import_all(folder)
    assert list(map(_outcome, dry)) == list(map(_outcome, real))
    assert real[-1].counts() | {"lines": 0} == {
        "lines": 0, "other": 0, "elsewhere": 0, "new": 2, "duplicate": 3, "rejected": 1, "refused": 2,
    }  # fmt: skip
    assert list(map(_outcome, import_all(folder, dry_run=True))) == list(map(_outcome, import_all(folder)))


def test_lines_that_repeat_the_one_before_share_its_fate(import_: Importer, warehouse_url: str, tmp_path: Path) -> None:
    _refuse(warehouse_url, "102.5")
    refused = _row(1)
    lines = [_row(0), _row(0), "", _row(0), refused, refused, "bad", "bad", _row(2), _row(2)]
    report = import_(_file(tmp_path, *lines))
    assert (report.lines, report.new, report.duplicate, report.rejected) == (9, 2, 3, 4)
    assert [line.number for line in report.first_rejected] == [5, 7, 8]
    assert _rows(warehouse_url, "SELECT count(*) FROM frames_rejected") == [(2,)]


TARDIS = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"


def test_days_that_another_source_has_are_refused_and_the_others_land(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path
) -> None:
    day = 86_400_000
    times = [1_680_000_000_000 + index * day for index in range(3)]
    (tmp_path / "rows.csv").write_text(_row(0, time=times[1]))
    settings = Settings(retention_days=0, start_date=date(2023, 1, 1))
    import_all(tmp_path / "rows.csv", settings=settings)
    rows = [f"binance-futures,BTCUSDT,{time}000,{time}000,,sell,100,1" for time in times]
    path = tmp_path / "tardis.csv"
    path.write_text("\n".join([TARDIS, rows[0], rows[1], rows[1], rows[2]]))
    for new in (2, 0):
        (report,) = import_all(path, "tardis", settings=settings)
        assert (report.new, report.duplicate, report.other) == (new, 2 - new, 1)
        assert dict(report.refused) == {date(2023, 3, 29): 2}
        (refusal,) = report.refusals
        assert "BTCUSDT" in refusal
        assert "import:forceorder_csv" in refusal
    assert _rows(warehouse_url, "SELECT count(*) FROM liquidations_raw") == [(3,)]


@pytest.mark.parametrize(
    ("file", "name", "contract", "message"),
    [
        ("x.csv", "forceorder_csv", "BTCUSDT", "rows of forceorder_csv name their contract; leave --contract BTCUSDT"),
        ("x.csv", "binance_vision", None, "nor does this file's name; use --contract"),
        ("ETHUSDT-liquidationSnapshot-2023-06-25.csv", "binance_vision", "BTCUSDT", "holds ETHUSDT by its name"),
    ],
)
def test_a_contract_is_given_where_neither_rows_nor_name_tell(
    import_all: ImportAll, tmp_path: Path, file: str, name: str, contract: str | None, message: str
) -> None:
    (tmp_path / file).write_text("1687651200000,SELL,LIMIT,IOC,1,100,100,FILLED,1,1\n")
    with pytest.raises(ImportRefusedError, match=message):
        import_all(tmp_path / file, name, contract=contract)


def test_a_contract_that_is_given_is_that_of_all_rows(
    import_all: ImportAll, warehouse_url: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("1687651200000,SELL,LIMIT,IOC,1,100,100,FILLED,1,1\n")
    assert [report.new for report in import_all(tmp_path / "x.csv", "binance_vision", contract="ETHUSDT")] == [1]
    assert _rows(warehouse_url, "SELECT contract FROM liquidations_raw") == [("ETHUSDT",)]
    assert _rows(warehouse_url, "SELECT contract FROM import_files") == [("ETHUSDT",)]
