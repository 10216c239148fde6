from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import redis

from liq_pipeline.errors import ServerError
from liq_pipeline.settings import Settings
from liq_pipeline.streams import LOADER_GROUP, REJECTED, encode_event, events_key
from liq_pipeline.warehouse import backlog, loader, locks
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.landing import insert_rows
from liq_pipeline.warehouse.landing_zone import stream_states
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.warehouse.making import (
    DAY,
    KEEP,
    NOON,
    add,
    entry,
    ids,
    landed_ids,
    query,
    raw_versions,
    utc,
)

KEY = events_key("binance")
HOUR = 3_600_000


class Crash(Exception):
    """Stands for the process being killed at that point."""


def crash(*_: object, **__: object) -> None:
    raise Crash


def test_how_far_the_streams_are_drained_is_written_down_and_never_goes_back(
    warehouse_url: str, redis_url: str
) -> None:
    for until, known in ((NOON + 5_000, NOON + 5_000), (NOON, NOON + 5_000), (NOON + 9_000, NOON + 9_000)):
        loader.drain(warehouse_url, redis_url, KEEP, until)
        assert query(warehouse_url, "SELECT drained_until FROM loader_state") == [(utc(known),)]


def test_entries_of_all_venues_land_with_every_column(warehouse_url: str, redis_url: str) -> None:
    given = entry(7, contract="狗狗USDT", symbol="狗狗USDT", raw=b'{"a": "tab\\t \\u72d7 \\\\"}', ordinal=3)
    add(redis_url, [given, entry(8, exchange="okx"), entry(9, NOON + 86_400_000, exchange="bybit")])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate, report.refused, report.rejected) == (3, 0, 0, 0)
    assert report.days == {DAY: 2, date(2025, 12, 11): 1}
    event = given.liquidation
    row = query(
        warehouse_url,
        "SELECT time, event_id::text, exchange, market, contract, symbol, side, price::text, price_kind,"
        " quantity::text, value_usd::text, limit_price::text, received_at, source, feed_semantics, parser_version,"
        " ordinal, raw_data->>'a' FROM liquidations_raw WHERE ordinal = 3",
    )
    assert row == [
        (
            *(utc(event.time), event.event_id, "binance", "linear", "狗狗USDT", "狗狗USDT", "LONG"),
            *(event.price, "fill", event.quantity, event.value_usd, event.limit_price, utc(given.received_at)),
            *("stream", "largest_1s", event.parser_version, 3, "tab\t 狗 \\"),
        )
    ]


def test_draining_again_changes_nothing(warehouse_url: str, redis_url: str) -> None:
    add(redis_url, [entry(n) for n in range(20)])
    loader.drain(warehouse_url, redis_url, KEEP)
    again = loader.drain(warehouse_url, redis_url, KEEP)
    assert (again.new, again.duplicate) == (0, 0)
    assert raw_versions(warehouse_url) == {DAY: 1}


def test_one_liquidation_counts_once_however_often_it_was_landed(warehouse_url: str, redis_url: str) -> None:
    add(redis_url, [entry(n % 5) for n in range(12)])
    first = loader.drain(warehouse_url, redis_url, KEEP)
    assert (first.new, first.duplicate) == (5, 7)
    add(redis_url, [entry(n) for n in range(3, 8)])
    second = loader.drain(warehouse_url, redis_url, KEEP)
    assert (second.new, second.duplicate) == (3, 2)
    assert landed_ids(warehouse_url) == ids(entry(n) for n in range(8))


def test_repeats_over_batches_count_once(warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_BATCH", 4)
    add(redis_url, [entry(n % 7) for n in range(30)])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate) == (7, 23)
    assert landed_ids(warehouse_url) == ids(entry(n) for n in range(7))


def test_only_days_with_new_rows_get_a_new_version(warehouse_url: str, redis_url: str) -> None:
    tomorrow = NOON + 86_400_000
    add(redis_url, [entry(1), entry(2, tomorrow)])
    loader.drain(warehouse_url, redis_url, KEEP)
    add(redis_url, [entry(1), entry(3, tomorrow)])
    loader.drain(warehouse_url, redis_url, KEEP)
    assert raw_versions(warehouse_url) == {DAY: 1, date(2025, 12, 11): 2}


