"""Delivery to real channels: each gets everything once, and one that is down or slow keeps nobody waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from liq_pipeline.alerting import channels
from liq_pipeline.alerting.channels import channel
from liq_pipeline.alerting.delivery import deliver
from liq_pipeline.alerting.message import Message
from liq_pipeline.settings import Settings
from liq_pipeline.warehouse import outbox
from liq_pipeline.warehouse.alerting import notice
from liq_pipeline.warehouse.connection import connect
from liq_pipeline.warehouse.migrate import migrate
from liq_pipeline_tests.conftest import fresh_database
from liq_pipeline_tests.fakes.channels import Webhook, mail_server, webhook
from liq_pipeline_tests.warehouse.making import query

NOW = datetime(2025, 12, 10, 12, tzinfo=UTC)
NOBODY = "json://127.0.0.1:1/s3cret"


@pytest.fixture(scope="module")
def shared_url(postgres_server: str) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        migrate(url, plain=True)
        yield url


@pytest.fixture
def outbox_url(shared_url: str) -> str:
    query(shared_url, "TRUNCATE alert_messages, alert_channels")
    return shared_url


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


def _settings(*urls: str, group: int = 60) -> Settings:
    return Settings(alert_urls=tuple(SecretStr(url) for url in urls), alert_group_seconds=group)


def _say(database_url: str, *subjects: str, at: datetime = NOW) -> None:
    with connect(database_url) as connection:
        for subject in subjects:
            notice(connection, f"{subject} {at}", at, subject, f"{subject} happened")


def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_channel_is_sent_what_was_said_since_it_was_set_up_and_once(outbox_url: str, hook: Webhook) -> None:
    settings = _settings(hook.url)
    _say(outbox_url, "history")
    assert deliver(outbox_url, settings, _at(0)) == []
    _say(outbox_url, "one")
    for seconds in (10, 20, 100):
        assert deliver(outbox_url, settings, _at(seconds)) == []
    assert hook.titles == ["liq: NOTICE: one"]
    assert hook.received[0]["type"] == "info"


def test_what_happens_shortly_after_another_is_grouped(outbox_url: str, hook: Webhook) -> None:
    settings = _settings(hook.url)
    deliver(outbox_url, settings, _at(0))
    for second in range(10, 120, 10):
        _say(outbox_url, f"at {second}")
        deliver(outbox_url, settings, _at(second))
    assert [message["message"].count("happened") for message in hook.received] == [1, 6]


def test_mail_arrives_at_everybody_a_url_names(outbox_url: str) -> None:
    with mail_server() as (url, mails):
        settings = _settings(url)
        deliver(outbox_url, settings, _at(0))
        _say(outbox_url, "cascade <BTC> & more")
        assert deliver(outbox_url, settings, _at(1)) == []
    assert {mail["To"] for mail in mails} == {"a@example.com", "b@example.com"}
    assert {mail["Subject"] for mail in mails} == {"liq: NOTICE: cascade <BTC> & more"}
    body = mails[0].get_body(("plain", "html"))
    assert body is not None and "happened" in body.get_content()


def test_a_channel_that_is_down_is_tried_again_at_growing_distances_and_stops_nobody(
    outbox_url: str, hook: Webhook
) -> None:
    with webhook() as broken:
        broken.status = 503
        settings = _settings(broken.url, hook.url, group=0)
        deliver(outbox_url, settings, _at(0))
        _say(outbox_url, "one")
        said = {second: deliver(outbox_url, settings, _at(second)) for second in (1, 10, 11, 30, 31, 70, 71, 150, 151)}
        assert [second for second, lines in said.items() if lines] == [1, 11, 31, 71, 151]
        assert hook.titles == ["liq: NOTICE: one"]
        name = channel(broken.url).name
        (line,) = said[1]
        assert line == f"{name} was not sent 1 alerts, which are tried again: it answered with status 503"
        with connect(outbox_url) as connection:
            assert outbox.down(connection) == [(name, _at(1), 5, "it answered with status 503")]
        broken.status = 200
        _say(outbox_url, "two")
        assert deliver(outbox_url, settings, _at(1000)) == []
        with connect(outbox_url) as connection:
            assert outbox.down(connection) == []
        assert [message["message"].count("happened") for message in broken.received] == [2]
    assert hook.titles == ["liq: NOTICE: one", "liq: NOTICE: two"]


def test_a_slow_channel_does_not_keep_the_others_waiting(
    outbox_url: str, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "SECONDS", 1)
    with webhook() as slow:
        slow.seconds = 3
        settings = _settings(slow.url, hook.url)
        deliver(outbox_url, settings, _at(0))
        _say(outbox_url, "one")
        (line,) = deliver(outbox_url, settings, _at(1))
    assert "did not answer within 1 s" in line
    assert hook.titles == ["liq: NOTICE: one"]


def test_nobody_gets_yesterdays_alerts_one_by_one(outbox_url: str, hook: Webhook) -> None:
    settings = _settings(hook.url)
    deliver(outbox_url, settings, _at(0))
    hook.status = 500
    _say(outbox_url, *(f"old {number}" for number in range(30)))
    deliver(outbox_url, settings, _at(1))
    hook.status = 200
    _say(outbox_url, "new", at=_at(86_400))
    assert deliver(outbox_url, settings, _at(86_402)) == []
    assert hook.titles == ["liq: 1 notice, 30 more: new, …"]
    assert "30 older than a day" in hook.received[0]["message"]
    assert "old 1" not in hook.received[0]["message"]


def test_two_at_once_send_it_once(outbox_url: str, hook: Webhook) -> None:
    settings = _settings(hook.url)
    deliver(outbox_url, settings, _at(0))
    _say(outbox_url, "one")
    with connect(outbox_url) as connection:
        names = [channel(hook.url).name]
        (claimed,) = outbox.claim(connection, names, _at(1), _at(-60), 20)
        assert [said.subject for said in claimed.said] == ["one"]
    assert deliver(outbox_url, settings, _at(2)) == []
    assert hook.received == []
    # Whoever had claimed it is gone.
    deliver(outbox_url, settings, _at(62))
    assert hook.titles == ["liq: NOTICE: one"]


def test_a_channel_that_is_no_longer_configured_is_forgotten(outbox_url: str, hook: Webhook) -> None:
    deliver(outbox_url, _settings(NOBODY), _at(0))
    _say(outbox_url, "one")
    deliver(outbox_url, _settings(NOBODY), _at(1))
    deliver(outbox_url, _settings(hook.url), _at(2))
    with connect(outbox_url) as connection:
        assert outbox.down(connection) == []
    assert query(outbox_url, "SELECT name FROM alert_channels") == [(channel(hook.url).name,)]


def test_no_url_is_shown_or_logged(outbox_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    mail = "mailto://user:s3cret@127.0.0.1:1?to=s3cret@example.com&from=x@example.com&mode=insecure"
    urls = [NOBODY, mail, "nonsense/s3cret", "discord://s3cret"]
    logged = logging.StreamHandler()
    logging.getLogger().addHandler(logged)
    try:
        settings = _settings(*urls)
        deliver(outbox_url, settings, _at(0))
        _say(outbox_url, "one")
        lines = deliver(outbox_url, settings, _at(1))
    finally:
        logging.getLogger().removeHandler(logged)
    assert sorted(line.partition(": ")[2].partition(":")[0] for line in lines) == [
        "Apprise does not understand its URL",
        "Apprise does not understand its URL",
        "no connection",
        "no connection",
    ]
    stored = str(query(outbox_url, "SELECT * FROM alert_channels"))
    captured = capfd.readouterr()
    for text in (*lines, stored, captured.out, captured.err, *(repr(channel(url)) for url in urls)):
        assert "s3cret" not in text and "127.0.0.1" not in text


def test_a_title_that_a_service_has_no_field_for_leaves_room_in_the_body() -> None:
    telegram = channel("tgram://123456789:abcdefg_hijklmnop/1234567/")
    assert telegram.service is not None
    assert telegram.room + 250 <= telegram.service.body_maxlen


def test_a_message_is_not_taken_for_markup(hook: Webhook) -> None:
    assert channel(hook.url).send(Message("a <b>", "x < y & *z*", "error")) is None
    assert (hook.received[0]["title"], hook.received[0]["message"]) == ("a <b>", "x < y & *z*")
    assert hook.received[0]["type"] == "failure"


def test_sending_takes_no_longer_than_the_slowest(hook: Webhook) -> None:
    began = time.monotonic()
    assert channels.send_all([]) == []
    message = Message("title", "body", "healed")
    assert channels.send_all([(channel(hook.url), message), (channel(NOBODY), message)]) == [None, "no connection"]
    assert time.monotonic() - began < 60
