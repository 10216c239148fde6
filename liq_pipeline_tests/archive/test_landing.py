"""The archive's files of a day, landed."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from liq_pipeline.archive import progress
from liq_pipeline.archive.landing import DayImport, import_day
from liq_pipeline.archive.progress import Standing, State
from liq_pipeline.archive.scan import Found, scan
from liq_pipeline.archive.survey import survey
from liq_pipeline.errors import SettingsError
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.connection import connect
from liq_pipeline_tests.archive.test_scan import put
from liq_pipeline_tests.warehouse.making import KEEP, query

DAY = date(2023, 11, 14)
EVENING = 1_700_000_000_000
"""2023-11-14 22:13:20 UTC."""
RECORDING = f"forceorder_csv/binance/linear/{DAY}.csv"


def rows(*symbols: str, time_ms: int = EVENING) -> str:
    """A recording with one liquidation of each symbol."""
    return "".join(f"{symbol},SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,{time_ms},1\n" for symbol in symbols)


def _import(root: Path, url: str, settings: Settings = KEEP, **how: bool) -> DayImport:
    return import_day(root, DAY, settings, url, **how)


def _landed(url: str) -> set[str]:
    return {row[0] for row in query(url, "SELECT contract FROM liquidations_raw")}


def _standings(root: Path, url: str, settings: Settings = KEEP) -> list[Standing]:
    return survey(root, settings, url).standings


def _states(root: Path, url: str, settings: Settings = KEEP) -> dict[str, State]:
    return {standing.file.path: standing.state for standing in _standings(root, url, settings)}


def test_a_days_files_are_imported_once_and_again_when_they_change(tmp_path: Path, warehouse_url: str) -> None:
    put(tmp_path, RECORDING, rows("BTC"))
    other = put(tmp_path, f"forceorder_csv/binance/linear/second/{DAY}.csv.gz")
    other.write_bytes(gzip.compress(rows("BTC", "ETH").encode()))
    os.utime(other, (1_700_000_000, 1_700_000_000))
    put(tmp_path, "forceorder_csv/binance/linear/2023-11-15.csv", rows("SOL", time_ms=EVENING + 86_400_000))
    first = _import(tmp_path, warehouse_url)
    assert (first.files, first.imported, first.new, first.duplicate) == (2, 2, 2, 1)
    assert _landed(warehouse_url) == {"BTCUSDT", "ETHUSDT"}
    again = _import(tmp_path, warehouse_url)
    assert (again.files, again.imported, again.new, again.duplicate) == (2, 0, 0, 0)
    put(tmp_path, RECORDING, rows("BTC", "XRP"))
    changed = _import(tmp_path, warehouse_url)
    assert (changed.imported, changed.new, changed.duplicate) == (1, 1, 1)
    assert set(_states(tmp_path, warehouse_url).values()) == {State.IMPORTED, State.WAITING}
    assert _states(tmp_path, warehouse_url)[RECORDING] is State.IMPORTED


def test_a_refused_file_stops_no_other_and_is_tried_again_when_asked_for_or_changed(
    tmp_path: Path, warehouse_url: str
) -> None:
    broken = "forceorder_csv/binance/linear/a/2023-11-14.csv"
    put(tmp_path, broken, '{"e":"forceOrder"}\n' * 3)
    put(tmp_path, RECORDING, rows("BTC"))
    first = _import(tmp_path, warehouse_url)
    ((path, reason, known),) = first.refused
    assert (path, known, first.imported) == (broken, False, 1)
    assert "looks like frames, not forceorder_csv" in reason
    assert _landed(warehouse_url) == {"BTCUSDT"}
    assert [(item.path, item.known) for item in _import(tmp_path, warehouse_url).refused] == [(broken, True)]
    assert [(item.path, item.known) for item in _import(tmp_path, warehouse_url, retry=True).refused] == [
        (broken, False)
    ]
    (standing,) = (item for item in _standings(tmp_path, warehouse_url) if item.state is State.REFUSED)
    assert standing.reason == reason
    put(tmp_path, broken, rows("ETH"))
    assert _states(tmp_path, warehouse_url)[broken] is State.WAITING
    assert _import(tmp_path, warehouse_url).imported == 1
    assert set(_states(tmp_path, warehouse_url).values()) == {State.IMPORTED}


def test_what_was_imported_is_imported_again_by_force(tmp_path: Path, warehouse_url: str) -> None:
    put(tmp_path, RECORDING, rows("BTC", "ETH"))
    _import(tmp_path, warehouse_url)
    query(warehouse_url, "DELETE FROM liquidations_raw WHERE contract = 'ETHUSDT'")
    report = _import(tmp_path, warehouse_url, again=True)
    assert (report.imported, report.new, report.duplicate) == (1, 1, 1)


VISION = "binance_vision/data/futures/cm/daily/liquidationSnapshot/BTCUSD_PERP"
SNAPSHOT = f"{VISION}/BTCUSD_PERP-liquidationSnapshot-{DAY}.zip"


def _snapshot(root: Path) -> Path:
    """A day of Binance's archive as it is published: zipped, every row twice, its checksum beside it."""
    row = f"{EVENING},BUY,LIMIT,IOC,7,30741.3,30631.6,FILLED,6,7\n"
    path = put(root, SNAPSHOT)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"BTCUSD_PERP-liquidationSnapshot-{DAY}.csv", row * 2)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    put(root, f"{SNAPSHOT}.CHECKSUM", f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return path


def test_a_day_mirrored_from_binances_archive_is_imported(tmp_path: Path, warehouse_url: str) -> None:
    _snapshot(tmp_path)
    report = _import(tmp_path, warehouse_url)
    assert (report.files, report.imported, report.new, report.duplicate) == (1, 1, 1, 1)
    assert query(warehouse_url, "SELECT market, contract, value_usd::int FROM liquidations_raw") == [
        ("inverse", "BTCUSD_PERP", 700)
    ]


def test_a_download_that_its_checksum_contradicts_is_refused(tmp_path: Path, warehouse_url: str) -> None:
    _snapshot(tmp_path)
    put(tmp_path, f"{SNAPSHOT}.CHECKSUM", f"{'0' * 64}  name\n")
    ((_, reason, _),) = _import(tmp_path, warehouse_url).refused
    assert "is damaged: its SHA-256 is" in reason
    assert _landed(warehouse_url) == set()


def test_a_grouped_file_of_tardis_is_imported_for_both_markets(tmp_path: Path, warehouse_url: str) -> None:
    time = 1_760_000_000_000
    day = datetime.fromtimestamp(time / 1000, UTC).date()
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    text = header + "".join(
        f"bybit,{contract},{time}000,{time}321,,sell,{price},{size}\n"
        for contract, price, size in (("BTCUSDT", "82000.5", "0.5"), ("BTCUSD", "82001", "1500"))
    )
    path = put(tmp_path, f"tardis/v1/bybit/liquidations/{day:%Y/%m/%d}/PERPETUALS.csv.gz")
    path.write_bytes(gzip.compress(text.encode()))
    report = import_day(tmp_path, day, KEEP, warehouse_url, retry=True)
    assert report.being_written == [path.relative_to(tmp_path).as_posix()]
    os.utime(path, (1_700_000_000, 1_700_000_000))
    report = import_day(tmp_path, day, KEEP, warehouse_url)
    assert (report.imported, report.new, report.rejected, report.refused) == (1, 2, 0, [])
    assert query(warehouse_url, "SELECT market, contract FROM liquidations_raw ORDER BY 1") == [
        ("inverse", "BTCUSD"),
        ("linear", "BTCUSDT"),
    ]


def test_a_source_that_cannot_be_matched_with_what_is_there_is_refused_and_the_day_stays_as_it_is(
    tmp_path: Path, warehouse_url: str
) -> None:
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    path = f"tardis/v1/binance-futures/liquidations/{DAY:%Y/%m/%d}/BTCUSDT.csv"
    put(tmp_path, path, f"{header}binance-futures,BTCUSDT,{EVENING}000,{EVENING}321,,sell,101.5,1\n")
    put(tmp_path, RECORDING, rows("BTC"))
    report = _import(tmp_path, warehouse_url)
    assert (report.imported, report.new) == (1, 1)
    ((refused, reason, _),) = report.refused
    assert refused == path
    assert "BTCUSDT" in reason and str(DAY) in reason
    assert query(warehouse_url, "SELECT source FROM liquidations_raw") == [("import:forceorder_csv",)]


def test_rejected_rows_are_recorded_and_refuse_nothing(tmp_path: Path, warehouse_url: str) -> None:
    put(tmp_path, RECORDING, rows("BTC") + "nonsense\n")
    report = _import(tmp_path, warehouse_url)
    assert (report.imported, report.new, report.rejected, report.refused) == (1, 1, 1, [])
    assert query(warehouse_url, "SELECT count(*) FROM frames_rejected") == [(1,)]


def test_rows_of_other_days_that_settings_exclude_are_counted_and_refuse_nothing(
    tmp_path: Path, warehouse_url: str
) -> None:
    settings = Settings(retention_days=0, start_date=DAY)
    put(tmp_path, RECORDING, rows("BTC") + rows("ETH", time_ms=EVENING - 86_400_000))
    report = _import(tmp_path, warehouse_url, settings)
    assert (report.new, report.excluded, report.refused) == (1, 1, [])
    assert _landed(warehouse_url) == {"BTCUSDT"}


def test_a_day_that_settings_exclude_is_not_looked_into_and_imported_once_they_do_not(
    tmp_path: Path, warehouse_url: str
) -> None:
    put(tmp_path, RECORDING, rows("BTC"))
    kept = Settings(retention_days=90)
    ((path, reason, known),) = _import(tmp_path, warehouse_url, kept, retry=True).refused
    assert (path, known) == (RECORDING, True)
    assert "LIQ_RETENTION_DAYS=90" in reason
    assert _states(tmp_path, warehouse_url, kept) == {RECORDING: State.EXCLUDED}
    assert _landed(warehouse_url) == set()
    assert _import(tmp_path, warehouse_url).imported == 1
    # What is imported is imported, whatever its day has become since.
    assert _states(tmp_path, warehouse_url, kept) == {RECORDING: State.IMPORTED}


def test_a_day_whose_events_retention_has_dropped_is_refused_with_the_way_back(
    tmp_path: Path, warehouse_url: str
) -> None:
    put(tmp_path, RECORDING, rows("BTC"))
    query(warehouse_url, "INSERT INTO day_state (day, raw_version, events_dropped_at) VALUES (%s, 1, now())", DAY)
    ((path, reason, known),) = _import(tmp_path, warehouse_url).refused
    assert (path, known) == (RECORDING, False)
    assert "were dropped by retention" in reason and "UPDATE day_state" in reason
    query(warehouse_url, "UPDATE day_state SET raw_version = 0, events_dropped_at = NULL")
    assert _import(tmp_path, warehouse_url, retry=True).new == 1


def test_a_file_that_is_being_written_is_left_for_later(tmp_path: Path, warehouse_url: str) -> None:
    put(tmp_path, RECORDING, rows("BTC"), modified=time.time())
    report = _import(tmp_path, warehouse_url)
    assert (report.files, report.imported, report.being_written) == (1, 0, [RECORDING])
    assert _states(tmp_path, warehouse_url) == {RECORDING: State.WRITING}


def test_a_day_to_come_is_excluded(tmp_path: Path) -> None:
    put(tmp_path, "frames/okx/linear/2026-11-24.jsonl")
    now = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    (standing,) = progress.standings(scan(tmp_path).files, {}, KEEP, now)
    assert (standing.state, standing.reason) == (
        State.EXCLUDED,
        "2026-11-24 has not begun: correct the day in its name",
    )


def test_the_outcome_of_a_file_is_that_of_its_last_import(tmp_path: Path, warehouse_url: str) -> None:
    put(tmp_path, RECORDING)
    (file,) = scan(tmp_path).files
    with connect(warehouse_url) as connection:
        for refusal in ("broken", None, "broken again"):
            progress.record(connection, file, refusal)
            assert progress.outcomes(connection) == {RECORDING: (file.size, file.modified_ns, refusal)}
        assert isinstance(file, Found)


def test_no_archive_is_an_error_and_an_empty_one_is_none(tmp_path: Path, warehouse_url: str) -> None:
    assert _import(tmp_path, warehouse_url) == DayImport()
    with pytest.raises(SettingsError, match="LIQ_ARCHIVE_DIR"):
        _import(tmp_path / "none", warehouse_url)