def test_a_crash_before_the_commit_loses_nothing(
    warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis_url, [entry(n) for n in range(10)])
    with monkeypatch.context() as patch:
        copied = loader.insert_prepared
        patch.setattr(loader, "insert_prepared", lambda *args, **kwargs: (copied(*args, **kwargs), crash()))
        with pytest.raises(Crash):
            loader.drain(warehouse_url, redis_url, KEEP)
    assert landed_ids(warehouse_url) == set() and raw_versions(warehouse_url) == {}
    assert loader.drain(warehouse_url, redis_url, KEEP).new == 10
    assert raw_versions(warehouse_url) == {DAY: 1}


def test_a_crash_before_redis_knows_of_the_commit_repeats_work_only(
    warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis_url, [entry(n) for n in range(10)])
    with monkeypatch.context() as patch:
        patch.setattr(backlog, "commit", crash)
        with pytest.raises(Crash):
            loader.drain(warehouse_url, redis_url, KEEP)
    assert len(landed_ids(warehouse_url)) == 10
    again = loader.drain(warehouse_url, redis_url, KEEP)
    assert (again.new, again.duplicate) == (0, 10)
    assert raw_versions(warehouse_url) == {DAY: 1}
    assert loader.drain(warehouse_url, redis_url, KEEP).duplicate == 0


def test_a_connection_killed_in_the_middle_is_a_server_error_and_loses_nothing(
    warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis_url, [entry(n) for n in range(10)])
    copied = loader.insert_prepared

    def killed(connection: object, *args: object, **kwargs: object) -> object:
        report = copied(connection, *args, **kwargs)  # type: ignore[arg-type]
        query(warehouse_url, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)  # type: ignore[attr-defined]
        return report

    with monkeypatch.context() as patch:
        patch.setattr(loader, "insert_prepared", killed)
        with pytest.raises(ServerError, match="repeated by the next run"):
            loader.drain(warehouse_url, redis_url, KEEP)
    assert landed_ids(warehouse_url) == set()
    assert loader.drain(warehouse_url, redis_url, KEEP).new == 10


def test_what_an_earlier_version_left_pending_lands(warehouse_url: str, redis_url: str) -> None:
    stream_ids = add(redis_url, [entry(n) for n in range(6)])
    with redis.Redis.from_url(redis_url) as client:
        client.xgroup_create(KEY, LOADER_GROUP, id="0")
        client.xreadgroup(LOADER_GROUP, "another-host", {KEY: ">"}, count=4)
        client.xack(KEY, LOADER_GROUP, stream_ids[0])
        # The acknowledged one as well: this database does not say that it has it.
        assert loader.drain(warehouse_url, redis_url, KEEP).new == 6
        assert client.xpending(KEY, LOADER_GROUP)["pending"] == 0
    again = loader.drain(warehouse_url, redis_url, KEEP)
    assert (again.new, again.duplicate) == (0, 0)


def test_a_database_that_lost_rows_gets_them_again(warehouse_url: str, redis_url: str) -> None:
    """As one that was restored, or a standby that took over and had less."""
    add(redis_url, [entry(n) for n in range(6)])
    loader.drain(warehouse_url, redis_url, KEEP)
    ((position,),) = query(warehouse_url, "SELECT last_id FROM feed_positions WHERE stream = %s", KEY)
    late = [entry(n) for n in range(6, 10)]
    add(redis_url, late)
    loader.drain(warehouse_url, redis_url, KEEP)
    query(warehouse_url, "DELETE FROM liquidations_raw WHERE event_id = ANY(%s::uuid[])", list(ids(late)))
    query(warehouse_url, "UPDATE feed_positions SET last_id = %s WHERE stream = %s", position, KEY)
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate, report.robbed) == (4, 0, [])
    assert landed_ids(warehouse_url) == ids(entry(n) for n in range(10))
    again = loader.drain(warehouse_url, redis_url, KEEP)
    assert (again.new, again.duplicate) == (0, 0)
    with redis.Redis.from_url(redis_url) as client:
        assert [state.uncommitted for state in stream_states(client)] == [0]


def test_another_database_gets_what_the_streams_still_hold(
    warehouse_url: str, postgres_server: str, redis_url: str
) -> None:
    add(redis_url, [entry(n) for n in range(6)])
    loader.drain(warehouse_url, redis_url, KEEP)
    with redis.Redis.from_url(redis_url) as client:
        client.xtrim(KEY, maxlen=4, approximate=False)
    with fresh_database(postgres_server) as other:
        migrate(other, plain=True)
        report = loader.drain(other, redis_url, KEEP)
        assert (report.new, report.robbed) == (4, [])


