from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from liq_pipeline.streams import Entry
from liq_pipeline.warehouse import present
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import InsertReport, count_new, insert_prepared, insert_rows, prepare
from liq_pipeline_tests.warehouse.making import DAY, NOON, entry, ids, landed_ids, query, raw_versions

DAY_MS = 86_400_000


def land(url: str, entries: Iterable[Entry], *, matched: bool = True) -> InsertReport:
    with connect(url) as connection:
        return insert_rows(connection, entries, matched=matched)


def numbers(report: InsertReport) -> tuple[int, int, int, int]:
    return report.new, report.duplicate, len(report.refused), len(report.conflicts)


def of(source: str, number: int, time: int = NOON, **changes: Any) -> Entry:
    return entry(number, time, **changes)._replace(source=source)


def compress(url: str) -> int:
    """Compress every chunk of raw rows there is; how many were not before."""
    enabled = query(
        url,
        "SELECT compression_enabled FROM timescaledb_information.hypertables"
        " WHERE hypertable_name = 'liquidations_raw'",
    )
    if enabled == [(False,)]:
        query(
            url,
            "ALTER TABLE liquidations_raw SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',"
            " timescaledb.compress_orderby = 'time, event_id')",
        )
    return len(query(url, "SELECT compress_chunk(chunk, true) FROM show_chunks('liquidations_raw') AS chunk"))


def test_repeats_count_as_duplicates_within_and_between_batches(warehouse_url: str) -> None:
    first = land(warehouse_url, [entry(n % 5) for n in range(12)])
    assert numbers(first) == (5, 7, 0, 0) and first.days == {DAY: 5}
    second = land(warehouse_url, [entry(n) for n in range(3, 9)] + [entry(8)])
    assert numbers(second) == (4, 3, 0, 0) and second.days == {DAY: 4}
    assert landed_ids(warehouse_url) == ids(entry(n) for n in range(9))
    assert raw_versions(warehouse_url) == {DAY: 2}


def test_rows_between_those_that_are_there_land_alone_and_whole(warehouse_url: str) -> None:
    every = [entry(n, NOON + n, raw=b'{"n": %d}' % n) for n in range(200)]
    land(warehouse_url, [one for number, one in enumerate(every) if number % 3 == 1])
    assert land(warehouse_url, every).new == 133
    rows = query(
        warehouse_url,
        "SELECT event_id::text, (raw_data->>'n')::int, price::text FROM liquidations_raw ORDER BY time",
    )
    assert rows == [(one.liquidation.event_id, n, one.liquidation.price) for n, one in enumerate(every)]


def test_nothing_to_land_is_no_error(warehouse_url: str) -> None:
    assert numbers(land(warehouse_url, [])) == (0, 0, 0, 0)
    assert raw_versions(warehouse_url) == {}


def test_prepared_rows_travel_to_another_process(warehouse_url: str) -> None:
    bad = entry(3, price="NaN")
    rows = pickle.loads(pickle.dumps(prepare([entry(1), entry(1), bad, entry(2, NOON + DAY_MS)])))
    with connect(warehouse_url) as connection:
        report = insert_prepared(connection, rows)
    assert numbers(report) == (2, 1, 1, 0)
    assert report.refused[0].position == 2 and "'NaN'" in report.refused[0].reason


def test_a_refused_row_is_named_by_its_place_among_the_given(warehouse_url: str) -> None:
    land(warehouse_url, [entry(0), entry(2)])
    unstorable = entry(50, raw=b'{"a": "\\u0000"}')
    report = land(warehouse_url, [entry(0), entry(1), entry(1), unstorable, entry(2), entry(51, price="x"), entry(4)])
    assert numbers(report) == (2, 3, 2, 0)
    assert [refused.position for refused in report.refused] == [3, 5]
    assert report.refused[0].reason.startswith("PostgreSQL: ") and "'x'" in report.refused[1].reason


def test_keys_far_apart_in_a_full_day_are_found(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "_FEW", 0)
    land(warehouse_url, [entry(n, NOON + n) for n in range(300)])
    ends = [entry(0, NOON), entry(1000, NOON + 150), entry(299, NOON + 299), entry(150, NOON + 150)]
    assert numbers(land(warehouse_url, ends)) == (1, 3, 0, 0)


def test_ids_that_differ_in_their_last_bytes_only_are_different(warehouse_url: str) -> None:
    zeros, one = "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000100"
    land(warehouse_url, [entry(1, event_id=zeros)])
    assert numbers(land(warehouse_url, [entry(1, event_id=zeros), entry(1, event_id=one)])) == (1, 1, 0, 0)


