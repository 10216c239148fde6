"""Incidents and the outbox: what is told when something breaks, flaps, grows worse and heals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import dropping
from liq_pipeline.warehouse.alerting import Incident, Severity, heal_incident, notice, open_incident, standing, tell
from liq_pipeline.warehouse.connection import Connection, connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database

START = datetime(2025, 12, 10, 12, tzinfo=UTC)
SETTLE = 600


@pytest.fixture(scope="module")
def alerting_url(postgres_server: str) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        migrate(url, plain=True)
        yield url


@pytest.fixture
def connection(alerting_url: str) -> Iterator[Connection]:
    with connect(alerting_url, autocommit=True) as opened:
        opened.execute("TRUNCATE incidents, alert_messages, alert_channels")
        yield opened


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _broken(seconds: float, severity: Severity = "ERROR", key: str = "check:table/complete/2025-12-10") -> Incident:
    return Incident(key, _at(seconds), severity, "table/complete", f"seen {seconds}", ["/runs/1"], date(2025, 12, 10))


def _told(connection: Connection, seconds: float, lowest: Severity = "WARN") -> list[tuple[str, str, str]]:
    """Kind, severity and text of what is told then, and was not before."""
    (before,) = connection.execute("SELECT coalesce(max(id), 0) FROM alert_messages").fetchall()
    tell(connection, _at(seconds), lowest == "WARN", SETTLE)
    after = "SELECT kind, severity, text FROM alert_messages WHERE id > %s ORDER BY id"
    return [tuple(row) for row in connection.execute(after, before).fetchall()]


def test_it_is_told_once_when_it_breaks_and_once_when_it_has_healed_for_good(connection: Connection) -> None:
    open_incident(connection, _broken(0))
    assert _told(connection, 1) == [("broke", "ERROR", "seen 0")]
    open_incident(connection, _broken(300))
    assert _told(connection, 301) == []
    assert [incident.text for incident in standing(connection)] == ["seen 300"]
    heal_incident(connection, _broken(0).key, _at(400), "400 rows")
    heal_incident(connection, _broken(0).key, _at(700), "700 rows")
    assert _told(connection, 999) == []
    assert standing(connection) == []
    assert _told(connection, 1000) == [("healed", "ERROR", "700 rows")]
    assert _told(connection, 5000) == []
    open_incident(connection, _broken(6000))
    assert _told(connection, 6001) == [("broke", "ERROR", "seen 6000")]


def test_what_flaps_faster_than_it_settles_is_one_incident(connection: Connection) -> None:
    told = []
    for start in range(0, 6000, 300):
        open_incident(connection, _broken(start))
        told += _told(connection, start + 1)
        heal_incident(connection, _broken(0).key, _at(start + 150), "well")
        told += _told(connection, start + 151)
    assert told == [("broke", "ERROR", "seen 0")]
    assert _told(connection, 6000 - 150 + SETTLE) == [("healed", "ERROR", "well")]
    assert connection.execute("SELECT opened_at FROM incidents").fetchall() == [(_at(0),)]


def test_what_has_healed_before_anybody_was_told_is_never_mentioned(connection: Connection) -> None:
    open_incident(connection, _broken(0), tell_at=_at(900))
    assert _told(connection, 899) == []
    heal_incident(connection, _broken(0).key, _at(899), "well")
    assert _told(connection, 900) == []
    assert _told(connection, 9000) == []
    open_incident(connection, _broken(10_000), tell_at=_at(10_900))
    assert _told(connection, 10_901) == [("broke", "ERROR", "seen 10000")]


def test_reading_the_same_events_again_changes_nothing(connection: Connection) -> None:
    def read() -> None:
        open_incident(connection, _broken(0))
        heal_incident(connection, _broken(0).key, _at(10), "well")
        open_incident(connection, _broken(20))
        heal_incident(connection, _broken(0).key, _at(30), "well again")

    for seconds in (31, 32):
        read()
        assert _told(connection, seconds) == []
    connection.execute("UPDATE incidents SET settled = true")
    read()
    assert connection.execute("SELECT count(*) FROM incidents").fetchall() == [(1,)]


@pytest.mark.parametrize(("lowest", "expected"), [("WARN", ["WARN", "ERROR"]), ("ERROR", ["ERROR"])])
def test_what_grows_worse_is_told_again_and_what_is_below_the_limit_is_not(
    connection: Connection, lowest: Severity, expected: list[str]
) -> None:
    told = []
    for seconds, severity in enumerate(("WARN", "ERROR", "WARN", "ERROR")):
        open_incident(connection, _broken(seconds, severity))  # type: ignore[arg-type]
        told += _told(connection, seconds, lowest)
    assert [severity for _, severity, _ in told] == expected
    open_incident(connection, _broken(0, "WARN", "check:other/warns/"))
    told = _told(connection, 5, lowest)
    heal_incident(connection, "check:other/warns/", _at(6), "well")
    told += _told(connection, 6 + SETTLE, lowest)
    assert [kind for kind, *_ in told] == (["broke", "healed"] if lowest == "WARN" else [])


def test_a_notice_is_said_once_for_its_key_and_needs_no_healing(connection: Connection) -> None:
    for _ in range(2):
        notice(
            connection, "cascade:7", START, "cascade on BTCUSDT", "12,000,000 USD", ["/assets/x"], date(2025, 12, 10)
        )
    notice(connection, "cascade:8", START, "cascade on ETHUSDT", "11,000,000 USD")
    rows = connection.execute("SELECT key, kind, severity, links FROM alert_messages ORDER BY id").fetchall()
    assert rows == [("cascade:7", "notice", "INFO", ["/assets/x"]), ("cascade:8", "notice", "INFO", [])]
    assert standing(connection) == []


def test_incidents_are_apart_by_their_keys(connection: Connection) -> None:
    open_incident(connection, _broken(0, "WARN", "run:daily_tables/2025-12-10"))
    open_incident(connection, _broken(1, "ERROR", "collector"))
    assert len(_told(connection, 2)) == 2
    heal_incident(connection, "collector", _at(3), "collected again")
    heal_incident(connection, "live", _at(3), "never broke")
    assert [incident.key for incident in standing(connection)] == ["run:daily_tables/2025-12-10"]
    assert _told(connection, 3 + SETTLE) == [("healed", "ERROR", "collected again")]


def test_retention_takes_what_was_said_what_healed_and_what_can_never_heal(
    connection: Connection, alerting_url: str
) -> None:
    for number, key in enumerate(("healed", "of a day", "stands")):
        day = START.date() if key == "of a day" else None
        open_incident(connection, Incident(key, _at(number), "ERROR", key, key, day=day))
    tell(connection, _at(5), True, SETTLE)
    heal_incident(connection, "healed", _at(6), "well")
    settings = Settings(retention_days=7, rollup_retention_days=30)
    dropping.drop(alerting_url, settings, START.date() + timedelta(days=30))
    assert len(connection.execute("SELECT FROM incidents").fetchall()) == 3
    dropping.drop(alerting_url, settings, START.date() + timedelta(days=31))
    assert [incident.key for incident in standing(connection)] == ["stands"]
    assert connection.execute("SELECT key FROM incidents UNION ALL SELECT key FROM alert_messages").fetchall() == [
        ("stands",)
    ]