def test_rows_lost_with_entries_that_were_trimmed_are_said(warehouse_url: str, redis_url: str) -> None:
    add(redis_url, [entry(n) for n in range(6)])
    loader.drain(warehouse_url, redis_url, KEEP)
    with redis.Redis.from_url(redis_url) as client:
        client.xtrim(KEY, maxlen=2, approximate=False)
    query(warehouse_url, "UPDATE feed_positions SET last_id = '1-0' WHERE stream = %s", KEY)
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.duplicate, report.robbed) == (2, [KEY])


def test_entries_deleted_before_they_were_committed_are_said_once_and_do_not_block(
    warehouse_url: str, redis_url: str
) -> None:
    stream_ids = add(redis_url, [entry(n) for n in range(4)])
    with redis.Redis.from_url(redis_url) as client:
        client.xdel(KEY, stream_ids[1])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.robbed) == (3, [KEY])
    add(redis_url, [entry(5)])
    assert loader.drain(warehouse_url, redis_url, KEEP).robbed == []


def test_redis_tells_the_backlog_between_two_drains(warehouse_url: str, redis_url: str) -> None:
    first = _now(redis_url) - HOUR
    _add_at(redis_url, [(first + n, n) for n in range(10)])
    with redis.Redis.from_url(redis_url) as client:
        for read, left in ((3, 7), (4, 6), (10, 0)):
            loader.drain(warehouse_url, redis_url, KEEP, until=first + read)
            assert [(state.key, state.uncommitted) for state in stream_states(client)] == [(KEY, left)]
            assert client.xinfo_groups(KEY)[0]["lag"] == left
            client.xtrim(KEY, maxlen=left + 1, approximate=False)


def test_a_full_redis_that_refuses_to_note_the_commit_gets_room_from_what_is_committed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis_url, [entry(n) for n in range(6)])
    with backlog.open_redis(redis_url) as client:
        assert backlog.stream_keys(client) == [KEY, REJECTED]
        (batch,) = backlog.uncommitted(client, KEY, backlog.now_ms(client) + 1)
        call = client.execute_command

        def full(*command: object, **options: object) -> object:
            if command[:2] == ("XGROUP", "SETID") and client.xlen(KEY) > 2:
                raise redis.OutOfMemoryError
            return call(*command, **options)

        monkeypatch.setattr(client, "execute_command", full)
        backlog.commit(client, KEY, batch[:4])
        assert client.xlen(KEY) == 2
        assert list(backlog.uncommitted(client, KEY, backlog.now_ms(client) + 1)) == [batch[4:]]


def test_entries_from_after_the_run_began_wait_for_the_next(warehouse_url: str, redis_url: str) -> None:
    _add_at(redis_url, [(1000, 1), (1999, 2), (2000, 3), (3000, 4)])
    assert loader.drain(warehouse_url, redis_url, KEEP, until=2000).new == 2
    assert loader.drain(warehouse_url, redis_url, KEEP, until=2000).new == 0
    assert loader.drain(warehouse_url, redis_url, KEEP).new == 2


def test_a_second_loader_waits_for_the_first(warehouse_url: str, redis_url: str) -> None:
    add(redis_url, [entry(1)])
    with connect(warehouse_url, autocommit=True) as connection, locks.session_lock(connection, locks.LOADER):
        row = connection.execute("SELECT pg_try_advisory_lock(%s, 0)", (locks.LOADER,)).fetchone()
        assert row == (True,)  # Sessions may take their own lock again; another may not:
        assert query(warehouse_url, "SELECT pg_try_advisory_lock(%s, 0)", locks.LOADER) == [(False,)]
        connection.execute("SELECT pg_advisory_unlock(%s, 0)", (locks.LOADER,))
    assert loader.drain(warehouse_url, redis_url, KEEP).new == 1


BAD = {
    "jsonb cannot hold NUL": entry(50, raw=b'{"a": "\\u0000"}'),
    "no JSON": entry(51, raw=b"{"),
    "invalid UTF-8": entry(52, raw=b'{"a": "\xff"}'),
    "NUL byte": entry(53, raw=b'{"a": 1}\x00'),
    "no number": entry(54, price="NaN"),
    "a number of many digits": entry(55, price="1." + "1" * 500),
    "negative": entry(56, quantity="-1"),
    "absurd date": entry(57, time=10**15),
    "negative date": entry(58, time=-1),
    "no UUID": entry(59, event_id="abc"),
    "NUL in a name": entry(60, contract="BTC\0USDT"),
    "ordinal too large": entry(61, ordinal=40_000),
    "deep JSON": entry(62, raw=b"[" * 100_000 + b"]" * 100_000),
}