@pytest.mark.parametrize("few", [0, 10_000], ids=["far apart", "close together"])
def test_late_rows_land_once_in_compressed_days(
    few: int, warehouse_url: str, timescaledb_version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if query(warehouse_url, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'") == []:
        pytest.skip("compresses with TimescaleDB only")
    monkeypatch.setattr(present, "_FEW", few)
    old = [entry(n, NOON + n % 50 * 1000, symbol=f"COIN{n % 7}USDT") for n in range(2_000)]
    land(warehouse_url, [*old, entry(1, NOON + DAY_MS)])
    assert compress(warehouse_url) == 2
    late = [entry(5_000 + n, NOON + n, symbol=f"COIN{n % 9}USDT") for n in range(20)]
    report = land(warehouse_url, [*old[::100], *late, entry(1, NOON + DAY_MS), entry(2, NOON + DAY_MS)])
    assert numbers(report) == (21, 21, 0, 0)
    assert numbers(land(warehouse_url, [*late, *old[:500]])) == (0, 520, 0, 0)
    assert compress(warehouse_url) == 2
    assert numbers(land(warehouse_url, [*late, *old])) == (0, 2_020, 0, 0)
    assert landed_ids(warehouse_url) == ids([*old, *late, entry(1, NOON + DAY_MS), entry(2, NOON + DAY_MS)])


def test_late_rows_among_150000_compressed_ones_of_the_same_second_land(warehouse_url: str) -> None:
    if query(warehouse_url, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'") == []:
        pytest.skip("compresses with TimescaleDB only")
    query(
        warehouse_url,
        "INSERT INTO liquidations_raw SELECT '2025-12-10 12:00Z'::timestamptz + n % 1000 * interval '1 ms',"
        " md5(n::text)::uuid, 'binance', 'linear', 'BTCUSDT', 'BTCUSDT', 'LONG', 1, 'fill', 1, 1, NULL, now(),"
        " 'stream', '', 1, 0, '{}' FROM generate_series(1, 150000) AS n",
    )
    compress(warehouse_url)
    assert numbers(land(warehouse_url, [entry(n, NOON + n) for n in range(1000)])) == (1000, 0, 0, 0)


def test_a_source_that_cannot_be_matched_has_a_contract_and_day_to_itself(warehouse_url: str) -> None:
    land(warehouse_url, [of("stream", 1), of("stream", 2, contract="ETHUSDT")])
    given = [
        of("import:tardis", 10),
        of("import:tardis", 11, contract="SOLUSDT"),
        of("import:tardis", 12, NOON + DAY_MS),
        of("import:tardis", 13, exchange="okx"),
    ]
    report = land(warehouse_url, given, matched=False)
    assert numbers(report) == (3, 0, 0, 1)
    (conflict,) = report.conflicts
    assert conflict.position == 0
    for said in ("binance BTCUSDT", "rows of stream", "2025-12-10", "import:tardis", "leave the day as it is"):
        assert said in conflict.reason
    assert numbers(land(warehouse_url, [*given, of("import:tardis", 14, NOON + DAY_MS)], matched=False)) == (1, 3, 0, 1)
    claims = query(warehouse_url, "SELECT exchange, contract, day, source FROM unmatched_days ORDER BY 1, 2, 3")
    assert claims == [
        ("binance", "BTCUSDT", date(2025, 12, 11), "import:tardis"),
        ("binance", "SOLUSDT", DAY, "import:tardis"),
        ("okx", "BTCUSDT", DAY, "import:tardis"),
    ]


def test_other_sources_are_kept_from_what_an_unmatched_one_has(warehouse_url: str) -> None:
    land(warehouse_url, [of("import:tardis", 10)], matched=False)
    for matched in (True, False):
        report = land(
            warehouse_url,
            [of("stream", 1), of("stream", 2, contract="ETHUSDT")] if matched else [of("x", 3)],
            matched=matched,
        )
        assert numbers(report) == ((1, 0, 0, 1) if matched else (0, 0, 0, 1))
        assert "binance BTCUSDT has rows of import:tardis on 2025-12-10" in report.conflicts[0].reason
    assert numbers(land(warehouse_url, [of("import:tardis", 11)])) == (1, 0, 0, 0)


def test_a_claim_is_undone_with_its_transaction(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        insert_rows(connection, [of("import:tardis", 1)], matched=False)
        connection.rollback()
    assert numbers(land(warehouse_url, [of("stream", 1)])) == (1, 0, 0, 0)


def test_rows_that_were_all_refused_claim_nothing(warehouse_url: str) -> None:
    assert numbers(land(warehouse_url, [of("import:tardis", 1, raw=b"{")], matched=False)) == (0, 0, 1, 0)
    assert query(warehouse_url, "SELECT 1 FROM unmatched_days") == []


def test_counting_says_what_landing_then_does_and_lands_nothing(warehouse_url: str) -> None:
    land(warehouse_url, [of("stream", 1), of("stream", 2, contract="ETHUSDT")])
    batches = [
        ([of("a", n % 6, NOON + n % 6 * DAY_MS) for n in range(9)], True),
        ([of("a", n % 6, NOON + n % 6 * DAY_MS) for n in range(4, 11)], True),
        ([of("t", 20 + n, NOON + n * DAY_MS) for n in range(8)], False),
        ([of("t", 20 + n, NOON + n * DAY_MS) for n in range(8)], False),
        ([of("a", 40 + n, NOON + n * DAY_MS) for n in range(8)], True),
        ([of("u", 60, NOON + 7 * DAY_MS), of("u", 61, raw=b"{"), of("u", 62, price="-1")], False),
        ([], True),
    ]
    with connect(warehouse_url, autocommit=True) as connection:
        counted = [count_new(connection, prepare(entries, matched=matched)) for entries, matched in batches]
    assert query(warehouse_url, "SELECT count(*) FROM liquidations_raw") == [(2,)]
    assert raw_versions(warehouse_url) == {DAY: 1} and query(warehouse_url, "SELECT 1 FROM unmatched_days") == []
    assert [numbers(report)[0] for report in counted] == [6, 0, 2, 0, 6, 0, 0]
    assert counted == [land(warehouse_url, entries, matched=matched) for entries, matched in batches]


def test_counting_waits_for_nobody(warehouse_url: str) -> None:
    with connect(warehouse_url) as landing, connect(warehouse_url, autocommit=True) as counting:
        insert_rows(landing, [entry(1)])
        counting.execute("SET lock_timeout = '5s'")
        assert count_new(counting, prepare([entry(1)])).new == 1
