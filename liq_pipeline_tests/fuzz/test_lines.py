"""Broken lines and files of every import format, against a second, naive reading of each."""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import psycopg
import pytest

from liq_pipeline.errors import ImportRefusedError
from liq_pipeline.exchanges import adapter, instruments
from liq_pipeline.imports import packed
from liq_pipeline.imports.formats import FORMATS, format_named
from liq_pipeline.imports.landing import import_sources
from liq_pipeline.imports.report import ImportReport
from liq_pipeline.imports.sources import find
from liq_pipeline.liquidation import Market
from liq_pipeline.replay.shift import BY_FORMAT
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse.landing import prepare
from liq_pipeline.warehouse.rereading import Rereader, Stored
from liq_pipeline_tests.fuzz import corpus, judge_lines, mutation

LINES: Final = 400
SETTINGS: Final = Settings(start_date="2019-01-01", retention_days=0)
DEEP: Final = {
    "arrays": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "a frame": b'{"received_at":1791565602120,"frame":' + b"[" * 100_000,
    "a time": b'{"received_at":' + b"[" * 100_000 + b',"frame":1}',
    "a format": b'{"format":"tardis","a":' + b"[" * 100_000,
}
UNREADABLE: Final = {
    **DEEP,
    "no UTF-8": b'{"a":"\xed\xa0\x80","frame":"\xff"}',
    "digits": b'{"T":' + b"9" * 5000 + b"}",
}


def broken(format_name: str, feed: str, number: int) -> bytes:
    """A line or two, from a draw of its own."""
    known, dice = corpus.lines(format_name, feed), Random(f"{format_name}:{feed}:{number}")
    line = (mutation.frame if format_name == "frames" else mutation.line)(dice, known)
    return line if dice.random() < 0.7 else line + dice.choice((b"\n", b"\r\n")) + dice.choice(known)


@pytest.mark.parametrize(("format_name", "feed"), judge_lines.READ)
def test_every_broken_line_has_one_outcome_and_lands_as_what_it_says(format_name: str, feed: str) -> None:
    """By hand a million of each: ``python -m benchmarks.fuzz``."""
    outcomes = {judge_lines.text(format_name, feed, line)[0] for line in corpus.lines(format_name, feed)}
    entries = []
    for number in range(LINES):
        outcome, found = judge_lines.text(format_name, feed, broken(format_name, feed, number))
        outcomes.add(outcome)
        entries += found
    assert {"landed", "rejected", "some rows landed"} <= outcomes
    assert not prepare(entries).refused


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("what", UNREADABLE)
def test_no_line_ends_an_import_a_replay_or_a_reparse(format_name: str, what: str) -> None:
    line, feed = UNREADABLE[what], "binance:inverse" if format_name == "binance_vision" else "binance"
    assert judge_lines.text(format_name, feed, line)[0] == "rejected"
    assert BY_FORMAT[format_name](line, 1) is not None
    rereader = Rereader(instruments.snapshot)
    for source in ("stream", f"import:{format_name}"):
        market = adapter(feed).market
        kept = Stored("binance", market, "BTCUSD_PERP", source, 0, 1_791_565_602_120, line)
        assert rereader.rejected(kept).rejections


def test_digits_without_end_are_no_time_to_move() -> None:
    digits = b"9" * 5000
    assert BY_FORMAT["frames"](b'{"T":' + digits + b"}", 1) == b'{"T":' + digits + b"}"
    assert BY_FORMAT["binance_vision"](digits + b",BUY", 1) == digits + b",BUY"


def test_a_stored_row_may_hold_any_text() -> None:
    line = b"1687656471926,BUY,LIMIT," + b"[" * 5000 + b",7,30741.3,30631.6,FILLED,6,7"
    assert judge_lines.text("binance_vision", "binance:inverse", line)[0] == "landed"


def test_what_a_damaged_file_holds_is_not_remembered_for_ever() -> None:
    long = b"A" * 1_000_000
    for line in (long + b",SELL,LIMIT,IOC,1,100,101.5,FILLED,1,1,1791565601058",
                 b"BTC,SELL," + long + b",IOC,1,100,101.5,FILLED,1,1,1791565601058"):  # fmt: skip
        assert judge_lines.text("forceorder_csv", "binance", line)[0] == "rejected"


def _text(dice: Random) -> bytes:
    rows = [b"ETHUSDT,BUY,LIMIT,IOC,1,3100,3099,FILLED,1,1,%d" % (1735000000000 + n) for n in range(200)]
    broken_rows = [mutation.line(dice, rows) if dice.random() < 0.2 else row for row in rows]
    return dice.choice((b"\n", b"\n", b"\r\n", b"\r")).join([*rows[:3], *broken_rows])


def _zipped(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", text)
    return buffer.getvalue()


FILES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zip": _zipped,
    "gzip in a zip": lambda text: _zipped(gzip.compress(text)),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode("latin-1").encode("utf-16"),
    "no line end": lambda text: text.rstrip(),
}


def _damaged(data: bytes, dice: Random) -> bytes:
    for _ in range(dice.choice((0, 1, 1, 3))):
        if data:
            place = dice.randrange(len(data))
            data = data[:place] + dice.choice((b"", bytes([data[place] ^ 8]) + data[place + 1 :], data[place + 9 :]))
    return data


def test_a_damaged_file_is_refused_or_accounted_for_line_by_line(tmp_path: Path, migrated_url: str) -> None:
    path = tmp_path / "rows.csv"
    for kind, number in itertools.product(FILES, range(3)):
        dice = Random(f"{kind}:{number}")
        data = FILES[kind](_text(dice))
        path.write_bytes(_damaged(data, dice) if number else data)
        try:
            report = _imported(path, migrated_url)
        except ImportRefusedError as refusal:
            assert str(path) in str(refusal)
            continue
        assert report.rows + report.other + report.elsewhere == report.lines, kind
        assert report.failure is None or str(path) in report.failure


def _imported(path: Path, url: str) -> ImportReport:
    (report,) = import_sources(
        find(path), "binance", Market.LINEAR, format_named("forceorder_csv"),
        settings=SETTINGS, database_url=url, now=judge_lines.NOW, workers=0,
    )  # fmt: skip
    return report


def test_a_file_that_unpacks_without_end_is_left(
    tmp_path: Path, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_ALWAYS", 2**23)
    row = b"ETHUSDT,BUY,LIMIT,IOC,1,3100,3099,FILLED,1,1,1735000000000\n"
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(_zipped(gzip.compress(row * 500_000)))
    report = _imported(path, migrated_url)
    assert report.failure is not None and "unpack it first" in report.failure
    assert report.lines < 200_000
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT count(*) FROM liquidations_raw").fetchone() == (1,)


@pytest.fixture
def migrated_url(database_url: str) -> Any:
    from liq_pipeline.warehouse.migrate import migrate

    migrate(database_url, plain=True)
    return database_url