def test_rows_that_cannot_be_stored_are_each_recorded_and_the_rest_lands(warehouse_url: str, redis_url: str) -> None:
    add(redis_url, [entry(n) for n in range(10)])
    loader.drain(warehouse_url, redis_url, KEEP)
    bad = list(BAD.values())
    add(redis_url, [*bad[:4], *(entry(n) for n in range(5, 15)), *bad[4:], *(entry(n) for n in range(15, 20))])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate, report.refused) == (10, 5, len(BAD))
    assert landed_ids(warehouse_url) == ids(entry(n) for n in range(20))
    recorded = query(warehouse_url, "SELECT exchange, frame FROM frames_rejected WHERE reason <> '' ORDER BY id")
    origins = query(warehouse_url, "SELECT DISTINCT source, market, contract, ordinal FROM frames_rejected")
    assert ("stream", "linear", "BTCUSDT", 0) in origins
    frames = [event.raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00") for event in bad]
    assert recorded == [("binance", frame) for frame in frames]
    again = loader.drain(warehouse_url, redis_url, KEEP)
    assert (again.new, again.refused) == (0, 0)


def test_entries_of_a_day_that_another_source_has_to_itself_are_recorded(warehouse_url: str, redis_url: str) -> None:
    with connect(warehouse_url) as connection:
        insert_rows(connection, [entry(100)._replace(source="import:tardis")], matched=False)
    add(redis_url, [entry(1), entry(2, contract="ETHUSDT"), entry(3, NOON + 86_400_000)])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate, report.refused) == (2, 0, 1)
    ((reason, frame, contract),) = query(warehouse_url, "SELECT reason, frame, contract FROM frames_rejected")
    assert "rows of import:tardis on 2025-12-10" in reason
    assert (frame, contract) == (entry(1).raw.decode(), "BTCUSDT")
    assert loader.drain(warehouse_url, redis_url, KEEP).refused == 0


def test_redis_going_away_while_postgresql_works_leaves_the_batch_committed(
    warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "_BATCH", 4)
    add(redis_url, [entry(n) for n in range(10)])
    batches = loader._batches

    def away(*arguments: Any) -> Iterator[Any]:
        made = batches(*arguments)
        yield next(made)
        raise redis.ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(loader, "_batches", away)
        with pytest.raises(ServerError, match="away: start Redis"):
            loader.drain(warehouse_url, redis_url, KEEP)
    assert len(landed_ids(warehouse_url)) == 4
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.duplicate) == (6, 0)


@pytest.mark.parametrize(
    "fields",
    [{"hello": "world"}, {"event": b"\xff\x00", "received_at": "1", "source": "stream", "raw": "{}"}],
    ids=["foreign", "undecodable"],
)
def test_an_entry_that_is_no_event_is_recorded_and_the_rest_lands(
    fields: dict[str, str | bytes], warehouse_url: str, redis_url: str
) -> None:
    add(redis_url, [entry(1)])
    with redis.Redis.from_url(redis_url) as client:
        stream_id = client.xadd(KEY, fields)
    add(redis_url, [entry(2)])
    report = loader.drain(warehouse_url, redis_url, KEEP)
    assert (report.new, report.refused) == (2, 1)
    rows = query(warehouse_url, "SELECT stream_id, reason FROM frames_rejected")
    assert rows[0][0] == f"{KEY}/{stream_id.decode()}" and rows[0][1].startswith("stream entry")


def test_rejected_frames_are_recorded_once_and_legibly(
    warehouse_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(
            REJECTED,
            {
                "received_at": NOON,
                "exchange": "okx",
                "reason": "no such contract",
                "frame": b"\xff\x00\xc3\xa9",
                "source": "replay",
                "market": "inverse",
            },
        )
        client.xadd(REJECTED, {"received_at": "absurd", "reason": "no JSON", "frame": b""})
    with monkeypatch.context() as patch:
        patch.setattr(backlog, "commit", crash)
        with pytest.raises(Crash):
            loader.drain(warehouse_url, redis_url, KEEP)
    loader.drain(warehouse_url, redis_url, KEEP)
    rows = query(
        warehouse_url, "SELECT exchange, reason, frame, source, market, received_at FROM frames_rejected ORDER BY id"
    )
    assert rows[0] == ("okx", "no such contract", "\\xff\\x00é", "replay", "inverse", utc(NOON))
    assert rows[1][:5] == (None, "no JSON", "", "stream", None) and len(rows) == 2


def test_trimming_takes_what_is_old_and_committed_only(warehouse_url: str, redis_url: str) -> None:
    now = _now(redis_url)
    old, recent = now - 3 * HOUR, now - HOUR
    _add_at(redis_url, [(old, 1), (old + 1, 2), (recent, 3)])
    report = loader.drain(warehouse_url, redis_url, Settings(stream_hours=2))
    assert (report.new, report.trimmed) == (3, 2)
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(KEY) == 1


def test_trimming_spares_old_entries_that_are_not_committed(warehouse_url: str, redis_url: str) -> None:
    now = _now(redis_url)
    old = now - 5 * HOUR
    _add_at(redis_url, [(old, 1), (old + 10, 2), (old + 20, 3)])
    report = loader.drain(warehouse_url, redis_url, Settings(stream_hours=2), until=old + 10)
    assert (report.new, report.trimmed) == (1, 1)
    # Older than the horizon, but newer than the bound: neither committed nor trimmed.
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(KEY) == 2
    assert loader.drain(warehouse_url, redis_url, Settings(stream_hours=2)).new == 2


def test_a_redis_out_of_memory_is_drained_and_has_room_again(warehouse_url: str, redis_url: str) -> None:
    now = _now(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        _add_at(redis_url, [(now - 2 * HOUR, 1)])
        loader.drain(warehouse_url, redis_url, Settings(stream_hours=24))
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used + (4 << 20))
        try:
            with pytest.raises(redis.OutOfMemoryError):
                for number in range(10, 10_000):
                    add(redis_url, [entry(number, raw=b'{"x": "%s"}' % (b"x" * 10_000))])
            landed = client.xlen(KEY)
            report = loader.drain(warehouse_url, redis_url, Settings(stream_hours=24))
            assert report.new == landed - 1
            assert report.trimmed > 1
            add(redis_url, [entry(20_000, raw=b"{}" + b" " * 100_000)])
        finally:
            client.config_set("maxmemory", 0)
    assert loader.drain(warehouse_url, redis_url, KEEP).new == 1


def test_days_before_the_first_partition_or_beyond_retention_land_all_the_same(
    warehouse_url: str, redis_url: str
) -> None:
    add(redis_url, [entry(1, NOON), entry(2, 1_500_000_000_000)])
    assert loader.drain(warehouse_url, redis_url, Settings(retention_days=1)).new == 2


def test_a_missing_redis_is_one_line_with_the_fix(warehouse_url: str) -> None:
    with pytest.raises(ServerError, match=r"Redis at 127.0.0.1 port 1, .*start Redis") as raised:
        loader.drain(warehouse_url, "redis://:s3cr3t@127.0.0.1:1/1", KEEP)
    assert "\n" not in str(raised.value) and "s3cr3t" not in str(raised.value)


def test_a_wrong_redis_password_is_one_line_without_it(warehouse_url: str, redis_url: str) -> None:
    url = redis_url.replace("redis://", "redis://nobody:s3cr3t@")
    with pytest.raises(ServerError, match="correct the password in LIQ_REDIS_URL") as raised:
        loader.drain(warehouse_url, url, KEEP)
    assert "\n" not in str(raised.value) and "s3cr3t" not in str(raised.value)


def test_a_missing_database_leaves_the_streams_as_they_are(redis_url: str) -> None:
    add(redis_url, [entry(1)])
    with pytest.raises(ServerError, match="start PostgreSQL"):
        loader.drain("postgresql://127.0.0.1:1/x", redis_url, KEEP)
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(KEY) == 1


def _now(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return backlog.now_ms(client)


def _add_at(redis_url: str, entries: list[tuple[int, int]]) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for milliseconds, number in entries:
            event = entry(number)
            fields = {
                "event": encode_event(event.liquidation),
                "received_at": event.received_at,
                "source": event.source,
                "raw": event.raw,
            }
            client.xadd(KEY, fields, id=f"{milliseconds}-0")
